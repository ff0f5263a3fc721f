//! `calendarList.list`, and userinfo.

use serde_json::{Value, json};

use crate::answer::{Answer, ApiError};
use crate::gate::Call;
use crate::server::Shared;
use crate::state::{Entry, State};

pub(crate) fn calendars(shared: &Shared, call: &Call) -> Answer {
    let state = shared.lock();
    let account = state.accounts.get(&call.account).ok_or_else(ApiError::not_found)?;
    let hidden = call.param("showHidden") == Some("true");
    let entries: Vec<_> = account
        .list
        .iter()
        .filter(|entry| !entry.hidden || hidden)
        .filter_map(|entry| resource(&state, entry))
        .collect();
    let start: usize = match call.param("pageToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("from-")
            .and_then(|it| it.parse().ok())
            .filter(|start| (1..entries.len()).contains(start))
            .ok_or_else(|| ApiError::invalid("Invalid page token value."))?,
    };
    let size = call.param("maxResults").and_then(|it| it.parse().ok()).unwrap_or(100);
    let size = size.min(250).min(state.page_limit.unwrap_or(usize::MAX));
    let end = entries.len().min(start + size);
    let mut page = json!({ "kind": "calendar#calendarList", "items": entries[start..end] });
    if end < entries.len() {
        page["nextPageToken"] = json!(format!("from-{end}"));
    }
    Ok(Some(page))
}

fn resource(state: &State, entry: &Entry) -> Option<Value> {
    let calendar = state.calendars.get(&entry.calendar)?;
    let mut resource = json!({
        "kind": "calendar#calendarListEntry",
        "id": entry.calendar,
        "summary": calendar.summary,
        "timeZone": calendar.zone.name(),
        "accessRole": entry.role,
    });
    // Both are left out where they are false.
    if entry.primary {
        resource["primary"] = json!(true);
    }
    if entry.hidden {
        resource["hidden"] = json!(true);
    }
    Some(resource)
}

/// OpenID Connect Core 1.0, section 5.3, with the claims that the scopes let through.
pub(crate) fn userinfo(shared: &Shared, access: &fake_oauth::Access) -> Answer {
    let scope = |name: &str| access.has_any(&[&format!("https://www.googleapis.com/auth/{name}")]);
    if !access.has_any(&["openid"]) && !scope("userinfo.email") && !scope("userinfo.profile") {
        return Err(ApiError::unauthorized());
    }
    let state = shared.lock();
    let account = state.accounts.get(&access.account).ok_or_else(ApiError::unauthorized)?;
    let mut claims = json!({ "sub": format!("1{:020}", access.account.len()) });
    if scope("userinfo.email") {
        claims["email"] = json!(access.account);
        claims["email_verified"] = json!(true);
    }
    if scope("userinfo.profile") {
        claims["name"] = json!(account.name);
        claims["picture"] = json!("https://lh3.example/photo.jpg");
        claims["locale"] = json!(account.locale);
    }
    Ok(Some(claims))
}
