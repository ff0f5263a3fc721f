//! Calendar views and the instances of a series.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    account::number,
    ask::{Answer, Ask, Outcome},
    render,
    world::{Item, Mailbox, World},
};

/// <https://learn.microsoft.com/graph/api/calendar-list-calendarview>
pub(crate) fn calendar(world: &World, address: &str, calendar: &str, ask: &Ask) -> Outcome {
    let mailbox = &world.mailboxes[address];
    let items = mailbox.items.values().filter(|it| !it.deleted && it.calendar == calendar);
    page(world, mailbox, items, ask)
}

/// <https://learn.microsoft.com/graph/api/event-list-instances>
pub(crate) fn instances(world: &World, address: &str, id: &str, ask: &Ask) -> Outcome {
    let mailbox = &world.mailboxes[address];
    let (number, index) = mailbox.find(id).ok_or_else(Answer::not_found)?;
    let item = &mailbox.items[&number];
    if index.is_some() || item.series.is_none() {
        return Err(Answer::bad("The event does not recur."));
    }
    page(world, mailbox, std::iter::once(item), ask)
}

/// What overlaps the window, in order of start, a page at a time.
fn page<'a>(
    world: &World,
    mailbox: &Mailbox,
    items: impl Iterator<Item = &'a Item>,
    ask: &Ask,
) -> Outcome {
    ask.allow(&["startDateTime", "endDateTime", "$select", "$top", "$skip"])?;
    let window = window(ask)?;
    let mut found: Vec<_> = items
        .flat_map(|item| item.instances(window).into_iter().map(move |it| (item, it)))
        .collect();
    found.sort_by_key(|(item, instance)| (instance.start, item.number));
    let top = number(ask, "$top", 10, 1000)?.min(world.page_size.unwrap_or(usize::MAX));
    let skip = number(ask, "$skip", 0, usize::MAX)?;
    let shown: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(top)
        .map(|(item, instance)| render::event(mailbox, item, Some(instance), ask.prefer))
        .map(|event| render::select(event, ask.select()))
        .collect();
    let next = skip + shown.len();
    let mut body = json!({ "value": shown });
    if next < found.len() {
        body["@odata.nextLink"] = next_link(ask, next).into();
    }
    Ok(Answer::ok(body))
}

/// The same request further on.
fn next_link(ask: &Ask, skip: usize) -> String {
    let path: Vec<_> = ask.path.iter().map(|it| encode(it)).collect();
    let query = ask.query.iter().filter(|(name, _)| *name != "$skip");
    let query: Vec<_> = query.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{}/{}?{}&$skip={skip}", ask.base, path.join("/"), query.join("&"))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `startDateTime` and `endDateTime`, which must be there.
pub(crate) fn window(ask: &Ask) -> Result<(DateTime<Utc>, DateTime<Utc>), Answer> {
    let read = |name: &str| {
        let told = ask.query.get(name).and_then(|it| it.parse::<DateTime<Utc>>().ok());
        told.ok_or_else(|| Answer::error(400, "ErrorInvalidParameter", "A time is not valid."))
    };
    let (start, end) = (read("startDateTime")?, read("endDateTime")?);
    if end <= start {
        return Err(Answer::error(400, "ErrorInvalidParameter", "The window is empty."));
    }
    Ok((start, end))
}
