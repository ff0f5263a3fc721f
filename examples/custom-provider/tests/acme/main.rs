//! The provider against Frontdesk's conformance kit, over a small Acme of the tests' own.

mod server;

use std::sync::Arc;

use acme_frontdesk::Acme;
use async_trait::async_trait;
use calendar_provider::conformance::{
    Factory, Fault, Hook, OutsideEvent, Subject, assert_conforms,
};
use calendar_provider::{CalendarProvider, ConnectRequest, Connection};
use server::{CALENDAR, KEY, SECOND, Server};

struct Acmes;

#[async_trait]
impl Factory for Acmes {
    async fn fresh(&self) -> Box<dyn Subject> {
        let server = Server::start().await;
        let provider = Arc::new(Acme::new(&server.url).expect("the address is one"));
        Box::new(OverHttp { server, provider })
    }
}

struct OverHttp {
    server: Server,
    provider: Arc<Acme>,
}

fn request(key: &str) -> ConnectRequest {
    let mut request = ConnectRequest::new("agent");
    request.credentials.insert("key".into(), key.into());
    request
}

#[async_trait]
impl Subject for OverHttp {
    fn provider(&self) -> Arc<dyn CalendarProvider> {
        self.provider.clone()
    }

    fn connection(&self) -> Connection {
        Connection::new("agent", CALENDAR, KEY.into())
    }

    fn unknown_connection(&self) -> Connection {
        Connection::new("agent", CALENDAR, "key-of-nobody".into())
    }

    fn second_calendar(&self) -> Option<String> {
        Some(SECOND.into())
    }

    fn connect_request(&self) -> Option<ConnectRequest> {
        Some(request(KEY))
    }

    fn wrong_connect_request(&self) -> Option<ConnectRequest> {
        Some(request("guessed"))
    }

    async fn add_outside_event(&self, event: OutsideEvent) -> Hook {
        self.server.add(&event.uid, event.range, event.busy);
        Hook::Done
    }

    async fn remove_outside(&self, uid: &str) -> Hook {
        self.server.remove(uid);
        Hook::Done
    }

    async fn inflict(&self, fault: Fault) -> Hook {
        let status = match fault {
            Fault::Down => 502,
            Fault::Revoked => 401,
            Fault::Html | Fault::NotUtf8 => 200,
            // No time that fits into a call's deadline, so that it is not waited for.
            Fault::RateLimited => 429,
            _ => return Hook::Unavailable,
        };
        self.server.fail(status);
        Hook::Done
    }

    async fn mend(&self) {
        self.server.fail(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let report = assert_conforms(&Acmes).await;
    assert!(60 < report.passed.len(), "{report}");
}
