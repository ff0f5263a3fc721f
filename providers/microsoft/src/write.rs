//! Making, changing, finding and removing the server's own events.

use calendar_http::http::Method;
use calendar_provider::{
    Connection, EventDraft, EventHandle, EventReceipt, EventSnapshot, ProviderError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    account, body,
    calendar_ref::CalendarRef,
    event::{Event, SELECT},
    graph::{Call, Graph, PREFER_HTML, Session},
    own, times,
};

/// How often a write begins again where the event came or went meanwhile.
const ATTEMPTS: u32 = 5;

/// One calendar that events are written to.
struct Target<'a> {
    session: Session<'a>,
    calendar: CalendarRef,
}

/// Makes the calendar hold `draft`.
///
/// The event is looked for by its UID even where its ID is known: an immutable ID goes on naming
/// an event that the agent has thrown away, or moved to another calendar.
pub(crate) async fn put(
    graph: &Graph,
    connection: &Connection,
    draft: &EventDraft,
) -> Result<EventReceipt, ProviderError> {
    let target = Target::new(graph, connection);
    let written = target.put(draft).await?;
    if let Some(former) = draft.event_ref.as_deref().filter(|it| *it != written.id) {
        // E.g. in the calendar that the agent had picked before.
        target.delete_own(former, &draft.uid).await?;
    }
    Ok(receipt(&written, draft.conference_wanted))
}

/// Makes the calendar not hold the event.
pub(crate) async fn delete(
    graph: &Graph,
    connection: &Connection,
    handle: &EventHandle,
) -> Result<(), ProviderError> {
    let target = Target::new(graph, connection);
    let found = target.find(&handle.uid).await?;
    for event in &found {
        target.delete_by_id(&event.id).await?;
    }
    match &handle.event_ref {
        Some(id) if found.iter().all(|event| event.id != *id) => {
            target.delete_own(id, &handle.uid).await
        }
        _ => Ok(()),
    }
}

/// The event as it stands in the calendar.
pub(crate) async fn get(
    graph: &Graph,
    connection: &Connection,
    handle: &EventHandle,
) -> Result<Option<EventSnapshot>, ProviderError> {
    let target = Target::new(graph, connection);
    let found = pick(target.find(&handle.uid).await?, handle.event_ref.as_deref());
    match found {
        Some(event) => event.snapshot(Some(&handle.uid)),
        None => Ok(None),
    }
}

impl<'a> Target<'a> {
    fn new(graph: &'a Graph, connection: &'a Connection) -> Self {
        let calendar = CalendarRef::parse(&connection.calendar_ref);
        Self { session: graph.session(connection), calendar }
    }

    async fn put(&self, draft: &EventDraft) -> Result<Event, ProviderError> {
        let mut teams = None;
        for attempt in 0..ATTEMPTS {
            let found = pick(self.find(&draft.uid).await?, draft.event_ref.as_deref());
            let online = draft.conference_wanted && !found.as_ref().is_some_and(Event::is_online);
            let add_teams = online && self.has_teams(&mut teams).await?;
            let written = match found {
                Some(event) => self.change(draft, event, add_teams).await?,
                None => self.create(draft, attempt, add_teams).await?,
            };
            if let Some(event) = written {
                return Ok(event);
            }
        }
        Err(ProviderError::conflict())
    }

    /// Creates the event; none where that has to be tried again.
    async fn create(
        &self,
        draft: &EventDraft,
        attempt: u32,
        add_teams: bool,
    ) -> Result<Option<Event>, ProviderError> {
        let mut fields = fields(draft, add_teams);
        let text = body::text(draft);
        fields["body"] = json!({ "contentType": "text", "content": text });
        fields["singleValueExtendedProperties"] = own::properties(draft, &text);
        fields["transactionId"] = own::transaction_id(draft, attempt).into();
        fields["location"] = json!({ "displayName": draft.location.as_deref().unwrap_or("") });
        let url = self.session.url(&self.calendar.path_to(&["events"]), &[])?;
        let call = Call::new(Method::POST, url, "the calendar").with_body(fields);
        let created: Event = match self.session.read(call).await {
            Ok(event) => event,
            // Someone else creates it at this moment, or it was created so before and deleted.
            Err(ProviderError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if 0 < attempt {
            return self.only_one(draft, created).await.map(Some);
        }
        // A second event with a transaction ID is not made: the first is answered, and that may
        // have been drafted otherwise.
        let stands = created.range()? == Some(draft.range)
            && created.subject.as_deref() == Some(&*own::title(draft));
        if stands { Ok(Some(created)) } else { self.change(draft, created, false).await }
    }

    /// After a race that a transaction ID did not decide: of several events the first made stays.
    async fn only_one(&self, draft: &EventDraft, created: Event) -> Result<Event, ProviderError> {
        let mut found = self.find(&draft.uid).await?;
        found.sort_by(|a, b| (&a.created_date_time, &a.id).cmp(&(&b.created_date_time, &b.id)));
        let mut found = found.into_iter();
        let Some(first) = found.next() else { return Ok(created) };
        for other in found {
            self.delete_by_id(&other.id).await?;
        }
        Ok(first)
    }

    /// Changes `event` where it differs; none where it went meanwhile.
    async fn change(
        &self,
        draft: &EventDraft,
        event: Event,
        add_teams: bool,
    ) -> Result<Option<Event>, ProviderError> {
        let text = body::text(draft);
        let same_text = event.property(own::TEXT) == Some(&*body::fingerprint(&text));
        if same_text && !add_teams && stands(draft, &event)? {
            return Ok(Some(event));
        }
        let mut fields = fields(draft, add_teams);
        if let Some(location) = &draft.location {
            fields["location"] = json!({ "displayName": location });
        } else if !event.is_online() {
            // Teams writes its own name there.
            fields["location"] = json!({ "displayName": "" });
        }
        if !same_text && let Some(body) = self.new_body(&event, &text).await? {
            fields["body"] = body;
            fields["singleValueExtendedProperties"] = own::properties(draft, &text);
        }
        let url = self.session.url(&self.calendar.path_to(&["events", &event.id]), &[])?;
        let mut call = Call::new(Method::PATCH, url, "the event").with_body(fields);
        call.if_match = event.etag;
        match self.session.read(call).await {
            Ok(changed) => Ok(Some(changed)),
            Err(ProviderError::NotFound { what: "the event", .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The body that says `text`; none where it is to stay as it is, because the Teams meeting
    /// would be lost with it.
    async fn new_body(&self, event: &Event, text: &str) -> Result<Option<Value>, ProviderError> {
        #[derive(Deserialize)]
        struct WithBody {
            body: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            content: String,
        }
        if !event.is_online() {
            return Ok(Some(json!({ "contentType": "text", "content": text })));
        }
        let Some(join_url) = event.join_url() else { return Ok(None) };
        let path = self.calendar.path_to(&["events", &event.id]);
        let url = self.session.url(&path, &[("$select", "body")])?;
        let mut call = Call::get(url, "the event");
        call.prefer = PREFER_HTML.into();
        let stands: WithBody = self.session.read(call).await?;
        let html = body::replace_text(&stands.body.content, text, join_url);
        Ok(html.map(|html| json!({ "contentType": "html", "content": html })))
    }

    /// The calendar's events with this UID; more than one where the agent copied it.
    async fn find(&self, uid: &str) -> Result<Vec<Event>, ProviderError> {
        let (filter, expand) = (own::filter(uid), own::expand());
        let query =
            [("$filter", &*filter), ("$expand", &*expand), ("$select", SELECT), ("$top", "25")];
        let url = self.session.url(&self.calendar.path_to(&["events"]), &query)?;
        let mut found: Vec<Event> = self.session.read_all(Call::get(url, "the calendar")).await?;
        // Filters don't tell upper from lower case.
        found.retain(|event| event.property(own::UID) == Some(uid));
        Ok(found)
    }

    /// Deletes the event with this ID in whatever calendar it is, where it has this UID.
    async fn delete_own(&self, id: &str, uid: &str) -> Result<(), ProviderError> {
        let query = [("$expand", &*own::expand()), ("$select", "id")];
        let url = self.session.url(&["me", "events", id], &query)?;
        match self.session.read::<Event>(Call::get(url, "the event")).await {
            Ok(event) if event.property(own::UID) == Some(uid) => self.delete_by_id(id).await,
            // What the server remembers is another event by now.
            Ok(_) | Err(ProviderError::NotFound { what: "the event", .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_by_id(&self, id: &str) -> Result<(), ProviderError> {
        let url = self.session.url(&["me", "events", id], &[])?;
        match self.session.send(Call::new(Method::DELETE, url, "the event")).await {
            Ok(_) | Err(ProviderError::NotFound { what: "the event", .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the calendar can have Teams meetings; asked once at most.
    async fn has_teams(&self, known: &mut Option<bool>) -> Result<bool, ProviderError> {
        if let Some(known) = *known {
            return Ok(known);
        }
        let calendar = account::read(&self.session, &self.calendar.path()).await?;
        Ok(*known.insert(calendar.has_teams()))
    }
}

/// The one that is meant: the one with the known ID, else the first made.
fn pick(mut found: Vec<Event>, event_ref: Option<&str>) -> Option<Event> {
    if let Some(known) = found.iter().position(|event| Some(event.id.as_str()) == event_ref) {
        return Some(found.swap_remove(known));
    }
    found.into_iter().min_by(|a, b| a.created_date_time.cmp(&b.created_date_time))
}

/// What is written alike for a new event and for one that changes.
fn fields(draft: &EventDraft, add_teams: bool) -> Value {
    let mut fields = json!({
        "subject": own::title(draft),
        "start": times::to_graph(draft.range.start()),
        "end": times::to_graph(draft.range.end()),
        "isAllDay": false,
        "showAs": "busy",
    });
    if add_teams {
        fields["isOnlineMeeting"] = true.into();
        fields["onlineMeetingProvider"] = "teamsForBusiness".into();
    }
    fields
}

/// Whether `event` is as drafted, its text and meeting aside.
fn stands(draft: &EventDraft, event: &Event) -> Result<bool, ProviderError> {
    let location = event.location.as_ref().and_then(|it| it.display_name.as_deref());
    let same_location = match &draft.location {
        Some(wanted) => location == Some(wanted),
        None => event.is_online() || location.unwrap_or_default().is_empty(),
    };
    Ok(same_location
        && event.range()? == Some(draft.range)
        && event.subject.as_deref() == Some(&*own::title(draft))
        && event.is_all_day != Some(true)
        && event.show_as.as_deref() == Some("busy"))
}

fn receipt(event: &Event, conference_wanted: bool) -> EventReceipt {
    let mut receipt = EventReceipt::new(&event.id);
    receipt.url = event.web_link.as_deref().and_then(|it| it.parse().ok());
    receipt.version.clone_from(&event.etag);
    if conference_wanted {
        receipt.conference_url = event.join_url().and_then(|it| it.parse().ok());
        receipt.conference_pending = event.is_online() && receipt.conference_url.is_none();
    }
    receipt
}
