//! The profile, its settings and its calendars.

use serde_json::json;

use crate::{
    ask::{Answer, Ask, Outcome},
    render::{self, select},
    world::Mailbox,
};

/// <https://learn.microsoft.com/graph/api/user-get>
pub(crate) fn me(mailbox: &Mailbox, ask: &Ask) -> Outcome {
    ask.allow(&["$select"])?;
    let user = json!({
        "id": format!("fake-user-of-{}", mailbox.address),
        "displayName": mailbox.name,
        "mail": mailbox.address,
        "userPrincipalName": mailbox.address,
    });
    Ok(Answer::ok(select(user, ask.select())))
}

/// <https://learn.microsoft.com/graph/api/user-get-mailboxsettings>
pub(crate) fn settings(mailbox: &Mailbox, ask: &Ask) -> Outcome {
    ask.allow(&["$select"])?;
    let settings = json!({
        "timeZone": mailbox.time_zone,
        "language": { "locale": mailbox.locale, "displayName": "a language" },
        "timeFormat": "HH:mm",
    });
    Ok(Answer::ok(select(settings, ask.select())))
}

/// <https://learn.microsoft.com/graph/api/user-list-calendars>
pub(crate) fn calendars(mailbox: &Mailbox, ask: &Ask) -> Outcome {
    ask.allow(&["$select", "$top", "$skip"])?;
    let top = number(ask, "$top", 10, 100)?;
    let skip = number(ask, "$skip", 0, usize::MAX)?;
    let page = mailbox.calendars.iter().skip(skip).take(top);
    let page: Vec<_> = page.map(|it| select(render::calendar(it), ask.select())).collect();
    let mut body = json!({ "value": page });
    if skip + page.len() < mailbox.calendars.len() {
        let fields = ask.select().unwrap_or_default();
        body["@odata.nextLink"] = format!(
            "{}/me/calendars?$select={fields}&$top={top}&$skip={}",
            ask.base,
            skip + page.len()
        )
        .into();
    }
    Ok(Answer::ok(body))
}

/// <https://learn.microsoft.com/graph/api/calendar-get>
pub(crate) fn calendar(mailbox: &Mailbox, id: &str, ask: &Ask) -> Outcome {
    ask.allow(&["$select"])?;
    let found = mailbox.calendars.iter().find(|it| it.id == id);
    let found = found.ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(select(render::calendar(found), ask.select())))
}

/// A query option that is a number.
pub(crate) fn number(ask: &Ask, name: &str, default: usize, most: usize) -> Result<usize, Answer> {
    let Some(text) = ask.query.get(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|it| *it <= most);
    number.ok_or_else(|| Answer::bad("A number is missing or too large."))
}
