//! Feeds, from a server of the tests' own.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use calendar_provider_ics::{Ics, Settings};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{AT_10, AT_11, AT_14, Desk, http};
use crate::on_both;
use crate::support::oauth_calendar::PUBLIC;
use crate::support::{Database, Test};

/// A feed at an address of its own; none is an agent's who stopped publishing it.
struct Feed {
    url: String,
    events: Arc<Mutex<Option<String>>>,
    serving: JoinHandle<()>,
}

impl Feed {
    async fn start() -> Self {
        let events = Arc::new(Mutex::new(Some(String::new())));
        let shared = Arc::clone(&events);
        let answer = async move || match &*shared.lock().unwrap() {
            Some(events) => {
                let text = format!(
                    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Another program//EN\r\n\
                     {events}END:VCALENDAR\r\n"
                );
                ([(CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response()
            }
            None => axum::http::StatusCode::NOT_FOUND.into_response(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/s3cret/grace.ics", listener.local_addr().unwrap());
        let router = Router::new().route("/s3cret/grace.ics", get(answer));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, events, serving }
    }

    /// Publishes one event of half an hour on a day of January 2027.
    fn publish(&self, start: &str) {
        let event = format!(
            "BEGIN:VEVENT\r\nUID:lunch\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:{start}\r\n\
             DURATION:PT30M\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\n"
        );
        *self.events.lock().unwrap() = Some(event);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Office {
    desk: Desk,
    feed: Feed,
}

impl Office {
    async fn start(database: Database) -> Self {
        Self::start_with(database, true).await
    }

    async fn start_with(database: Database, allow_private_addresses: bool) -> Self {
        let test = Test::start_with(database, |setup| {
            let settings = Settings { allow_private_addresses };
            setup.providers.push(Arc::new(Ics::new(settings, http())));
        })
        .await;
        Self { desk: Desk::open(test).await, feed: Feed::start().await }
    }

    async fn connected(&self) {
        self.desk.connected("ics", &[("url", &self.feed.url)]).await;
    }
}

/// The same where addresses of one's own network are refused.
struct Guarded(Office);

impl Guarded {
    async fn start(database: Database) -> Self {
        Self(Office::start_with(database, false).await)
    }
}

on_both! {
    async fn what_is_published_blocks(office: Office) {
        office.feed.publish("20270105T100000Z");
        office.connected().await;
        let desk = &office.desk;
        assert!(!desk.offers(AT_10).await && desk.offers(AT_11).await);
        assert_eq!(desk.try_to_book(AT_10).await["__typename"], "SlotUnavailable");
        office.feed.publish("20270105T110000Z");
        // It was moved, which was not read yet, but the feed is asked.
        assert_eq!(desk.try_to_book(AT_11).await["__typename"], "SlotUnavailable");
        desk.poll().await;
        assert!(desk.offers(AT_10).await && !desk.offers(AT_11).await);
    }

    async fn bookings_live_in_the_calendar_here(office: Office) {
        office.connected().await;
        let desk = &office.desk;
        let query = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let made = desk.test.admin(query, json!({ "id": desk.agent })).await;
        let url = made.data("/createCalendarFeed/url");
        let path = url.as_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
        let listed = async || {
            let answer = desk.test.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let text = answer.text().await.unwrap();
            let starts = text.lines().filter_map(|line| line.strip_prefix("DTSTART:"));
            starts.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(listed().await, Vec::<String>::new());
        let id = desk.book(AT_10).await;
        desk.test.deliver().await;
        assert_eq!(listed().await, ["20270105T100000Z"]);
        let booking = desk.booking(&id).await;
        assert_eq!(booking["calendarEvent"]["status"], "DELIVERED");
        assert_eq!((&booking["conference"], desk.mails_to_visitor().len()), (&Value::Null, 1));
        desk.poll().await;
        assert!(!desk.offers(AT_10).await);
        assert_eq!(desk.booking(&id).await["calendarEvent"]["drift"], Value::Null);
        desk.reschedule(&id, AT_14).await;
        assert_eq!(listed().await, ["20270105T140000Z"]);
        desk.cancel(&id).await;
        assert_eq!(listed().await, Vec::<String>::new());
        assert!(desk.offers(AT_14).await);
    }

    async fn a_feed_that_is_gone_must_be_connected_again(office: Office) {
        office.connected().await;
        *office.feed.events.lock().unwrap() = None;
        let desk = &office.desk;
        for _ in 0..3 {
            desk.test.clock.advance(TimeDelta::minutes(10));
            desk.test.sync().await;
        }
        assert_eq!(desk.standing().await, (false, "REAUTHENTICATION_REQUIRED".into()));
        desk.test.deliver().await;
        let mails = desk.mails_to_agent();
        assert!(mails.len() == 1 && !mails[0].contains("s3cret"), "{mails:?}");
        office.feed.publish("20270105T100000Z");
        office.connected().await;
        assert!(!desk.offers(AT_10).await);
    }

    async fn an_address_of_ones_own_network_is_refused(office: Guarded) {
        let Guarded(Office { desk, feed }) = office;
        for url in [feed.url.clone(), feed.url.replace("http:", "https:")] {
            let refused = desk.connect("ics", &[("url", &url)]).await;
            assert_eq!((refused.code(), refused.field()), ("BAD_USER_INPUT", "input.credentials"));
            assert!(!refused.body.to_string().contains("s3cret"), "{:#}", refused.body);
        }
        assert_eq!(desk.standing().await, (false, "NONE".into()));
        assert_eq!(desk.test.count("calendar_connections").await, 0);
    }
}
