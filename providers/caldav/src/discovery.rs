//! From what an agent types in to the account's calendars (RFC 6764, RFC 5397, RFC 4791 section 6).

use calendar_http::HttpClient;
use calendar_http::http::StatusCode;
use calendar_provider::{ErrorClass, ProviderError};
use chrono_tz::Tz;
use url::Url;

use crate::account::{Account, Login};
use crate::calendars::{self, Found};
use crate::dav::{Answer, Dav, Depth};
use crate::href;
use crate::multistatus::Member;

const URL: &str = "url";
const PASSWORD: &str = "password";

const ENTRY_PROPS: &str = "<D:current-user-principal/><D:resourcetype/><D:displayname/>\
    <C:calendar-home-set/><C:supported-calendar-component-set/><D:current-user-privilege-set/>\
    <C:calendar-timezone/>";
const PRINCIPAL_PROPS: &str =
    "<C:calendar-home-set/><C:calendar-user-address-set/><C:schedule-inbox-URL/>";

/// How many hosts of one domain an address may lead through.
const MAX_HOSTS: usize = 4;

/// What was found behind an address.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) account: Account,
    /// The main calendar's name.
    pub(crate) name: String,
    /// The calendar's own zone.
    pub(crate) zone: Option<Tz>,
    /// What the account is called.
    pub(crate) label: String,
}

/// What a first address says.
struct Entry {
    url: Url,
    member: Member,
}

/// Who the agent is there.
struct Principal {
    homes: Vec<Url>,
    addresses: Vec<String>,
    inbox: Option<Url>,
}

/// Finds the account's calendars.
///
/// # Errors
/// Invalid credentials that name the field at fault; otherwise why the server can't be asked.
pub(crate) async fn discover(
    http: &HttpClient,
    address: &Url,
    login: Login,
) -> Result<Discovered, ProviderError> {
    let search = Search { dav: Dav::new(http, &login)?, typed_in: address };
    let entry = search.entry().await?;
    let principal = search.principal(&entry).await?;
    let mut found = Vec::new();
    for home in &principal.homes {
        found.extend(calendars::list(&search.dav, home).await.map_err(as_credentials)?);
    }
    // An address that is itself a calendar is the one that is meant.
    let given = entry.member.props.holds_events().then(|| Found::from(&entry.member));
    let preferred = match &given {
        Some(given) => Some(given.url.clone()),
        None => search.default_calendar(principal.inbox.as_ref()).await?,
    };
    found.extend(given);
    let main = calendars::choose(&found, preferred.as_ref())
        .ok_or_else(|| invalid(URL, "leads to no calendar that holds events"))?;
    Ok(search.finish(login, principal, main))
}

struct Search<'a> {
    dav: Dav,
    typed_in: &'a Url,
}

impl Search<'_> {
    /// The first of the places that answers as a CalDAV server: the address itself, and where RFC
    /// 6764, section 5, says that the server's own entry is. A bare host is asked there first.
    async fn entry(&self) -> Result<Entry, ProviderError> {
        let address = href::canonical(self.typed_in.clone());
        let well_known = href::canonical(at_root(&address, "/.well-known/caldav"));
        let root = at_root(&address, "/");
        let places = if address.path() == "/" {
            vec![well_known, root]
        } else {
            vec![address, well_known, root]
        };
        for place in places {
            if let Some(entry) = self.try_entry(place).await? {
                return Ok(entry);
            }
        }
        Err(invalid(URL, "no CalDAV server was found there"))
    }

    async fn try_entry(&self, place: Url) -> Result<Option<Entry>, ProviderError> {
        let answer = match self.ask(&place, ENTRY_PROPS).await {
            // e.g. a redirect in a circle, or to http: another place may do.
            Err(error) if error.class() == ErrorClass::Permanent && place != *self.typed_in => {
                return Ok(None);
            }
            answer => answer?,
        };
        if answer.status != StatusCode::MULTI_STATUS {
            return Ok(None);
        }
        let url = href::canonical(answer.url.clone());
        let member = answer.multistatus("the server").ok().and_then(|it| it.into_only());
        let useful = member.filter(|it| {
            let props = &it.props;
            props.principal.is_some() || !props.homes.is_empty() || props.is_calendar
        });
        Ok(useful.map(|member| Entry { url, member }))
    }

    /// Asks for properties, and again where a redirect led to another host of the same domain: a
    /// request loses its password on the way there.
    async fn ask(&self, url: &Url, props: &str) -> Result<Answer, ProviderError> {
        let mut url = url.clone();
        for _ in 0..MAX_HOSTS {
            let answer =
                self.dav.try_propfind(&url, Depth::Zero, props).await.map_err(as_credentials)?;
            let moved = answer.url.origin() != url.origin();
            if answer.status == StatusCode::UNAUTHORIZED && moved {
                url = self.trusted(&answer.url)?;
            } else if answer.status == StatusCode::UNAUTHORIZED {
                return Err(signing_in(&answer));
            } else if moved {
                // It was answered without the password, so it may be anybody's view.
                url = self.trusted(&answer.url)?;
            } else {
                return Ok(answer);
            }
        }
        Err(invalid(URL, "leads from host to host without end"))
    }

    /// `url`, where the password may go there.
    fn trusted(&self, url: &Url) -> Result<Url, ProviderError> {
        if href::is_trusted(self.typed_in, url) {
            Ok(url.clone())
        } else {
            Err(invalid(URL, "leads to a server of another domain: type in that one's address"))
        }
    }

    async fn principal(&self, entry: &Entry) -> Result<Principal, ProviderError> {
        let Some(principal) = &entry.member.props.principal else {
            return self.without_principal(entry);
        };
        let url = self.trusted(&href::resolve_anywhere(&entry.url, principal)?)?;
        let answer = self.ask(&url, PRINCIPAL_PROPS).await?;
        let member = answer.multistatus("the account").map_err(as_credentials)?.into_only();
        let Some(Member { props, .. }) = member else { return self.without_principal(entry) };
        let homes = props.homes(&url)?;
        if homes.is_empty() {
            return self.without_principal(entry);
        }
        for home in &homes {
            self.trusted(home)?;
        }
        let mail = |it: &String| it.get(7..).filter(|_| is_mailto(it)).map(str::to_owned);
        let inbox = props.inbox.as_ref().map(|it| href::resolve(&url, it)).transpose()?;
        Ok(Principal { homes, inbox, addresses: props.addresses.iter().filter_map(mail).collect() })
    }

    /// A server that tells no principal may tell the homes at once; else the collection around a
    /// calendar that was given is taken for its home.
    fn without_principal(&self, entry: &Entry) -> Result<Principal, ProviderError> {
        let mut homes = entry.member.props.homes(&entry.url)?;
        for home in &homes {
            self.trusted(home)?;
        }
        if homes.is_empty() && entry.member.props.is_calendar {
            let parent = href::as_collection(&entry.member.href).join("..");
            homes = parent.into_iter().collect();
        }
        if homes.is_empty() {
            return Err(invalid(URL, "the server tells no calendars of this account"));
        }
        Ok(Principal { homes, inbox: None, addresses: Vec::new() })
    }

    /// Where the server puts invitations (RFC 6638, section 9.2): what most programs show as the
    /// account's main calendar.
    async fn default_calendar(&self, inbox: Option<&Url>) -> Result<Option<Url>, ProviderError> {
        let Some(inbox) = inbox else { return Ok(None) };
        let answer = self.ask(inbox, "<C:schedule-default-calendar-URL/>").await?;
        // An inbox that is named and not there is no reason to refuse the account.
        let Ok(answer) = answer.multistatus("the inbox") else { return Ok(None) };
        let told = answer.into_only().and_then(|it| it.props.default_calendar);
        told.map(|it| href::resolve(inbox, &it)).transpose()
    }

    fn finish(&self, login: Login, principal: Principal, main: &Found) -> Discovered {
        let username = login.username().to_owned();
        let mut addresses = principal.addresses;
        if username.contains('@') && !addresses.contains(&username) {
            addresses.push(username.clone());
        }
        let host = self.typed_in.host_str().unwrap_or_default();
        let label = match addresses.last() {
            _ if username.contains('@') => username,
            None if username.is_empty() => host.to_owned(),
            None => format!("{username} at {host}"),
            Some(address) => address.clone(),
        };
        let account = Account {
            login,
            homes: principal.homes,
            main: main.url.clone(),
            zone: main.zone,
            addresses,
        };
        Discovered { account, name: main.name.clone(), zone: main.zone, label }
    }
}

fn at_root(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

fn is_mailto(address: &str) -> bool {
    address.get(..7).is_some_and(|it| it.eq_ignore_ascii_case("mailto:"))
}

fn signing_in(answer: &Answer) -> ProviderError {
    if answer.wants_other_scheme() {
        invalid(URL, "the server accepts neither Basic nor Bearer authentication")
    } else {
        invalid(PASSWORD, "the server does not accept this user name and password")
    }
}

/// What stands in the way while connecting, as the field that an agent can correct. A server that
/// is down is still down.
fn as_credentials(error: ProviderError) -> ProviderError {
    match &error {
        ProviderError::Permanent { message, .. } => {
            let message = *message;
            invalid(URL, message).with_source(error)
        }
        ProviderError::Unauthorized { .. } => {
            invalid(PASSWORD, "the server does not show this account's calendars")
                .with_source(error)
        }
        ProviderError::NotFound { .. } => {
            invalid(URL, "the account's calendars are not where the server says").with_source(error)
        }
        _ => error,
    }
}

fn invalid(field: &str, message: &'static str) -> ProviderError {
    ProviderError::invalid_credentials(field, message)
}
