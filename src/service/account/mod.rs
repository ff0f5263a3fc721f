//! Accounts: companies whose visitors go to one agent.

pub mod domain;
pub mod import;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use super::{Error, Result, agent, text};
use crate::app::App;
use crate::store::account::{self, Model};
use crate::store::booking::{Company, Person};
use crate::store::page::{Page, PageRequest};
use crate::{ids, store};

/// Most domains of one account.
pub const MOST_DOMAINS: usize = 100;
/// Longest name of an account, in characters.
const NAME_CHARS: usize = text::LINE_CHARS;

/// An account to make.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The company's name; unique among accounts, whatever its case.
    pub name: String,
    /// Its domains, in any form.
    pub domains: Vec<String>,
    /// The agent who gets its visitors.
    pub owner: Uuid,
}

/// What to change about an account; what is none stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in `NewAccount`")]
pub struct AccountUpdate {
    pub name: Option<String>,
    pub domains: Option<Vec<String>>,
    pub owner: Option<Uuid>,
}

/// Which accounts a caller looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    text: Option<String>,
    owner: Option<Uuid>,
}

impl Search {
    /// Those whose name or one of whose domains has `text` in it, of `owner`; all where both are
    /// none.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub fn new(text: Option<&str>, owner: Option<Uuid>) -> Result<Self> {
        Ok(Self { text: text::optional("search", text, text::LINE_CHARS)?, owner })
    }

    fn select(&self) -> Select<account::Entity> {
        use account::domain;
        let named = self.text.as_deref().map(|text| {
            // Domains are kept in ASCII, so that is what an internationalised one is found by.
            let ascii = idna::domain_to_ascii(text).ok().filter(|ascii| !ascii.is_empty());
            let wanted = store::like(ascii.as_deref().unwrap_or(text));
            let with_domain = domain::Entity::find()
                .select_only()
                .column(domain::Column::AccountId)
                .filter(Expr::col(domain::Column::Domain).like(wanted));
            Condition::any()
                .add(Expr::col(account::Column::NameKey).like(store::like(text)))
                .add(account::Column::Id.in_subquery(with_domain.into_query()))
        });
        let owned = self.owner.map(|owner| account::Column::OwnerId.eq(owner));
        account::Entity::find().filter(Condition::all().add_option(named).add_option(owned))
    }
}

fn unknown(id: Uuid) -> Error {
    Error::NotFound(format!("there is no account {}", ids::ACCOUNT.format(id)))
}

/// The account with this ID, if there is one.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(account::Entity::find_by_id(id).one(&app.db).await?)
}

/// A page of accounts, in the order in which they were made.
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App, search: &Search, page: &PageRequest<Uuid>) -> Result<Page<Model>> {
    Ok(store::page::read(&app.db, search.select(), &[account::Column::Id], page).await?)
}

/// How many accounts there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App, search: &Search) -> Result<u64> {
    Ok(search.select().count(&app.db).await?)
}

/// The account of a visitor's company: the one that has the longest registered domain which the
/// company's domain is or is under. One statement, or none where there is no company.
///
/// # Errors
/// None but the database's.
pub async fn matching(
    app: &App,
    person: Option<&Person>,
    company: Option<&Company>,
) -> Result<Option<Model>> {
    let Some(domain) = domain::of_visitor(person, company) else { return Ok(None) };
    Ok(account::of_domains(&app.db, &domain::candidates(&domain)).await?)
}

/// Makes an account.
///
/// # Errors
/// `BAD_USER_INPUT`, also for an owner who is not active; `CONFLICT` where another account has the
/// name or a domain; `NOT_FOUND` for the owner.
pub async fn create(app: &App, new: NewAccount) -> Result<Model> {
    let name = text::required("input.name", &new.name, NAME_CHARS)?;
    let domains = domains(&new.domains)?;
    let record = Model {
        id: app.uuid(),
        name_key: name.to_lowercase(),
        name,
        owner_id: new.owner,
        created_at: app.now(),
    };
    let transaction = store::begin(&app.db).await?;
    account::lock(&transaction).await?;
    must_be_active(&transaction, new.owner).await?;
    save(&transaction, &record, Some(&domains)).await?;
    transaction.commit().await?;
    Ok(record)
}

/// Changes an account. One whose owner was deactivated keeps it until another is given.
///
/// # Errors
/// As [`create`], and `NOT_FOUND` for the account.
pub async fn update(app: &App, id: Uuid, update: AccountUpdate) -> Result<Model> {
    let name = |name: &String| text::required("input.name", name, NAME_CHARS);
    let name = update.name.as_ref().map(name).transpose()?;
    let domains = update.domains.as_deref().map(domains).transpose()?;
    let transaction = store::begin(&app.db).await?;
    account::lock(&transaction).await?;
    let found = account::Entity::find_by_id(id).one(&transaction).await?;
    let mut record = found.ok_or_else(|| unknown(id))?;
    if let Some(owner) = update.owner.filter(|owner| *owner != record.owner_id) {
        must_be_active(&transaction, owner).await?;
        record.owner_id = owner;
    }
    if let Some(name) = name {
        record.name_key = name.to_lowercase();
        record.name = name;
    }
    save(&transaction, &record, domains.as_deref()).await?;
    transaction.commit().await?;
    Ok(record)
}

/// Deletes an account; its visitors are routed as any others from then on.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn delete(app: &App, id: Uuid) -> Result<()> {
    let gone = account::Entity::delete_by_id(id).exec(&app.db).await?;
    if gone.rows_affected == 0 { Err(unknown(id)) } else { Ok(()) }
}

/// A domain that an account is to have.
struct Wanted {
    /// In its one form.
    domain: String,
    /// Where the caller named it first.
    field: String,
}

/// Domains in their one form, each once, in the order given.
fn domains(given: &[String]) -> Result<Vec<Wanted>> {
    if MOST_DOMAINS < given.len() {
        let message = format!("at most {MOST_DOMAINS} domains, not {}", given.len());
        return Err(Error::bad_input("input.domains", message));
    }
    let mut domains: Vec<Wanted> = Vec::with_capacity(given.len());
    for (index, text) in given.iter().enumerate() {
        let field = format!("input.domains.{index}");
        let domain = domain::company(text);
        let domain = domain.map_err(|why| Error::bad_input(&field, format!("{field} {why}")))?;
        if !domains.iter().any(|other| other.domain == domain) {
            domains.push(Wanted { domain, field });
        }
    }
    Ok(domains)
}

async fn must_be_active(transaction: &DatabaseTransaction, owner: Uuid) -> Result<()> {
    let found = store::agent::Entity::find_by_id(owner).one(transaction).await?;
    if found.ok_or_else(|| agent::unknown(owner))?.active {
        return Ok(());
    }
    Err(Error::bad_input("input.ownerId", "input.ownerId must be an active agent"))
}

/// Writes an account, and its domains where they are given, under the lock.
async fn save(
    transaction: &DatabaseTransaction,
    record: &Model,
    domains: Option<&[Wanted]>,
) -> Result<()> {
    let named = account::with_names(transaction, &[record.name_key.as_str()]).await?;
    if let Some(other) = named.iter().find(|other| other.id != record.id) {
        let message = format!("there is an account {} already", other.name);
        return Err(Error::taken("input.name", message));
    }
    account::put(transaction, std::slice::from_ref(record)).await?;
    let Some(domains) = domains else { return Ok(()) };
    let texts: Vec<&str> = domains.iter().map(|wanted| wanted.domain.as_str()).collect();
    let holders = account::holders(transaction, &texts).await?;
    for Wanted { domain, field } in domains {
        let holder = holders.iter().find(|holder| holder.domain == *domain);
        if let Some(holder) = holder.filter(|holder| holder.account_id != record.id) {
            let message = format!("{domain} belongs to the account {}", holder.name);
            return Err(Error::taken(field, message));
        }
    }
    let before = account::domains_of(transaction, &[record.id]).await?;
    let before = before.get(&record.id).map_or(&[][..], Vec::as_slice);
    let dropped: Vec<&str> =
        before.iter().map(String::as_str).filter(|domain| !texts.contains(domain)).collect();
    let added: Vec<(&str, Uuid)> = texts
        .into_iter()
        .filter(|domain| !before.iter().any(|other| other == domain))
        .map(|domain| (domain, record.id))
        .collect();
    account::remove_domains(transaction, &dropped).await?;
    Ok(account::add_domains(transaction, &added).await?)
}
