//! Which request does what. All but subscribing, which calls back, is done at once.

use chrono::{DateTime, Utc};
use fake_oauth::Access;
use serde_json::json;

use crate::{
    account,
    ask::{Answer, Ask, Outcome},
    delta, events, schedule, subscriptions, view,
    world::World,
};

/// Carries out `ask` for the account of `access`.
pub(crate) fn carry_out(
    world: &mut World,
    access: &Access,
    ask: &Ask,
    now: DateTime<Utc>,
) -> Outcome {
    let address = access.account.to_ascii_lowercase();
    let segments = ask.segments();
    permit(access, &ask.method, &segments)?;
    let mailbox = world.mailboxes.get(&address).ok_or_else(Answer::not_found)?;
    if !mailbox.enabled && segments != ["me"] {
        return Err(Answer::error(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    match (ask.method.as_str(), segments.as_slice()) {
        ("GET", ["me"]) => account::me(mailbox, ask),
        ("GET", ["me", "mailboxSettings"]) => account::settings(mailbox, ask),
        ("GET", ["me", "calendars"]) => account::calendars(mailbox, ask),
        ("POST", ["me", "calendar", "getSchedule"]) => schedule::get(world, &address, ask),
        (_, ["me", "calendarView", "delta"]) => delta::get(world, &address, None, ask),
        (_, ["me", "calendars", id, "calendarView", "delta"]) => {
            delta::get(world, &address, Some(id), ask)
        }
        ("GET", ["me", "calendar"]) => {
            let id = mailbox.default_calendar().id.clone();
            account::calendar(mailbox, &id, ask)
        }
        ("GET", ["me", "calendars", id]) => account::calendar(mailbox, id, ask),
        (_, ["me", "calendar", rest @ ..]) => {
            let id = mailbox.default_calendar().id.clone();
            in_calendar(world, &address, &id, rest, ask, now)
        }
        (_, ["me", "calendars", id, rest @ ..]) => {
            if mailbox.calendars.iter().all(|it| it.id != *id) {
                return Err(Answer::not_found());
            }
            in_calendar(world, &address, id, rest, ask, now)
        }
        (_, ["me", "events", id, rest @ ..]) => {
            let rest: Vec<_> = [&["events", id], rest].concat();
            in_any(world, &address, &rest, ask)
        }
        (_, ["subscriptions", id]) => subscriptions::one(world, &address, id, ask, now),
        _ => Err(Answer::error(400, "BadRequest", "Resource not found for the segment.")),
    }
}

fn in_calendar(
    world: &mut World,
    address: &str,
    calendar: &str,
    rest: &[&str],
    ask: &Ask,
    now: DateTime<Utc>,
) -> Outcome {
    match (ask.method.as_str(), rest) {
        ("GET", ["calendarView"]) => view::calendar(world, address, calendar, ask),
        ("GET", ["events"]) => events::list(world, address, calendar, ask),
        ("POST", ["events"]) => events::create(world, address, calendar, ask, now),
        (_, ["events", id]) => {
            let mailbox = &world.mailboxes[address];
            let found = mailbox.find(id).and_then(|(number, _)| mailbox.items.get(&number));
            if found.is_none_or(|item| item.calendar != calendar) {
                return Err(Answer::not_found());
            }
            in_any(world, address, rest, ask)
        }
        _ => Err(Answer::error(405, "Request_BadRequest", "The method is not allowed here.")),
    }
}

fn in_any(world: &mut World, address: &str, rest: &[&str], ask: &Ask) -> Outcome {
    match (ask.method.as_str(), rest) {
        ("GET", ["events", id]) => events::get(world, address, id, ask),
        ("PATCH", ["events", id]) => events::change(world, address, id, ask),
        ("DELETE", ["events", id]) => events::delete(world, address, id, ask),
        ("GET", ["events", id, "instances"]) => view::instances(world, address, id, ask),
        _ => Err(Answer::error(405, "Request_BadRequest", "The method is not allowed here.")),
    }
}

/// The delegated permission that each resource needs at least
/// (<https://learn.microsoft.com/graph/permissions-reference>).
fn permit(access: &Access, method: &str, segments: &[&str]) -> Result<(), Answer> {
    const GRAPH: &str = "https://graph.microsoft.com/";
    let writes = ["Calendars.ReadWrite"];
    let reads = ["Calendars.ReadWrite", "Calendars.Read"];
    let any: &[&str] = match (method, segments) {
        (_, ["me"]) => &["User.Read"],
        (_, ["me", "mailboxSettings"]) => &["MailboxSettings.Read", "MailboxSettings.ReadWrite"],
        (_, ["me", .., "getSchedule"]) | ("GET", _) | (_, ["subscriptions", ..]) => &reads,
        _ => &writes,
    };
    let granted = any.iter().any(|it| access.has_any(&[it, &format!("{GRAPH}{it}")]));
    if granted {
        return Ok(());
    }
    let mut refused = Answer::error(403, "ErrorAccessDenied", "Access is denied.");
    if let Some(body) = &mut refused.body {
        body["error"]["innerError"] = json!({});
    }
    Err(refused)
}
