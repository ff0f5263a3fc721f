//! Delta queries on a calendar view (<https://learn.microsoft.com/graph/delta-query-events>).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    ask::{Answer, Ask, Outcome, Prefer},
    render, view,
    world::{Item, Mailbox, Round, World},
};

/// One page of a round.
pub(crate) fn get(world: &mut World, address: &str, calendar: Option<&str>, ask: &Ask) -> Outcome {
    if ask.method != "GET" {
        return Err(Answer::error(405, "Request_BadRequest", "The method is not allowed here."));
    }
    ask.allow(&["startDateTime", "endDateTime", "$deltatoken", "$skiptoken"])?;
    let mailbox = &world.mailboxes[address];
    let known = match calendar {
        None => Some(mailbox.default_calendar()),
        Some(id) => mailbox.calendars.iter().find(|it| it.id == id),
    };
    let known = known.ok_or_else(Answer::not_found)?.id.clone();
    let token = ask.query.get("$deltatoken").or_else(|| ask.query.get("$skiptoken"));
    let mut round = match token {
        Some(token) => resume(world, token, address, &known)?,
        None => Round {
            address: address.into(),
            path: ask.path.join("/"),
            calendar: known,
            window: view::window(ask)?,
            since: 0,
            rest: None,
        },
    };
    let rest = match round.rest.take() {
        Some(rest) => rest,
        None => {
            let told = told(&world.mailboxes[address], &round, ask.prefer);
            round.since = world.tick;
            told
        }
    };
    Ok(page(world, round, rest, ask))
}

fn resume(world: &World, token: &str, address: &str, calendar: &str) -> Result<Round, Answer> {
    let known = world.rounds.get(token);
    let round = known.filter(|it| it.address == address && it.calendar == calendar).cloned();
    round.ok_or_else(|| {
        Answer::error(410, "SyncStateNotFound", "The sync state generation is not found.")
    })
}

fn page(world: &mut World, mut round: Round, mut rest: Vec<Value>, ask: &Ask) -> Answer {
    let size = ask.prefer.page_size.unwrap_or(10).min(world.page_size.unwrap_or(usize::MAX));
    let later = rest.split_off(size.min(rest.len()));
    let (kind, name) = if later.is_empty() {
        ("@odata.deltaLink", "$deltatoken")
    } else {
        round.rest = Some(later);
        ("@odata.nextLink", "$skiptoken")
    };
    let token = format!("fakeState{:08}", world.fresh());
    let link = format!("{}/{}?{name}={token}", ask.base, round.path);
    world.rounds.insert(token, round);
    Answer::ok(json!({ "value": rest, kind: link }))
}

/// What changed since, each as it stands.
fn told(mailbox: &Mailbox, round: &Round, prefer: Prefer) -> Vec<Value> {
    let changed = mailbox.items.values().filter(|it| round.since < it.last_change());
    changed.flat_map(|item| one(mailbox, item, round, prefer)).collect()
}

fn one(mailbox: &Mailbox, item: &Item, round: &Round, prefer: Prefer) -> Vec<Value> {
    let first = round.since == 0;
    if item.deleted || item.calendar != round.calendar {
        return if first { Vec::new() } else { vec![removed(item.id(None, prefer.immutable))] };
    }
    let Some(series) = &item.series else {
        return match item.instances(round.window).first() {
            Some(instance) => vec![render::event(mailbox, item, Some(instance), prefer)],
            None if first => Vec::new(),
            // "Events that are outside the date range and that have been … updated".
            None => vec![removed(item.id(None, prefer.immutable))],
        };
    };
    let whole = round.since < item.changed;
    let mut told = Vec::new();
    let instances = item.instances(round.window);
    if whole && !instances.is_empty() {
        told.push(render::event(mailbox, item, None, prefer));
    }
    for instance in instances.iter().filter(|it| round.since < it.changed) {
        told.push(if instance.exception {
            render::event(mailbox, item, Some(instance), prefer)
        } else {
            render::occurrence(item, instance, prefer)
        });
    }
    let gone = series.0.iter().filter(|(_, it)| it.deleted && round.since < it.changed);
    if !first {
        told.extend(gone.map(|(index, _)| removed(item.id(Some(*index), prefer.immutable))));
    }
    told
}

fn removed(id: String) -> Value {
    json!({ "id": id, "@removed": { "reason": "deleted" } })
}

/// Whether two windows share an instant.
pub(crate) fn overlap(
    a: (DateTime<Utc>, DateTime<Utc>),
    b: (DateTime<Utc>, DateTime<Utc>),
) -> bool {
    a.0 < b.1 && b.0 < a.1
}
