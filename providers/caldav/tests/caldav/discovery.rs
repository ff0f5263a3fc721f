//! From an address to calendars, on servers as agents have them.

use std::sync::{Arc, OnceLock};

use calendar_provider::{CalendarProvider, ConnectedAccount, ErrorClass, ProviderError};
use calendar_provider_caldav::{CalDav, Settings};

use crate::support::client::{PASSWORD, http, request};
use crate::support::fake::{Asked, Fake, Reply, USER, response};

const CALENDAR: &str = "<d:resourcetype><d:collection/><cal:calendar/></d:resourcetype>";
const EVENTS: &str = "<cal:supported-calendar-component-set><cal:comp name=\"VEVENT\"/></cal:supported-calendar-component-set>";
const TASKS: &str = "<cal:supported-calendar-component-set><cal:comp name=\"VTODO\"/></cal:supported-calendar-component-set>";
const READ: &str = "<d:current-user-privilege-set><d:privilege><d:read/></d:privilege></d:current-user-privilege-set>";
const WRITE: &str = "<d:current-user-privilege-set><d:privilege><d:read/></d:privilege><d:privilege><d:write/></d:privilege></d:current-user-privilege-set>";

async fn connect(fake: &Fake, url: &str) -> Result<ConnectedAccount, ProviderError> {
    let provider = CalDav::new(Settings::default(), fake.http());
    provider.connect(request(url, USER, PASSWORD)).await
}

/// Why connecting fails, where what was typed in is at fault.
async fn refusal(fake: &Fake, url: &str) -> String {
    let error = connect(fake, url).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidCredentials, "{error}");
    let printed = format!("{error:?}");
    assert!(!printed.contains("secret") && !printed.contains(PASSWORD), "{printed}");
    error.to_string()
}

/// As iCloud answers: each account's calendars are on a server of their own, named with its port.
fn icloud(asked: &Asked, port: &str) -> Reply {
    let home = format!("https://p34-caldav.icloud.com:{port}/80001/calendars/");
    match (asked.host.as_str(), asked.path.as_str()) {
        ("caldav.icloud.com", "/") => Reply::props(
            "/",
            "<d:current-user-principal><d:href>/80001/principal/</d:href></d:current-user-principal>",
        ),
        ("caldav.icloud.com", "/80001/principal/") => Reply::props(
            "/80001/principal/",
            &format!(
                "<cal:calendar-home-set><d:href>{home}</d:href></cal:calendar-home-set>\
                 <cal:calendar-user-address-set><d:href>mailto:ada@icloud.com</d:href>\
                 <d:href>urn:uuid:80001</d:href></cal:calendar-user-address-set>"
            ),
        ),
        ("p34-caldav.icloud.com", "/80001/calendars/") => Reply::multistatus(&[
            response("/80001/calendars/", "<d:resourcetype><d:collection/></d:resourcetype>"),
            response("/80001/calendars/tasks/", &format!("{CALENDAR}{TASKS}{WRITE}")),
            response(
                "/80001/calendars/home/",
                &format!(
                    "{CALENDAR}{EVENTS}{WRITE}<d:displayname>Home</d:displayname>\
                     <cal:calendar-timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Paris\nEND:VTIMEZONE\nEND:VCALENDAR</cal:calendar-timezone>"
                ),
            ),
            response("/80001/calendars/inbox/", "<d:resourcetype><d:collection/><cal:schedule-inbox/></d:resourcetype>"),
        ].concat()),
        _ => Reply::missing(),
    }
}

#[tokio::test]
async fn icloud_keeps_the_calendars_on_another_host() {
    let port = Arc::new(OnceLock::<String>::new());
    let known = port.clone();
    let fake = Fake::start(move |asked| icloud(asked, known.get().unwrap())).await;
    port.set(fake.port.to_string()).unwrap();
    let url = fake.url("caldav.icloud.com", "");
    let connected = connect(&fake, &url).await.unwrap();
    assert_eq!(connected.account, USER);
    assert_eq!(connected.calendar_name.as_deref(), Some("Home"));
    assert_eq!(connected.time_zone, Some(chrono_tz::Europe::Paris));
    let home = fake.url("p34-caldav.icloud.com", "/80001/calendars/home/");
    assert_eq!(connected.calendar_ref, home);
    assert!(!format!("{connected:?}").contains(PASSWORD));
}

/// As Nextcloud answers: the entry redirects, and more than calendars stands beside the calendars.
fn nextcloud(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        "/.well-known/caldav" => Reply::new(301, "").with("location: /remote.php/dav/"),
        "/remote.php/dav/" => Reply::props(
            "/remote.php/dav/",
            "<d:current-user-principal><d:href>/remote.php/dav/principals/users/ada/</d:href></d:current-user-principal>",
        ),
        "/remote.php/dav/principals/users/ada/" => Reply::props(
            "/remote.php/dav/principals/users/ada/",
            "<cal:calendar-home-set><d:href>/remote.php/dav/calendars/ada/</d:href></cal:calendar-home-set>\
             <cal:schedule-inbox-URL><d:href>/remote.php/dav/calendars/ada/inbox/</d:href></cal:schedule-inbox-URL>",
        ),
        "/remote.php/dav/calendars/ada/inbox/" => Reply::props(
            "/remote.php/dav/calendars/ada/inbox/",
            "<cal:schedule-default-calendar-URL><d:href>/remote.php/dav/calendars/ada/work/</d:href></cal:schedule-default-calendar-URL>",
        ),
        "/remote.php/dav/calendars/ada/" => Reply::multistatus(&[
            response("/remote.php/dav/calendars/ada/", "<d:resourcetype><d:collection/></d:resourcetype>"),
            response("/remote.php/dav/calendars/ada/contact_birthdays/", &format!("{CALENDAR}{EVENTS}{READ}<d:displayname>Birthdays</d:displayname>")),
            response("/remote.php/dav/calendars/ada/personal/", &format!("{CALENDAR}{EVENTS}{WRITE}<d:displayname>Personal</d:displayname>")),
            response("/remote.php/dav/calendars/ada/work/", &format!("{CALENDAR}{EVENTS}{WRITE}<d:displayname>Work</d:displayname>")),
            response("/remote.php/dav/calendars/ada/trashbin/", "<d:resourcetype><d:collection/><x:trash-bin xmlns:x=\"http://nextcloud.com/ns\"/></d:resourcetype>"),
        ].concat()),
        _ => Reply::missing(),
    }
}

#[tokio::test]
async fn nextcloud_is_found_by_its_host_alone() {
    let fake = Fake::start(nextcloud).await;
    let connected = connect(&fake, &format!("example.com:{}", fake.port)).await.unwrap();
    assert_eq!(connected.calendar_name.as_deref(), Some("Work"));
    let provider = CalDav::new(Settings::default(), fake.http());
    let mut calendars = provider.calendars(&connected.into_connection("agent-1")).await.unwrap();
    calendars.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> =
        calendars.iter().map(|it| (it.name.as_str(), it.primary, it.writable)).collect();
    assert_eq!(
        told,
        [("Birthdays", false, false), ("Personal", false, true), ("Work", true, true)]
    );
}

#[tokio::test]
async fn the_address_of_a_calendar_is_that_calendar() {
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/remote.php/dav/calendars/ada/personal/" => Reply::props(
            "/remote.php/dav/calendars/ada/personal/",
            &format!(
                "{CALENDAR}{EVENTS}{WRITE}<d:displayname>Personal</d:displayname>\
                 <d:current-user-principal><d:href>/remote.php/dav/principals/users/ada/</d:href></d:current-user-principal>"
            ),
        ),
        _ => nextcloud(asked),
    })
    .await;
    let url = fake.url("example.com", "/remote.php/dav/calendars/ada/personal");
    let connected = connect(&fake, &format!("{url}/")).await.unwrap();
    assert_eq!(connected.calendar_name.as_deref(), Some("Personal"));
    assert_eq!(connected.calendar_ref, format!("{url}/"));
}

#[tokio::test]
async fn the_password_goes_to_no_other_domain() {
    let port = Arc::new(OnceLock::<String>::new());
    let known = port.clone();
    let fake = Fake::start(move |asked: &Asked| {
        let evil = format!("https://evil.example:{}", known.get().unwrap());
        match asked.path.as_str() {
            "/redirect/" => Reply::new(302, "").with(format!("location: {evil}/dav/")),
            "/principal/" => Reply::props(
                "/principal/",
                &format!("<d:current-user-principal><d:href>{evil}/ada/</d:href></d:current-user-principal>"),
            ),
            "/home/" => Reply::props(
                "/home/",
                &format!("<cal:calendar-home-set><d:href>{evil}/ada/</d:href></cal:calendar-home-set>"),
            ),
            _ => Reply::missing(),
        }
    })
    .await;
    port.set(fake.port.to_string()).unwrap();
    for path in ["/redirect/", "/principal/", "/home/"] {
        let told = refusal(&fake, &fake.url("example.com", path)).await;
        assert_eq!(told, "url: leads to a server of another domain: type in that one's address");
    }
    let signed_in = |it: &Asked| it.host == "evil.example" && it.head.contains("uthorization");
    assert!(!fake.asked().iter().any(signed_in), "the password went there");
}

#[tokio::test]
async fn what_can_be_corrected_is_named() {
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/digest/" => Reply::new(401, "secret").with("www-authenticate: Digest realm=\"x\""),
        "/negotiate/" => {
            Reply::new(401, "secret").with("www-authenticate: Negotiate, Basic realm=\"x\"")
        }
        "/contacts/" => {
            Reply::props("/contacts/", "<d:resourcetype><d:collection/></d:resourcetype>")
        }
        _ => Reply::missing(),
    })
    .await;
    for (path, message) in [
        ("/digest/", "url: the server accepts neither Basic nor Bearer authentication"),
        ("/negotiate/", "password: the server does not accept this user name and password"),
        ("/contacts/", "url: no CalDAV server was found there"),
        ("/nothing/", "url: no CalDAV server was found there"),
    ] {
        assert_eq!(refusal(&fake, &fake.url("example.com", path)).await, message, "{path}");
    }
    let provider = CalDav::new(Settings::default(), fake.http());
    for (url, username, password, message) in [
        ("", USER, PASSWORD, "url: is missing"),
        ("http://example.com/", USER, PASSWORD, "url: must begin with https://"),
        ("ftp://example.com/", USER, PASSWORD, "url: is not a web address"),
        (
            "https://ada:pw@example.com/",
            USER,
            PASSWORD,
            "url: must hold no user name or password: they have fields of their own",
        ),
        ("https://example.com/", "a:b", PASSWORD, "username: must hold no colon"),
        ("https://example.com/", USER, "", "password: is missing"),
        ("https://example.com/", "", "to\nken", "password: holds a character that can't be sent"),
    ] {
        let error = provider.connect(request(url, username, password)).await.unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test]
async fn a_token_is_sent_where_there_is_no_user_name() {
    let fake = Fake::start(|_| Reply::missing()).await;
    let provider = CalDav::new(Settings::default(), fake.http());
    let url = fake.url("example.com", "/dav/");
    provider.connect(request(&url, "", "t0ken")).await.unwrap_err();
    assert!(fake.asked().iter().any(|it| it.head.contains("uthorization: Bearer t0ken\r\n")));
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    // The client may go anywhere; what agents type in may not.
    let provider = CalDav::new(Settings::default(), http());
    for url in ["https://127.0.0.1/", "localhost", "https://[::1]/", "https://192.168.1.2/dav/"] {
        let error = provider.connect(request(url, USER, PASSWORD)).await.unwrap_err();
        assert_eq!(error.to_string(), "url: the address is not public", "{url}");
    }
}
