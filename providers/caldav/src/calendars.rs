//! The calendars of an account (RFC 4791, sections 5.2 and 6.2.1).

use calendar_provider::{CalendarInfo, ProviderError};
use chrono_tz::Tz;
use url::Url;

use crate::account::Account;
use crate::dav::{Dav, Depth};
use crate::href;
use crate::multistatus::Member;

const PROPS: &str = "<D:resourcetype/><D:displayname/><D:current-user-privilege-set/>\
    <C:supported-calendar-component-set/><C:calendar-timezone/>";

/// The longest name that is told, in characters.
const LONGEST_NAME: usize = 200;

/// A calendar that can hold events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) url: Url,
    pub(crate) name: String,
    pub(crate) writable: bool,
    pub(crate) zone: Option<Tz>,
}

impl From<&Member> for Found {
    fn from(member: &Member) -> Self {
        let url = href::as_collection(&member.href);
        let last = url.path_segments().and_then(|it| it.rev().find(|it| !it.is_empty()));
        let name = member.props.name.clone().or_else(|| last.map(str::to_owned));
        Self {
            name: name.map_or_else(|| "Calendar".to_owned(), shown),
            writable: member.props.is_writable(),
            zone: member.props.zone(),
            url,
        }
    }
}

/// A name on one line, cut where it is longer than any.
fn shown(name: String) -> String {
    name.chars().filter(|it| !it.is_control()).take(LONGEST_NAME).collect()
}

/// The calendars in one home, in the server's order.
pub(crate) async fn list(dav: &Dav, home: &Url) -> Result<Vec<Found>, ProviderError> {
    let members = dav.propfind(home, Depth::One, PROPS).await?;
    // Some servers answer 207 and say within that it is not there.
    if members.iter().all(Member::is_gone) {
        return Err(ProviderError::not_found("the calendar"));
    }
    let calendars = members.iter().filter(|it| !it.is_gone() && it.props.holds_events());
    Ok(calendars.map(Found::from).collect())
}

/// The calendars in all homes of an account.
pub(crate) async fn list_all(dav: &Dav, account: &Account) -> Result<Vec<Found>, ProviderError> {
    let mut all: Vec<Found> = Vec::new();
    for home in &account.homes {
        for found in list(dav, home).await? {
            if !all.iter().any(|it| href::is_same(&it.url, &found.url)) {
                all.push(found);
            }
        }
    }
    Ok(all)
}

/// The account's main calendar: the preferred one where events can be written to it, else the first
/// one where they can, else the first.
pub(crate) fn choose<'a>(found: &'a [Found], preferred: Option<&Url>) -> Option<&'a Found> {
    let is_preferred = |it: &&Found| preferred.is_some_and(|url| href::is_same(&it.url, url));
    let writable = || found.iter().filter(|it| it.writable);
    writable().find(is_preferred).or_else(|| writable().next()).or_else(|| found.first())
}

/// What the agent picks from; the main calendar is always among them.
pub(crate) fn describe(account: &Account, found: &[Found]) -> Vec<CalendarInfo> {
    let describe = |it: &Found| {
        let mut info = CalendarInfo::new(it.url.as_str(), it.name.as_str());
        info.primary = href::is_same(&it.url, &account.main);
        info.writable = it.writable;
        info
    };
    found.iter().map(describe).collect()
}
