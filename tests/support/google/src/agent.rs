//! What the agent does in Google's own pages.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::FakeGoogle;
use crate::state::{Calendar, State, StoredSeries};
use crate::time::rfc3339;

/// A recurring event of equal steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// When the first occurrence starts.
    pub start: DateTime<Utc>,
    /// How long each lasts.
    pub length: TimeDelta,
    /// From one start to the next.
    pub every: TimeDelta,
    /// How many there are; none for no end.
    pub count: Option<u16>,
}

/// All of it panics where the calendar or the event is not there: the test is wrong then.
impl FakeGoogle {
    /// Makes an event of the resource's fields as the reference has them (`start` and `end` at
    /// least); answers its ID.
    pub fn add_event(&self, calendar: &str, resource: Value) -> String {
        let mut state = self.shared.lock();
        let id = format!("agents{:08}", state.next());
        change(&mut state, calendar).keep(&id, fields(resource));
        self.shared.notify(&mut state, calendar);
        id
    }

    /// Makes an event that only has a title and a time.
    pub fn add_meeting(
        &self,
        calendar: &str,
        title: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> String {
        self.add_event(calendar, meeting(title, start, end))
    }

    /// Makes many events at once: `count`, the first at `start`, each of `length`, one after the
    /// other. No channel hears of it.
    pub fn add_meetings(
        &self,
        calendar: &str,
        count: i32,
        start: DateTime<Utc>,
        length: TimeDelta,
    ) {
        let mut state = self.shared.lock();
        for number in 0..count {
            let id = format!("agents{:08}", state.next());
            let from = start + length * number;
            let resource = meeting(&format!("Meeting {number}"), from, from + length);
            change(&mut state, calendar).keep(&id, fields(resource));
        }
    }

    /// Makes a recurring event; answers its ID.
    pub fn add_series(&self, calendar: &str, title: &str, series: &Series) -> String {
        let mut state = self.shared.lock();
        let id = format!("agents{:08}", state.next());
        let calendar_state = change(&mut state, calendar);
        calendar_state.revision += 1;
        let resource = json!({
            "summary": title, "eventType": "default", "iCalUID": format!("{id}@google.com"),
        });
        let stored = StoredSeries {
            resource: fields(resource),
            first: (series.start, series.start + series.length),
            every: series.every,
            count: series.count.map(i32::from),
            revision: calendar_state.revision,
            cancelled: false,
        };
        calendar_state.series.insert(id.clone(), stored);
        self.shared.notify(&mut state, calendar);
        id
    }

    /// Deletes a recurring event with all its occurrences.
    pub fn delete_series(&self, calendar: &str, id: &str) {
        let mut state = self.shared.lock();
        let calendar_state = change(&mut state, calendar);
        calendar_state.revision += 1;
        let revision = calendar_state.revision;
        let series = calendar_state.series.get_mut(id).expect("the series is there");
        (series.revision, series.cancelled) = (revision, true);
        let mine = format!("{id}_");
        let changed = calendar_state.events.iter_mut().filter(|(it, _)| it.starts_with(&mine));
        for (_, stored) in changed {
            stored.revision = revision;
            stored.resource.insert("status".into(), "cancelled".into());
        }
        self.shared.notify(&mut state, calendar);
    }

    /// Changes fields of an event, or of one occurrence of a series; null removes one.
    pub fn change_event(&self, calendar: &str, id: &str, changes: Value) {
        let mut state = self.shared.lock();
        let calendar_state = change(&mut state, calendar);
        let stored = calendar_state.all(None).remove(id).expect("the event is there");
        let mut resource = stored.resource;
        for (name, value) in fields(changes) {
            match value {
                Value::Null => resource.remove(&name),
                value => resource.insert(name, value),
            };
        }
        calendar_state.keep(id, resource);
        self.shared.notify(&mut state, calendar);
    }

    /// Moves an event, or one occurrence of a series.
    pub fn move_event(&self, calendar: &str, id: &str, start: DateTime<Utc>, end: DateTime<Utc>) {
        self.change_event(calendar, id, span(start, end));
    }

    /// Deletes an event, or one occurrence of a series.
    pub fn delete_event(&self, calendar: &str, id: &str) {
        self.change_event(calendar, id, json!({ "status": "cancelled" }));
    }

    /// Declines an event, as the calendar's owner.
    pub fn decline_event(&self, calendar: &str, id: &str) {
        let attendee = json!({ "email": calendar, "self": true, "responseStatus": "declined" });
        self.change_event(calendar, id, json!({ "attendees": [attendee] }));
    }

    /// The event as it is kept; none where there never was one. Deleted ones are `cancelled`.
    pub fn event(&self, calendar: &str, id: &str) -> Option<Value> {
        let state = self.shared.lock();
        let stored = state.calendars.get(calendar)?.all(None).remove(id)?;
        Some(Value::Object(stored.resource))
    }

    /// How many events stand that are not deleted; series don't count.
    pub fn standing_events(&self, calendar: &str) -> usize {
        let state = self.shared.lock();
        let Some(calendar) = state.calendars.get(calendar) else { return 0 };
        calendar.events.values().filter(|it| it.resource["status"] != "cancelled").count()
    }

    /// Forgets an event for good, as Google does some time after it was deleted.
    pub fn purge_event(&self, calendar: &str, id: &str) {
        change(&mut self.shared.lock(), calendar).events.remove(id);
    }

    /// Deletes the calendar.
    pub fn delete_calendar(&self, calendar: &str) {
        self.shared.lock().calendars.remove(calendar).expect("the calendar is there");
    }

    /// Hides the calendar in the list.
    pub fn hide_calendar(&self, account: &str, calendar: &str) {
        let mut state = self.shared.lock();
        let list = state.accounts.get_mut(account).into_iter().flat_map(|it| &mut it.list);
        list.filter(|it| it.calendar == calendar).for_each(|it| it.hidden = true);
    }

    /// Makes every sync token of the calendar too old.
    pub fn expire_sync_tokens(&self, calendar: &str) {
        change(&mut self.shared.lock(), calendar).generation += 1;
    }

    /// Makes free/busy fail for the calendar alone, with `internalError`.
    pub fn break_free_busy(&self, calendar: &str) {
        change(&mut self.shared.lock(), calendar).broken = true;
    }

    /// Removes Frontdesk from the account: all its tokens end.
    pub fn revoke(&self, account: &str) {
        self.shared.oauth.remove_access(account);
    }
}

fn change<'a>(state: &'a mut State, calendar: &str) -> &'a mut Calendar {
    state.calendars.get_mut(calendar).expect("the calendar is there")
}

fn fields(resource: Value) -> Map<String, Value> {
    match resource {
        Value::Object(fields) => fields,
        other => panic!("a resource is an object and not {other}"),
    }
}

fn meeting(title: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Value {
    let mut resource = span(start, end);
    resource["summary"] = title.into();
    resource
}

fn span(start: DateTime<Utc>, end: DateTime<Utc>) -> Value {
    let place = |at| json!({ "dateTime": rfc3339(at) });
    json!({ "start": place(start), "end": place(end) })
}
