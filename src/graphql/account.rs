//! Accounts.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::access::{app, authorise, read_id};
use super::agent::Agent;
use super::error::Result;
use super::loaders::{AgentById, DomainsOf, load};
use super::page::{Cursor, PageArgs, connection};
use super::scalars::DateTime;
use crate::ids;
use crate::service::account::import::{self, Problem, Report};
use crate::service::{Error, account as service};
use crate::store::account::Model;

/// A company whose visitors go to one agent first.
#[derive(Clone, Debug)]
pub struct Account(pub(crate) Model);

/// A company whose visitors go to one agent first.
#[Object]
impl Account {
    /// Names it everywhere.
    pub(crate) async fn id(&self) -> ID {
        ids::ACCOUNT.format(self.0.id).into()
    }

    /// The company's name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The domains by which its visitors are known, those under them included: in ASCII and lower
    /// case, in the alphabet's order.
    async fn domains(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(load(ctx, DomainsOf(self.0.id)).await?.into_iter().flatten().collect())
    }

    /// Who gets its visitors. An owner who was deactivated stays, and is passed over.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Agent> {
        let owner = load(ctx, AgentById(self.0.owner_id)).await?;
        let none = || Error::internal(anyhow::anyhow!("no agent {}", self.0.owner_id));
        Ok(Agent(owner.ok_or_else(none)?))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

connection!(
    /// A page of accounts, in the order in which they were made.
    AccountConnection, AccountEdge, Account(Model),
    cursor: |account| account.id.encode(),
    count(ctx, search: service::Search): Ok(service::count(app(ctx), search).await?)
);

/// An account to make.
#[derive(Clone, Debug, InputObject)]
pub struct CreateAccountInput {
    /// At most 200 characters; unique among accounts, whatever its case.
    name: String,
    /// At most 100 host names that are the company's own: no public suffix, no mail service for
    /// everybody, no IP address. Internationalised ones in any form; a leading www. is taken off.
    domains: Vec<String>,
    /// Who gets its visitors: an active agent.
    owner_id: ID,
}

/// Fields left out stay as they are.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateAccountInput {
    /// Which.
    account_id: ID,
    /// At most 200 characters; unique among accounts, whatever its case.
    name: Option<String>,
    /// All of its domains, in place of those before; as for createAccount.
    domains: Option<Vec<String>>,
    /// Who gets its visitors: an active agent.
    owner_id: Option<ID>,
}

/// A CSV file of accounts.
#[derive(Clone, Debug, InputObject)]
pub struct ImportAccountsInput {
    /// The file, within what a request may be long; POST /imports/accounts takes longer ones. Its first
    /// line names the columns, in any order: name, domains (separated by spaces, semicolons, or commas
    /// between quotation marks), owner (an active agent's e-mail address). Others are left alone.
    csv: String,
    /// Tell what would be and change nothing.
    #[graphql(default)]
    dry_run: bool,
}

/// What came of an import.
#[derive(Clone, Debug, SimpleObject)]
pub struct AccountImport {
    /// Whether the accounts were written: all of them or none. Never where there is a problem, nor on a
    /// dry run.
    applied: bool,
    /// Lines that tell of an account: neither the header nor empty.
    lines: i64,
    /// Accounts that were made, or would be.
    created: i64,
    /// Accounts that were changed, or would be.
    updated: i64,
    /// Accounts that are as the file says already.
    unchanged: i64,
    /// What is wrong, in order of lines; at most 1,000.
    problems: Vec<AccountImportProblem>,
    /// How many problems there are in all.
    problem_count: i64,
}

/// Something wrong with a line.
#[derive(Clone, Debug, SimpleObject)]
pub struct AccountImportProblem {
    /// The line of the file, from 1, on which the record begins.
    line: i64,
    /// The column at fault: name, domains or owner; null where it is the line as a whole.
    field: Option<String>,
    /// What is wrong, in words.
    message: String,
}

impl From<Report> for AccountImport {
    fn from(report: Report) -> Self {
        Self {
            applied: report.applied,
            lines: number(report.lines),
            created: number(report.created),
            updated: number(report.updated),
            unchanged: number(report.unchanged),
            problems: report.problems.into_iter().map(Into::into).collect(),
            problem_count: number(report.problem_count),
        }
    }
}

impl From<Problem> for AccountImportProblem {
    fn from(Problem { line, field, message }: Problem) -> Self {
        Self { line: number(line), field: field.map(ToOwned::to_owned), message }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Queries about accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The account with this ID, or null. Needs VIEW_ACCOUNTS.
    async fn account(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Account>> {
        authorise(ctx)?;
        match ids::ACCOUNT.parse(&id) {
            Some(id) => Ok(service::find(app(ctx), id).await?.map(Account)),
            None => Ok(None),
        }
    }

    /// Accounts, in the order in which they were made. Needs VIEW_ACCOUNTS.
    #[graphql(complexity = "super::page::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100; 20 where neither first nor last is given.")] first: Option<
            i64,
        >,
        after: Option<String>,
        last: Option<i64>,
        before: Option<String>,
        #[graphql(desc = "Matches the name and the domains.")] search: Option<String>,
        #[graphql(desc = "Only this agent's.")] owner_id: Option<ID>,
    ) -> Result<AccountConnection> {
        authorise(ctx)?;
        let page = PageArgs { first, after, last, before }.read()?;
        let owner = owner_id.map(|id| read_id(ids::AGENT, &id, "ownerId")).transpose()?;
        let search = service::Search::new(search.as_deref(), owner)?;
        let page = service::list(app(ctx), &search, &page).await?;
        Ok(AccountConnection::new(page, search))
    }
}

/// Mutations about accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Makes an account. CONFLICT where another has its name or one of its domains. Needs
    /// MANAGE_ROUTING.
    async fn create_account(
        &self,
        ctx: &Context<'_>,
        input: CreateAccountInput,
    ) -> Result<Account> {
        authorise(ctx)?;
        let new = service::NewAccount {
            name: input.name,
            domains: input.domains,
            owner: read_id(ids::AGENT, &input.owner_id, "input.ownerId")?,
        };
        Ok(Account(service::create(app(ctx), new).await?))
    }

    /// Changes an account. CONFLICT where another has its name or one of its domains. Needs
    /// MANAGE_ROUTING.
    async fn update_account(
        &self,
        ctx: &Context<'_>,
        input: UpdateAccountInput,
    ) -> Result<Account> {
        authorise(ctx)?;
        let id = read_id(ids::ACCOUNT, &input.account_id, "input.accountId")?;
        let owner =
            input.owner_id.map(|id| read_id(ids::AGENT, &id, "input.ownerId")).transpose()?;
        let update = service::AccountUpdate { name: input.name, domains: input.domains, owner };
        Ok(Account(service::update(app(ctx), id, update).await?))
    }

    /// Deletes an account, and answers its ID. Its visitors are routed as any others from then on. Needs
    /// MANAGE_ROUTING.
    async fn delete_account(&self, ctx: &Context<'_>, account_id: ID) -> Result<ID> {
        authorise(ctx)?;
        let id = read_id(ids::ACCOUNT, &account_id, "accountId")?;
        service::delete(app(ctx), id).await?;
        Ok(account_id)
    }

    /// Makes and changes accounts from a CSV file: all of its lines or none. One that exists by its name
    /// gets the line's owner, and the line's domains in place of its own. Needs MANAGE_ROUTING.
    async fn import_accounts(
        &self,
        ctx: &Context<'_>,
        input: ImportAccountsInput,
    ) -> Result<AccountImport> {
        authorise(ctx)?;
        Ok(import::import(app(ctx), input.csv.into_bytes(), input.dry_run).await?.into())
    }
}
