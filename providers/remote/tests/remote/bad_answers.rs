//! What is not as documented is an error of the right class, and disconnects nobody.

use std::sync::Arc;

use calendar_http::Bytes;
use calendar_provider::conformance::Subject;
use calendar_provider::{
    CalendarProvider, ConnectRequest, ErrorClass, EventHandle, ProviderError, TimeRange,
};
use calendar_provider_remote::Remote;
use chrono::TimeDelta;

use crate::memory::{Calendar, Flaw, Kind, Memory};
use crate::server::{Between, Server};

const JSON: &str = "application/json";

struct Case {
    memory: Memory,
    server: Arc<Server>,
    remote: Arc<Remote>,
}

async fn case() -> Case {
    let memory = Memory(Arc::new(Calendar::new(Kind::Full, Flaw::None, "owner")));
    let server = Server::start(memory.provider()).await;
    let remote = server.remote().await;
    Case { memory, server, remote }
}

impl Case {
    fn answer(&self, status: u16, content_type: &'static str, body: &'static str) {
        let body = Bytes::from_static(body.as_bytes());
        self.server.put_between(Between::Always { status, content_type, body });
    }

    async fn free_busy(&self) -> Result<usize, ProviderError> {
        let start = "2031-05-05T00:00:00Z".parse().unwrap();
        let day = TimeRange::lasting(start, TimeDelta::days(1)).unwrap();
        Ok(self.remote.free_busy(&self.memory.connection(), day).await?.len())
    }
}

#[tokio::test]
async fn only_a_class_says_something_about_the_connection() {
    let case = case().await;
    let problem = "application/problem+json";
    for (status, content_type, body, class) in [
        (403, problem, r#"{"class":"unauthorized"}"#, ErrorClass::Unauthorized),
        (404, problem, r#"{"class":"not_found","title":"x"}"#, ErrorClass::NotFound),
        (409, problem, r#"{"class":"conflict"}"#, ErrorClass::Conflict),
        (410, problem, r#"{"class":"cursor_expired"}"#, ErrorClass::CursorExpired),
        (422, problem, r#"{"class":"permanent"}"#, ErrorClass::Permanent),
        (400, JSON, r#"{"class":"transient"}"#, ErrorClass::Transient),
        (400, JSON, r#"{"class":"rate_limited"}"#, ErrorClass::RateLimited),
        (501, problem, r#"{"class":"unsupported"}"#, ErrorClass::Unsupported),
        (401, "text/plain", "who are you", ErrorClass::Permanent),
        (403, "text/html", "<h1>blocked</h1>", ErrorClass::Permanent),
        (404, "text/html", "<h1>no such page</h1>", ErrorClass::Permanent),
        (404, problem, r#"{"class":"gone fishing"}"#, ErrorClass::Permanent),
        (429, "text/plain", "", ErrorClass::RateLimited),
        (500, problem, r#"{"class":"unauthorized"}"#, ErrorClass::Transient),
        (503, "text/html", "<h1>down</h1>", ErrorClass::Transient),
    ] {
        case.answer(status, content_type, body);
        let error = case.free_busy().await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_ignored_and_what_is_missing_is_not_made_up() {
    let case = case().await;
    case.answer(200, JSON, r#"{"busy":[{"start":"2031-05-05T09:00:00Z","end":"2031-05-05T10:00:00+00:00","colour":"red"}],"more":{}}"#);
    assert_eq!(case.free_busy().await.unwrap(), 1);
    for body in [
        "{}",
        "[]",
        "null",
        r#"{"busy":null}"#,
        r#"{"busy":[{}]}"#,
        r#"{"busy":[{"start":"2031-05-05T10:00:00Z","end":"2031-05-05T09:00:00Z"}]}"#,
        r#"{"busy":[{"start":"2031-05-05T09:00:00","end":"2031-05-05T10:00:00"}]}"#,
    ] {
        case.answer(200, JSON, body);
        assert!(case.free_busy().await.unwrap_err().is_retryable(), "{body}");
    }
}

/// A booking's event is not taken for deleted because an answer lacks a member.
#[tokio::test]
async fn an_event_is_gone_only_where_that_is_said() {
    let case = case().await;
    let (connection, event) = (case.memory.connection(), EventHandle::new("1", None));
    case.answer(200, JSON, r#"{"event":null}"#);
    assert_eq!(case.remote.get_event(&connection, &event).await.unwrap(), None);
    for body in ["{}", r#"{"events":[]}"#, r#"{"event":{}}"#] {
        case.answer(200, JSON, body);
        assert!(case.remote.get_event(&connection, &event).await.is_err(), "{body}");
    }
}

/// A proxy that answers everything with 200 has deleted nothing.
#[tokio::test]
async fn a_deletion_is_believed_by_its_status_alone() {
    let case = case().await;
    let (connection, event) = (case.memory.connection(), EventHandle::new("1", None));
    for (content_type, body) in [("text/html", "<h1>Welcome</h1>"), (JSON, "{}")] {
        case.answer(200, content_type, body);
        let error = case.remote.delete_event(&connection, &event).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient);
    }
}

#[tokio::test]
async fn a_change_of_an_unknown_kind_is_not_left_out() {
    let case = case().await;
    let start = "2031-05-05T00:00:00Z".parse().unwrap();
    let day = TimeRange::lasting(start, TimeDelta::days(1)).unwrap();
    case.answer(200, JSON, r#"{"changes":[{"type":"split","event_ref":"1"}],"next":"2"}"#);
    assert!(case.remote.changes(&case.memory.connection(), None, day).await.is_err());
}

/// The field is one of those that were asked for, since people read it.
#[tokio::test]
async fn wrong_credentials_name_a_field_that_was_asked_for() {
    let case = case().await;
    for named in ["token", "<script>", ""] {
        let body = format!(r#"{{"class":"invalid_credentials","field":"{named}"}}"#);
        let between = Between::Always { status: 422, content_type: JSON, body: body.into() };
        case.server.put_between(between);
        let error = case.remote.connect(ConnectRequest::new("owner")).await.unwrap_err();
        assert_eq!(error.to_string(), "token: is not right");
    }
}
