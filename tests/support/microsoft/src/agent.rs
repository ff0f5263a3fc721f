//! What the agent does in Outlook, behind the client's back.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    FakeMicrosoft, events, notify,
    world::{self, Item, World},
};

/// An event that the agent makes.
#[derive(Clone, Debug)]
pub struct OutlookEvent {
    /// Its title.
    pub subject: String,
    /// When it begins.
    pub start: DateTime<Utc>,
    /// When it ends.
    pub end: DateTime<Utc>,
    /// For whole days the first, and the first after it.
    pub dates: Option<(NaiveDate, NaiveDate)>,
    /// The zone that it was made in, as Windows names it.
    pub zone: String,
    /// `free`, `tentative`, `busy`, `oof`, `workingElsewhere` or `unknown`.
    pub show_as: String,
    /// How the agent answered the invitation: `organizer`, `accepted`, `declined` and so on.
    pub response: String,
    /// Whether its organizer cancelled it.
    pub cancelled: bool,
}

impl OutlookEvent {
    /// A busy event of the agent's own.
    pub fn new(subject: impl Into<String>, start: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        Self {
            subject: subject.into(),
            start,
            end,
            dates: None,
            zone: "UTC".into(),
            show_as: "busy".into(),
            response: "organizer".into(),
            cancelled: false,
        }
    }
}

/// One occurrence of an event that recurs.
#[derive(Clone, Debug)]
pub struct Occurrence {
    /// Which it is, as the rule counts: it keeps its ID by this.
    pub number: u32,
    /// When it begins.
    pub start: DateTime<Utc>,
    /// When it ends.
    pub end: DateTime<Utc>,
    /// For a whole day that day, and the next.
    pub dates: Option<(NaiveDate, NaiveDate)>,
    /// Whether it was moved by itself: an exception.
    pub moved: bool,
}

impl FakeMicrosoft {
    /// Makes an event in a calendar; its immutable ID.
    ///
    /// # Panics
    /// Where there is no such account or calendar.
    pub fn add_event(&self, address: &str, calendar: &str, event: &OutlookEvent) -> String {
        self.add(address, calendar, event, None)
    }

    /// Makes an event that recurs as `occurrences` say; its immutable ID.
    ///
    /// # Panics
    /// Where there is no such account or calendar.
    pub fn add_series(
        &self,
        address: &str,
        calendar: &str,
        event: &OutlookEvent,
        occurrences: &[Occurrence],
    ) -> String {
        self.add(address, calendar, event, Some(occurrences))
    }

    /// Changes the whole series: its occurrences are now these.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn change_series(&self, address: &str, id: &str, occurrences: &[Occurrence]) {
        self.edit(address, id, "updated", |item| {
            item.series = Some(series(&item.show_as, occurrences));
        });
    }

    /// Moves one occurrence by itself.
    ///
    /// # Panics
    /// Where there is no such occurrence.
    pub fn move_occurrence(
        &self,
        address: &str,
        id: &str,
        number: u32,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) {
        self.edit_occurrence(address, id, number, |it| {
            (it.start, it.end, it.exception) = (start, end, true);
        });
    }

    /// Deletes one occurrence.
    ///
    /// # Panics
    /// Where there is no such occurrence.
    pub fn delete_occurrence(&self, address: &str, id: &str, number: u32) {
        self.edit_occurrence(address, id, number, |it| it.deleted = true);
    }

    /// Moves an event in time.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn move_event(&self, address: &str, id: &str, start: DateTime<Utc>, end: DateTime<Utc>) {
        self.edit(address, id, "updated", |item| (item.start, item.end) = (start, end));
    }

    /// Shows the time of an event as something else.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn show_as(&self, address: &str, id: &str, show_as: &str) {
        self.edit(address, id, "updated", |item| item.show_as = show_as.into());
    }

    /// Declines an invitation, and keeps it in the calendar.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn decline(&self, address: &str, id: &str) {
        self.edit(address, id, "updated", |item| item.response = "declined".into());
    }

    /// Puts an event in another calendar: its ordinary ID changes, the immutable one does not.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn move_to_calendar(&self, address: &str, id: &str, calendar: &str) {
        self.edit(address, id, "updated", |item| {
            item.calendar = calendar.into();
            item.moves += 1;
        });
    }

    /// Deletes an event, or a series with all its occurrences.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn delete_event(&self, address: &str, id: &str) {
        let mut world = self.shared.lock();
        let (number, index) = world.mailboxes[address].find(id).expect("the event is there");
        events::remove(&mut world, address, number, index).expect("the event is there");
        drop(world);
        self.shared.flush();
    }

    /// The immutable IDs of the events with this value in any extended property.
    pub fn find_by_property(&self, address: &str, value: &str) -> Vec<String> {
        let world = self.shared.lock();
        let items = world.mailboxes[address].items.values().filter(|it| !it.deleted);
        let matching = items.filter(|it| it.properties.values().any(|it| it == value));
        matching.map(|it| it.id(None, true)).collect()
    }

    /// The body of an event as HTML.
    ///
    /// # Panics
    /// Where there is no such event.
    pub fn html_of(&self, address: &str, id: &str) -> String {
        let world = self.shared.lock();
        let (number, _) = world.mailboxes[address].find(id).expect("the event is there");
        world.mailboxes[address].items[&number].html.clone()
    }

    /// The links of Teams meetings come only after [`FakeMicrosoft::finish_teams`] from now on.
    pub fn hold_teams(&self) {
        self.shared.lock().teams_pending = true;
    }

    /// Makes the links that were held back.
    pub fn finish_teams(&self) {
        let mut world = self.shared.lock();
        world.teams_pending = false;
        let tick = world.next_tick();
        for item in world.mailboxes.values_mut().flat_map(|it| it.items.values_mut()) {
            if let Some(meeting) = item.meeting.as_mut().filter(|it| it.pending) {
                meeting.pending = false;
                item.changed = tick;
                crate::write::add_blob(item);
            }
        }
    }

    fn add(
        &self,
        address: &str,
        calendar: &str,
        event: &OutlookEvent,
        occurrences: Option<&[Occurrence]>,
    ) -> String {
        let mut world = self.shared.lock();
        let calendars = &world.mailboxes[address].calendars;
        assert!(calendars.iter().any(|it| it.id == calendar), "there is no calendar {calendar}");
        let (number, tick) = (world.fresh(), world.next_tick());
        let mut item = events::blank(number, calendar, self.shared.clock.now(), tick);
        item.subject.clone_from(&event.subject);
        (item.start, item.end, item.dates) = (event.start, event.end, event.dates);
        item.zone.clone_from(&event.zone);
        item.show_as.clone_from(&event.show_as);
        item.response.clone_from(&event.response);
        item.cancelled = event.cancelled;
        item.series = occurrences.map(|it| series(&event.show_as, it));
        let id = item.id(None, true);
        let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
        mailbox.items.insert(number, item);
        notify::changed(&mut world, address, number, "created");
        drop(world);
        self.shared.flush();
        id
    }

    fn edit(&self, address: &str, id: &str, change: &str, edit: impl FnOnce(&mut Item)) {
        let mut world = self.shared.lock();
        let tick = world.next_tick();
        let number = item(&mut world, address, id, |item| {
            item.changed = tick;
            edit(item);
            item.number
        });
        notify::changed(&mut world, address, number, change);
        drop(world);
        self.shared.flush();
    }

    fn edit_occurrence(
        &self,
        address: &str,
        id: &str,
        number: u32,
        edit: impl FnOnce(&mut world::Occurrence),
    ) {
        let mut world = self.shared.lock();
        let tick = world.next_tick();
        let event = item(&mut world, address, id, |item| {
            let series = item.series.as_mut().expect("the event recurs");
            let occurrence = series.0.get_mut(&number).expect("the occurrence is there");
            occurrence.changed = tick;
            edit(occurrence);
            item.number
        });
        notify::changed(&mut world, address, event, "updated");
        drop(world);
        self.shared.flush();
    }
}

fn item<T>(world: &mut World, address: &str, id: &str, edit: impl FnOnce(&mut Item) -> T) -> T {
    let mailbox = world.mailboxes.get_mut(address).expect("the account is there");
    let (number, _) = mailbox.find(id).expect("the event is there");
    edit(mailbox.items.get_mut(&number).expect("it was found"))
}

fn series(show_as: &str, occurrences: &[Occurrence]) -> world::Series {
    let one = |it: &Occurrence| {
        let occurrence = world::Occurrence {
            start: it.start,
            end: it.end,
            dates: it.dates,
            show_as: show_as.into(),
            exception: it.moved,
            deleted: false,
            changed: 0,
        };
        (it.number, occurrence)
    };
    world::Series(occurrences.iter().map(one).collect::<BTreeMap<_, _>>())
}
