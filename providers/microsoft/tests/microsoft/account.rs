//! Connecting: the consent page, the account, and its calendars.

use calendar_provider::{CalendarProvider, ConnectRequest, ErrorClass};
use chrono_tz::Tz;
use fake_microsoft::Fault;
use fake_oauth::{Consent, Visit};
use url::Url;

use crate::outlook::{ADA, Kind, Outlook, client, day, provider, request};

/// The page that the server would send the agent to.
fn consent_page(outlook: &Outlook) -> Url {
    let client = outlook.provider.oauth2().unwrap();
    let permissions = &outlook.provider.about().permissions;
    let scopes: Vec<_> = permissions.iter().map(|it| it.scope.as_str()).collect();
    let mut page = client.authorization_url.clone();
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.client_id)
        .append_pair("redirect_uri", "https://desk.example/oauth/callback")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", "abc")
        // RFC 7636, appendix B.
        .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        .append_pair("code_challenge_method", "S256")
        .extend_pairs(&client.authorization_params);
    page
}

#[tokio::test]
async fn the_consent_page_takes_what_is_asked_and_names_no_issuer() {
    let outlook = Outlook::work().await;
    outlook.fake.oauth().sign_in(ADA);
    let Visit::Redirect(back) = outlook.fake.oauth().visit(&consent_page(&outlook)) else {
        panic!("the page refuses the request")
    };
    let answer: Vec<_> = back.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(answer, ["code", "state"], "Microsoft sends no iss");
    outlook.fake.oauth().set_consent(Consent::Deny);
    let Visit::Redirect(back) = outlook.fake.oauth().visit(&consent_page(&outlook)) else {
        panic!("the page refuses the request")
    };
    assert!(back.query_pairs().any(|(name, value)| name == "error" && value == "access_denied"));
}

#[tokio::test]
async fn granted_scopes_are_known_as_they_are_told() {
    let outlook = Outlook::work().await;
    let scopes = ["Calendars.ReadWrite", "User.Read", "MailboxSettings.Read", "offline_access"];
    let tokens = outlook.fake.oauth().issue(ADA, &scopes);
    let told: Vec<_> = tokens.scopes.into_iter().filter(|it| it != "offline_access").collect();
    assert!(told.iter().any(|it| it == "https://graph.microsoft.com/Calendars.ReadWrite"));
    let missing: Vec<_> = (outlook.provider.about().permissions.iter())
        .filter(|it| it.required && !it.is_granted(&told))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn an_account_brings_its_name_zone_and_language() {
    let outlook = Outlook::work().await;
    for (told, expected) in [
        ("W. Europe Standard Time", Some(Tz::Europe__Berlin)),
        ("Europe/Paris", Some(Tz::Europe__Paris)),
        ("tzone://Microsoft/Custom", None),
        ("Customized Time Zone", None),
    ] {
        outlook.fake.set_mailbox(ADA, told, "fr-FR");
        let connected = outlook.provider.connect(request(&outlook.fake, ADA)).await.unwrap();
        assert_eq!(connected.account, ADA);
        assert_eq!(connected.calendar_name.as_deref(), Some("Calendar"));
        assert_eq!(connected.time_zone, expected, "{told}");
        assert_eq!(connected.language.as_deref(), Some("fr-FR"));
        assert_eq!(connected.calendar_ref, format!("default:{ADA}"));
    }
}

#[tokio::test]
async fn a_personal_account_is_read_by_its_calendar() {
    let outlook = Outlook::start(Kind::Personal).await;
    assert_eq!(outlook.connection.calendar_ref, outlook.calendar);
    outlook.provider.free_busy(&outlook.connection, day()).await.unwrap();
    let requests = outlook.fake.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].uri.contains("/calendarView?"), "{}", requests[0].uri);
}

#[tokio::test]
async fn settings_that_were_not_granted_leave_zone_and_language_open() {
    let outlook = Outlook::work().await;
    let tokens = outlook.fake.oauth().issue(ADA, &["Calendars.ReadWrite", "User.Read"]);
    let mut request = ConnectRequest::new("agent-1");
    request.access_token = Some(tokens.access_token.into());
    let connected = outlook.provider.connect(request).await.unwrap();
    assert_eq!((connected.time_zone, connected.language), (None, None));
}

#[tokio::test]
async fn a_token_without_the_calendars_is_unauthorized() {
    let outlook = Outlook::work().await;
    let tokens = outlook.fake.oauth().issue(ADA, &["User.Read"]);
    let mut request = ConnectRequest::new("agent-1");
    request.access_token = Some(tokens.access_token.into());
    let error = outlook.provider.connect(request).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
    let nothing = outlook.provider.connect(ConnectRequest::new("agent-1")).await.unwrap_err();
    assert_eq!(nothing.class(), ErrorClass::Unauthorized);
}

#[tokio::test]
async fn an_account_without_a_mailbox_does_not_connect() {
    let outlook = Outlook::work().await;
    outlook.fake.enable_mailbox(ADA, false);
    let error = outlook.provider.connect(request(&outlook.fake, ADA)).await.unwrap_err();
    assert_eq!(error.to_string(), "the mailbox was not found");
}

#[tokio::test]
async fn an_outage_while_connecting_is_not_taken_for_a_personal_account() {
    let outlook = Outlook::work().await;
    for fault in [Fault::Status(503, "ServiceUnavailable"), Fault::CutOff, Fault::Throttled(900)] {
        outlook.fake.inflict_on("POST", "getSchedule", fault);
        let error = outlook.provider.connect(request(&outlook.fake, ADA)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        outlook.fake.mend();
    }
}

#[tokio::test]
async fn calendars_are_listed_on_all_pages_with_what_can_be_done() {
    let outlook = Outlook::work().await;
    for number in 0..120 {
        outlook.fake.add_calendar(ADA, &format!("Calendar {number}"), true);
    }
    let shared = outlook.fake.add_calendar(ADA, "Shared by Bob", false);
    let listed = outlook.provider.calendars(&outlook.connection).await.unwrap();
    assert_eq!(listed.len(), 124);
    let main: Vec<_> = listed.iter().filter(|it| it.primary).collect();
    assert_eq!(main.len(), 1);
    assert_eq!(main[0].calendar_ref, outlook.connection.calendar_ref);
    let shared = listed.iter().find(|it| it.calendar_ref == shared).unwrap();
    assert!(!shared.writable);
    assert_eq!(shared.name, "Shared by Bob");
}

#[tokio::test]
async fn one_provider_serves_every_account() {
    let outlook = Outlook::work().await;
    let again = provider(&outlook.fake, client());
    let bob = again.connect(request(&outlook.fake, crate::outlook::BOB)).await.unwrap();
    assert_eq!(bob.account, crate::outlook::BOB);
}
