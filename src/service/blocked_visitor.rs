//! Visitors whom the organisation turns away: mailboxes and domains that an administrator lists. They get no slots, no
//! bookings and no live chats, whoever asks for them, but the fallback message.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use uuid::Uuid;

use super::access::Caller;
use super::mailbox::{canonical, canonical_domain};
use super::{Error, Result, text};
use crate::app::App;
use crate::store;
use crate::store::blocked_visitor::{self as rows, Column, Entity, Model};
use crate::store::page::{Page, PageRequest};

/// Most addresses and domains that are kept.
pub const MOST: u64 = 10_000;
/// Most addresses and domains of one request.
pub const MOST_AT_ONCE: usize = 100;
/// Longest domain, in characters (RFC 1035, section 2.3.4).
const DOMAIN_CHARS: usize = 253;

/// Addresses and domains as somebody wrote them.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// E-mail addresses, unchecked. Each stands for its mailbox, however that is spelt.
    pub emails: Vec<String>,
    /// Domains, unchecked. Each stands for its subdomains too.
    pub domains: Vec<String>,
}

/// Whether a visitor with this address, which was checked, is turned away. One look-up in an index.
///
/// # Errors
/// None but the database's.
pub async fn is_blocked(app: &App, email: &str) -> Result<bool> {
    Ok(rows::any(&app.db, patterns_of(email)).await?)
}

/// What a visitor with this address is blocked by: its mailbox, its domain, and every domain above that.
fn patterns_of(email: &str) -> Vec<String> {
    let mailbox = canonical(email);
    let mut patterns = BTreeSet::new();
    // Of Gmail's two domains, either may be listed.
    for address in [email, &mailbox] {
        let Some((_, domain)) = address.rsplit_once('@') else { continue };
        let domain = canonical_domain(domain);
        let mut rest = Some(domain.as_str());
        while let Some(domain) = rest {
            patterns.insert(domain.to_owned());
            rest = domain.split_once('.').map(|(_, above)| above);
        }
    }
    patterns.insert(mailbox);
    patterns.into_iter().collect()
}

/// Blocks visitors, and returns what is listed of `named` now, in the order in which it was blocked. What was listed
/// before stays as it was.
///
/// # Errors
/// `BAD_USER_INPUT`, with every fault; `LIMIT_EXCEEDED` past [`MOST`].
pub async fn block(
    app: &App,
    caller: &Caller,
    named: Named,
    note: Option<&str>,
) -> Result<Vec<Model>> {
    let note = text::optional("input.note", note, text::LINE_CHARS)?;
    let patterns = read(named)?;
    let now = app.now();
    let row = |pattern: &String| Model {
        id: app.uuid(),
        pattern: pattern.clone(),
        note: note.clone(),
        blocked_by: caller.agent_id(),
        blocked_at: now,
    };
    let transaction = store::begin(&app.db).await?;
    rows::add(&transaction, patterns.iter().map(row).collect()).await?;
    if MOST < Entity::find().count(&transaction).await? {
        transaction.rollback().await?;
        let message = format!("at most {MOST} addresses and domains can be blocked; unblock some");
        return Err(Error::LimitExceeded(message));
    }
    let listed = of(&transaction, &patterns).await?;
    transaction.commit().await?;
    Ok(listed)
}

/// Lets visitors in again, and returns what was listed of `named`. What was not listed stays so.
///
/// # Errors
/// `BAD_USER_INPUT`, with every fault.
pub async fn unblock(app: &App, named: Named) -> Result<Vec<Model>> {
    let patterns = read(named)?;
    let transaction = store::begin(&app.db).await?;
    let listed = of(&transaction, &patterns).await?;
    rows::remove(&transaction, &patterns).await?;
    transaction.commit().await?;
    Ok(listed)
}

async fn of<C: ConnectionTrait>(db: &C, patterns: &[String]) -> Result<Vec<Model>> {
    let mut listed = rows::of_patterns(db, patterns).await?;
    listed.sort_by_key(|row| row.id);
    Ok(listed)
}

/// Who is blocked, in the order in which they were.
///
/// # Errors
/// None but the database's.
pub async fn list(app: &App, page: &PageRequest<Uuid>) -> Result<Page<Model>> {
    Ok(store::page::read(&app.db, Entity::find(), &[Column::Id], page).await?)
}

/// How many there are to page through.
///
/// # Errors
/// None but the database's.
pub async fn count(app: &App) -> Result<u64> {
    Ok(Entity::find().count(&app.db).await?)
}

/// What is listed under this ID.
///
/// # Errors
/// None but the database's.
pub async fn find(app: &App, id: Uuid) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id).one(&app.db).await?)
}

/// The one form of each that is kept, each once. All faults are named at once.
fn read(named: Named) -> Result<Vec<String>> {
    let count = named.emails.len() + named.domains.len();
    if count == 0 {
        let message = "input.emails or input.domains must name at least one";
        return Err(Error::bad_input("input.emails", message));
    }
    if MOST_AT_ONCE < count {
        let message = format!(
            "input.emails and input.domains must name at most {MOST_AT_ONCE} together, not {count}"
        );
        return Err(Error::bad_input("input.emails", message));
    }
    let emails = named.emails.iter().enumerate().map(|(index, email)| {
        text::email(&format!("input.emails.{index}"), email).map(|email| canonical(&email))
    });
    let domains = named
        .domains
        .iter()
        .enumerate()
        .map(|(index, domain)| read_domain(&format!("input.domains.{index}"), domain));
    let (mut patterns, mut faults) = (BTreeSet::new(), Vec::new());
    for read in emails.chain(domains) {
        match read {
            Ok(pattern) => drop(patterns.insert(pattern)),
            Err(Error::BadInput { field, message, .. }) => faults.push((field, message)),
            Err(other) => return Err(other),
        }
    }
    let Some((first, _)) = faults.first() else { return Ok(patterns.into_iter().collect()) };
    let messages: Vec<&str> = faults.iter().map(|(_, message)| message.as_str()).collect();
    Err(Error::bad_input(first, messages.join("; ")))
}

/// A domain of at least two labels: one label is a whole country, or every company.
fn read_domain(field: &str, given: &str) -> Result<String> {
    let domain = canonical_domain(&text::required(field, given, DOMAIN_CHARS)?);
    let is_name = matches!(url::Host::parse(&domain), Ok(url::Host::Domain(_)))
        && domain.contains('.')
        && domain.len() <= DOMAIN_CHARS
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && domain.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'));
    if is_name {
        return Ok(domain);
    }
    let message = format!("{field} must be a domain with a dot in it, e.g. example.com");
    Err(Error::bad_input(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_blocked_by_mailbox_or_any_domain_above() {
        let expected = ["com", "eu.example.com", "eve@eu.example.com", "example.com"];
        assert_eq!(patterns_of("Eve+spam@EU.Example.com"), expected);
        let expected = ["com", "eve@gmail.com", "gmail.com", "googlemail.com"];
        assert_eq!(patterns_of("e.v.e@GoogleMail.com"), expected);
    }
}
