//! Connecting over OAuth, up to the consent page: an address of our own, and from there to the
//! provider's (RFC 6749, section 4.1; RFC 7636; RFC 9700).

use calendar_provider::{About, CalendarProvider, ConnectMethod, OAuth2};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{EntityTrait, Set};
use url::Url;
use uuid::Uuid;

use super::oauth::{self, Asking};
use super::{Problem, REAUTHENTICATION_REQUIRED, provider};
use crate::app::App;
use crate::secrets::token;
use crate::service::access::AgentEditor;
use crate::service::{Error, Result, push_path};
use crate::store::authorization::{self, Begun};
use crate::store::calendar;
use crate::store::outbox::{self, Kind, Payload};

/// How long an authorization waits for its browser, and then for the browser to come back.
const VALID: TimeDelta = TimeDelta::minutes(10);
/// How long the link in a mail works.
const LINK_VALID: TimeDelta = TimeDelta::days(7);

/// A browser that is to be sent on.
#[derive(Clone, Debug)]
pub struct SentOn {
    /// The provider's consent page.
    pub to: Url,
    /// The authorization, for the cookie's name: a browser may be at several.
    pub authorization: Uuid,
    /// What the cookie holds, by which the browser is known again.
    pub browser: String,
    /// How long it is needed.
    pub valid: TimeDelta,
}

/// Begins to connect a calendar through its provider's own pages: the address, of our own, to which
/// the agent's browser is to be sent. It works once and for 10 minutes.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN`; `BAD_USER_INPUT` for a provider that connects otherwise or is not set up, or a return
/// address that is not allowed.
pub async fn start_authorization(
    app: &App,
    editor: AgentEditor,
    provider_id: &str,
    return_url: Option<String>,
) -> Result<Url> {
    let provider = provider(app, provider_id)?;
    editor.read(app).await?;
    client(provider.as_ref())?;
    let return_url = return_url.map(|text| allowed(app, &text)).transpose()?;
    let asked = Asked { editor, provider: provider_id, account: None, return_url };
    let (_, token) = insert(app, asked).await?;
    Ok(address(app, &["oauth", "start", &token]))
}

/// An authorization to write down.
struct Asked<'a> {
    editor: AgentEditor,
    provider: &'a str,
    account: Option<String>,
    return_url: Option<Url>,
}

async fn insert(app: &App, asked: Asked<'_>) -> Result<(Uuid, String)> {
    let token = token("fda", &app.ids.secret());
    let id = app.uuid();
    let record = authorization::ActiveModel {
        id: Set(id),
        agent_id: Set(asked.editor.agent()),
        provider: Set(asked.provider.to_owned()),
        start_hash: Set(app.secrets.hash(&token)),
        state_hash: Set(None),
        browser_hash: Set(None),
        verifier: Set(None),
        account: Set(asked.account),
        return_url: Set(asked.return_url.map(String::from)),
        expires_at: Set(app.now() + VALID),
        by_profile: Set(asked.editor.profile().map(|profile| profile.as_str().to_owned())),
    };
    authorization::Entity::insert(record).exec_without_returning(&app.db).await?;
    Ok((id, token))
}

/// Sends a browser on to the consent page, once for each start token.
///
/// # Errors
/// [`Problem::Unknown`] for a token that was used, is too old or was never given out;
/// [`Problem::Fault`].
pub async fn begin(app: &App, start_token: &str) -> Result<SentOn, Problem> {
    let hash = app.secrets.hash(start_token);
    let found = authorization::to_begin(&app.db, hash, app.now()).await.map_err(Error::from)?;
    let found = found.ok_or(Problem::Unknown)?;
    let provider = provider(app, &found.provider)?;
    let client = client(provider.as_ref())?;
    let (state, browser) = (token("fdo", &app.ids.secret()), token("fdb", &app.ids.secret()));
    // RFC 7636, section 4.1: at least 43 of its characters, which 32 bytes in base64url are.
    let verifier = token("fdv", &app.ids.secret());
    let begun = Begun {
        state_hash: app.secrets.hash(&state),
        browser_hash: app.secrets.hash(&browser),
        verifier: app.secrets.seal(verifier.as_bytes(), found.id, &app.ids.secret()),
        expires_at: app.now() + VALID,
    };
    if !authorization::begin(&app.db, found.id, begun).await.map_err(Error::from)? {
        return Err(Problem::Unknown);
    }
    let account = hint(app, &found).await?;
    let asking = Asking {
        redirect_uri: &redirect_uri(app),
        state,
        verifier: &verifier,
        account: account.as_deref(),
    };
    let to = oauth::consent_page(client, &provider.about().permissions, asking);
    Ok(SentOn { to, authorization: found.id, browser, valid: VALID })
}

/// The account to suggest on the consent page: the one that is connected, which most often is to be
/// connected again.
async fn hint(app: &App, found: &authorization::Model) -> Result<Option<String>> {
    if found.account.is_some() {
        return Ok(found.account.clone());
    }
    let connected = super::of_agent(app, found.agent_id).await?;
    let same = connected.filter(|connected| connected.provider == found.provider);
    Ok(same.map(|connected| connected.account))
}

/// Sends a browser on that followed the link in a mail about a calendar to connect again. The link
/// works for 7 days and until the calendar works again, and for the same account alone: whoever else
/// gets hold of the mail can't put a calendar of their own in its place.
///
/// # Errors
/// [`Problem::NotNeeded`]; [`Problem::Unknown`] for a token that is too old or was made up;
/// [`Problem::Fault`].
pub async fn mend(app: &App, mend_token: &str) -> Result<SentOn, Problem> {
    let delivery = app.secrets.delivery_of_mend_token(mend_token).ok_or(Problem::Unknown)?;
    let row = outbox::Entity::find_by_id(delivery).one(&app.db).await.map_err(Error::from)?;
    let row = row.filter(|row| row.kind == Kind::ReauthenticationMail.as_str());
    let row = row.filter(|row| app.now() < row.created_at + LINK_VALID).ok_or(Problem::Unknown)?;
    let Payload::Reauthentication(which) = &row.payload.0 else { return Err(Problem::Unknown) };
    let broken = to_mend(app, which.reauthenticate).await?.ok_or(Problem::NotNeeded)?;
    let asked = Asked {
        // The mail went to the agent itself.
        editor: AgentEditor::server(broken.agent_id),
        provider: &broken.provider,
        account: Some(broken.account.clone()),
        return_url: app.config.return_urls.first().cloned(),
    };
    let (_, token) = insert(app, asked).await?;
    begin(app, &token).await
}

/// The connection, where it is there and must be connected again.
///
/// # Errors
/// None but the database's.
pub async fn to_mend(app: &App, connection: Uuid) -> Result<Option<calendar::Model>> {
    let found = calendar::Entity::find_by_id(connection).one(&app.db).await?;
    Ok(found.filter(|found| found.status == REAUTHENTICATION_REQUIRED))
}

/// The link for the mail that `delivery` sends about a calendar to connect again: for a provider that
/// connects over OAuth to its consent page, else to wherever the operator's agents go first.
pub fn mending_link(app: &App, broken: &calendar::Model, delivery: Uuid) -> Option<Url> {
    let provider = app.providers.get(&broken.provider)?;
    match provider.about().connect_with {
        ConnectMethod::OAuth2 => {
            Some(address(app, &["oauth", "mend", &app.secrets.mend_token(delivery)]))
        }
        _ => app.config.return_urls.first().cloned(),
    }
}

/// Where a provider sends browsers back to: the exact address that is registered with it.
pub(super) fn redirect_uri(app: &App) -> Url {
    address(app, &["oauth", "callback"])
}

fn address(app: &App, path: &[&str]) -> Url {
    let mut url = app.config.public_url.clone();
    push_path(&mut url, path);
    url
}

/// The provider's OAuth client.
///
/// # Errors
/// `BAD_USER_INPUT` where it connects otherwise or is not set up.
pub(super) fn client(provider: &dyn CalendarProvider) -> Result<&OAuth2> {
    let about = provider.about();
    if about.connect_with != ConnectMethod::OAuth2 {
        let message = format!("{} connects through connectCalendar", about.name);
        return Err(Error::bad_input("input.providerId", message));
    }
    provider.oauth2().filter(|_| about.configured).ok_or_else(|| not_set_up(about))
}

/// The operator has not given what the provider needs.
pub(super) fn not_set_up(about: &About) -> Error {
    let message = format!("{} is not set up on this server", about.name);
    Error::bad_input("input.providerId", message)
}

/// A return address, where it is on the operator's list.
///
/// # Errors
/// `BAD_USER_INPUT` where it is not.
pub(super) fn allowed(app: &App, text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        let list = &app.config.return_urls;
        list.iter().any(|allowed| is_within(url, allowed))
    });
    url.ok_or_else(|| {
        let message = "this address is not on the server's list (return_urls)";
        Error::bad_input("input.returnUrl", message)
    })
}

/// Whether an address begins as `allowed` does: the same origin, and its path or one below.
fn is_within(url: &Url, allowed: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    // A separator that is written otherwise may be one to the server behind it (RFC 3986, 7.3).
    let is_plain = !path.contains("%2f") && !path.contains("%5c") && !path.contains("%2e");
    let has_login = !url.username().is_empty() || url.password().is_some();
    let base = allowed.path().trim_end_matches('/');
    let below = url.path().strip_prefix(base);
    let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    url.origin() == allowed.origin() && !has_login && is_plain && is_below
}

/// When an authorization is over.
pub(super) fn is_over(found: &authorization::Model, now: DateTime<Utc>) -> bool {
    found.expires_at <= now
}

/// What people call the provider of a connection.
pub fn name_of_provider<'a>(app: &'a App, record: &'a calendar::Model) -> &'a str {
    app.providers.get(&record.provider).map_or(&record.provider, |found| &found.about().name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &str, url: &str, expected: bool) {
        assert_eq!(is_within(&url.parse().unwrap(), &allowed.parse().unwrap()), expected, "{url}");
    }

    #[test]
    fn a_return_address_begins_as_one_of_the_list_does() {
        let allowed = "https://app.example.com/settings";
        for url in ["", "/", "/calendar", "?tab=1", "#calendar", "/calendar?x=https://evil.example"]
        {
            check(allowed, &format!("{allowed}{url}"), true);
        }
        check("https://app.example.com", "https://app.example.com:443/any", true);
        check("https://app.example.com/settings/", allowed, true);
        for url in [
            "https://app.example.com/settingsx",
            "https://app.example.com/",
            "https://app.example.com/settings/../admin",
            "https://app.example.com/settings/%2e%2e/admin",
            "https://app.example.com/settings/..%2fadmin",
            "https://app.example.com/settings/..%5Cadmin",
            "http://app.example.com/settings",
            "https://app.example.com:8443/settings",
            "https://app.example.com@evil.example/settings",
            "https://user@app.example.com/settings",
            "https://evil.example/settings",
            "https://app.example.com.evil.example/settings",
            "javascript:alert(1)",
        ] {
            check(allowed, url, false);
        }
    }
}
