//! Answers as servers give them, and as they should not.

use calendar_provider::{ErrorClass, ProviderError};
use url::Url;

use super::{DAV, Multistatus, has_precondition};

fn base() -> Url {
    "https://dav.example.com/cal/".parse().unwrap()
}

fn read(responses: &str) -> Result<Multistatus, ProviderError> {
    let body = format!(
        r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">{responses}</d:multistatus>"#
    );
    Multistatus::read(body.as_bytes(), &base())
}

#[test]
fn properties_count_where_their_status_says_so() {
    let answer = read(
        "<d:response><d:href>/cal/1.ics</d:href>\
         <d:propstat><d:prop><d:getetag>\"a\"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>\
         <d:propstat><d:prop><d:displayname>no</d:displayname></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>\
         <d:propstat><d:prop><d:sync-token>no</d:sync-token></d:prop></d:propstat></d:response>",
    );
    let member = answer.unwrap().into_only().unwrap();
    assert_eq!(member.props.etag.as_deref(), Some("\"a\""));
    assert_eq!((member.props.name, member.props.sync_token), (None, None));
}

#[test]
fn namespaces_count_and_prefixes_do_not() {
    let body = r#"<multistatus xmlns="DAV:"><response><href>/cal/</href><propstat><prop>
        <displayname xmlns="urn:other">no</displayname>
        <x:getctag xmlns:x="http://calendarserver.org/ns/">7</x:getctag>
        <resourcetype><collection/><y:calendar xmlns:y="urn:ietf:params:xml:ns:caldav"/></resourcetype>
        </prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"#;
    let member = Multistatus::read(body.as_bytes(), &base()).unwrap().into_only().unwrap();
    assert_eq!(member.props.ctag.as_deref(), Some("7"));
    assert_eq!(member.props.name, None);
    assert!(member.props.is_calendar);
}

#[test]
fn a_text_is_kept_as_it_stands_in_cdata_and_references() {
    for text in ["BEGIN&#13;\nX:&lt;&amp;&gt;\n", "<![CDATA[BEGIN]]>&#10;<![CDATA[X:<&>\n]]>"] {
        let answer = read(&format!(
            "<d:response><d:href>/cal/1.ics</d:href><d:propstat><d:prop><c:calendar-data>{text}</c:calendar-data>\
             </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        ));
        let data = answer.unwrap().into_only().unwrap().props.data.unwrap();
        assert_eq!(data.replace('\r', "").as_str(), "BEGIN\nX:<&>\n");
    }
}

#[test]
fn what_is_gone_and_what_was_left_out_is_seen() {
    let answer = read(
        "<d:response><d:href>/cal/1.ics</d:href><d:href>/cal/2.ics</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>\
         <d:response><d:href>/cal/</d:href><d:status>HTTP/1.1 507 Insufficient Storage</d:status></d:response>\
         <d:sync-token>next</d:sync-token>",
    );
    let answer = answer.unwrap();
    assert!(answer.truncated);
    assert_eq!(answer.sync_token.as_deref(), Some("next"));
    assert_eq!(answer.members.len(), 2);
    assert!(answer.members.iter().all(super::Member::is_gone));
}

#[test]
fn what_is_no_multistatus_is_an_error_that_quotes_nothing() {
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let bomb = "<!DOCTYPE a [<!ENTITY a \"secret\"><!ENTITY b \"&a;&a;&a;\">]><a>&b;</a>";
    let external = "<!DOCTYPE a [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><a>&a;</a>";
    let many = format!(r#"<multistatus xmlns="DAV:">{}</multistatus>"#, "<a/>".repeat(1_500_001));
    for body in [
        "",
        "secret",
        "<html><body>secret</body></html>",
        "<multistatus xmlns=\"DAV:\"><response><href>/cal/secret",
        "<multistatus>secret</multistatus>",
        "<multistatus xmlns=\"DAV:\"><response><status>HTTP/1.1 200 OK</status></response></multistatus>",
        "<multistatus xmlns=\"DAV:\"><response><href>/cal/1</href><status>secret</status></response></multistatus>",
        &deep,
        bomb,
        external,
        &many,
    ] {
        let error = Multistatus::read(body.as_bytes(), &base()).unwrap_err();
        let start = &body[..body.len().min(60)];
        assert_eq!(error.class(), ErrorClass::Transient, "{start}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let error = Multistatus::read(b"<a>\xFF</a>", &base()).unwrap_err();
    assert_eq!(error.to_string(), "the calendar can't be reached: the answer is not UTF-8");
}

#[test]
fn a_reference_to_another_server_spoils_the_answer() {
    let answer = read("<d:response><d:href>https://evil.example/cal/1.ics</d:href></d:response>");
    assert_eq!(answer.unwrap_err().class(), ErrorClass::Permanent);
}

#[test]
fn a_precondition_is_read_from_an_error_only() {
    let body = br#"<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>"#;
    assert!(has_precondition(body, DAV, "valid-sync-token"));
    assert!(!has_precondition(body, "urn:other", "valid-sync-token"));
    assert!(!has_precondition(b"<p>valid-sync-token</p>", DAV, "valid-sync-token"));
    assert!(!has_precondition(b"\xFF", DAV, "valid-sync-token"));
}
