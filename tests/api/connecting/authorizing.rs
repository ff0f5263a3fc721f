//! From a link of ours to the consent page and back.

use std::sync::Arc;

use chrono::TimeDelta;
use fake_oauth::{Consent, Fault, Iss};
use frontdesk::service::access::Profile;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{Limited, Office, SETTINGS, check_refused};
use crate::on_both;
use crate::support::oauth_calendar::{Browser, ISSUER, OUTLOOK, PUBLIC};

on_both! {
    async fn an_agent_connects_a_calendar(office: Office) {
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        assert!(start.as_str().starts_with(&format!("{PUBLIC}/oauth/start/fda_")), "{start}");
        let shown = browser.visit(&office.test, &start).await;
        assert_eq!(shown.status, 303);
        let cookie = &shown.set_cookies[0];
        for part in ["__Host-", "; Path=/;", "Max-Age=600", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        let page = shown.location.unwrap();
        let asked: std::collections::BTreeMap<_, _> = page.query_pairs().into_owned().collect();
        assert_eq!(asked["redirect_uri"], format!("{PUBLIC}/oauth/callback"));
        assert_eq!(asked["scope"], "calendars profile mail");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["access_type"], "offline");
        let fake_oauth::Visit::Redirect(back) = office.calendar.oauth.visit(&page) else {
            panic!("the consent page refuses: {page}");
        };
        let shown = browser.visit(&office.test, &back).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert!(shown.text.contains("Outlook of owner@example.com is connected"), "{}", shown.text);
        assert!(!browser.has_cookies(), "the cookie has served its time");
        let seen = office.seen().await;
        let calendar = |name, primary, writable, is_main| json!({
            "calendarRef": name, "name": str::to_uppercase(name), "primary": primary,
            "writable": writable, "writtenTo": is_main, "busy": is_main,
        });
        let expected = json!({
            "id": seen["calendar"]["id"], "account": "owner@example.com", "status": "CONNECTED",
            "problem": null, "calendarName": "PRIMARY",
            "grantedScopes": ["calendars", "mail", "profile"],
            "timeZone": "Europe/Paris", "language": "fr-FR",
            "calendars": [
                calendar("primary", true, true, true), calendar("team", false, true, false),
                calendar("holidays", false, false, false),
            ],
        });
        assert_eq!(seen["calendar"], expected);
        assert_eq!(seen["inMeetingQueue"], false, "what was not read is not known");
        assert_eq!(office.read_from().await, ["primary"]);
        office.read().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
    }

    async fn the_browser_goes_back_to_an_address_of_the_list(office: Office) {
        let elsewhere = office.try_to_start(Some("https://evil.example/settings")).await;
        assert_eq!((elsewhere.code(), elsewhere.field()), ("BAD_USER_INPUT", "input.returnUrl"));
        let mut browser = Browser::default();
        let start = office.start_link(Some(&format!("{SETTINGS}/calendar?tab=2&calendar=failed"))).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let shown = browser.visit(&office.test, &back).await;
        let there = format!("{SETTINGS}/calendar?tab=2&calendar=connected");
        assert_eq!(shown.location.map(String::from), Some(there));
        // What went wrong is said on the page, with the way back.
        office.calendar.oauth.set_consent(Consent::Deny);
        let start = office.start_link(Some(SETTINGS)).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let shown = browser.visit(&office.test, &back).await;
        check_refused(&shown, "did not give Outlook’s consent");
        assert!(shown.text.contains(&format!("href=\"{SETTINGS}?calendar")), "{}", shown.text);
    }

    async fn the_page_speaks_the_agents_language(office: Office) {
        let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { id } }";
        let input = json!({ "agentId": office.agent, "locale": "fr-CA" });
        office.test.admin(update, json!({ "input": input })).await.data("/updateAgent/id");
        let shown = office.connect().await;
        assert!(shown.text.contains("<html lang=\"fr\">"), "{}", shown.text);
        assert!(shown.text.contains("Votre agenda est connecté"), "{}", shown.text);
    }

    async fn links_and_states_work_once(office: Office) {
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        check_refused(&browser.visit(&office.test, &start).await, "used already or is too old");
        let replayer = browser.clone();
        assert_eq!(browser.visit(&office.test, &back).await.status, 200);
        let exchanges = office.calendar.oauth.counts().token_requests;
        for mut browser in [browser, replayer] {
            check_refused(&browser.visit(&office.test, &back).await, "used already or is too old");
        }
        assert_eq!(office.calendar.oauth.counts().token_requests, exchanges, "no code went out");
    }

    async fn a_look_at_a_link_does_not_use_it_up(office: Office) {
        let start = office.start_link(None).await;
        let path = start.as_str().strip_prefix(PUBLIC).unwrap();
        let looked = office.test.request(reqwest::Method::HEAD, path).send().await.unwrap();
        assert_eq!(looked.status().as_u16(), 405);
        assert_eq!(Browser::default().visit(&office.test, &start).await.status, 303);
    }

    async fn links_and_states_end_after_ten_minutes(office: Office) {
        let start = office.start_link(None).await;
        office.advance(TimeDelta::minutes(10));
        let mut browser = Browser::default();
        check_refused(&browser.visit(&office.test, &start).await, "used already or is too old");
        let start = office.start_link(None).await;
        office.advance(TimeDelta::minutes(9));
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        office.advance(TimeDelta::minutes(10));
        check_refused(&browser.visit(&office.test, &back).await, "used already or is too old");
        assert_eq!(office.calendar.oauth.counts().token_requests, 0, "no code went out");
        assert_eq!(office.seen().await["calendar"], Value::Null);
    }

    async fn another_browser_gets_nowhere(office: Office) {
        let mut browser = Browser::default();
        // The victim is at an authorization of its own, so it has a cookie, but another one.
        let mut victim = Browser::default();
        victim.visit(&office.test, &office.start_link(None).await).await;
        for other in [&mut Browser::default(), &mut victim] {
            let start = office.start_link(None).await;
            let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
            check_refused(&other.visit(&office.test, &back).await, "begun in another browser");
            // Nor the right one, afterwards.
            check_refused(&browser.visit(&office.test, &back).await, "used already");
        }
        assert_eq!(office.calendar.oauth.counts().token_requests, 0);
        assert_eq!(office.seen().await["calendar"], Value::Null);
    }

    async fn two_authorizations_in_one_browser_do_not_mix(office: Office) {
        let other = office.test.agent("Hedy").await;
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        let first = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        let second = Office { agent: other.clone(), calendar: Arc::clone(&office.calendar), ..office };
        let start = second.start_link(None).await;
        second.calendar.oauth.sign_in("hedy@example.com");
        let back = browser.consent(&second.test, &second.calendar.oauth, &start).await;
        assert_eq!(browser.visit(&second.test, &first).await.status, 200);
        assert_eq!(browser.visit(&second.test, &back).await.status, 200);
        assert_eq!(second.seen().await["calendar"]["account"], "hedy@example.com");
        assert_eq!(second.agent, other);
    }

    async fn an_answer_from_elsewhere_is_not_believed(office: Office) {
        office.calendar.oauth.set_iss(Iss::Other("https://evil.example".into()));
        check_refused(&office.connect().await, "did not come from Outlook");
        assert_eq!(office.calendar.oauth.counts().token_requests, 0, "the code went nowhere");
        office.calendar.oauth.set_iss(Iss::Absent);
        assert_eq!(office.connect().await.status, 200, "{ISSUER} need not name itself");
    }

    async fn a_permission_that_was_unticked_is_named(office: Office) {
        office.calendar.oauth.set_consent(Consent::Untick(vec!["calendars".into(), "mail".into()]));
        let shown = office.connect().await;
        check_refused(&shown, "<li>Have full access to your calendars</li>");
        assert!(!shown.text.contains("mailbox"), "that one is not needed: {}", shown.text);
        assert_eq!(office.calendar.oauth.standing_grants("owner@example.com"), 0, "given back");
        office.calendar.oauth.set_consent(Consent::Untick(vec!["mail".into()]));
        assert_eq!(office.connect().await.status, 200);
        assert_eq!(office.seen().await["calendar"]["grantedScopes"], json!(["calendars", "profile"]));
    }

    async fn what_fails_for_one_agent_revokes_nothing_of_another(office: Office) {
        office.connected().await;
        let mut office = office;
        let hedy = office.test.agent("Hedy").await;
        let grace = std::mem::replace(&mut office.agent, hedy);
        office.calendar.oauth.set_consent(Consent::Untick(vec!["calendars".into()]));
        check_refused(&office.connect().await, "leave their boxes ticked");
        assert_eq!(office.calendar.oauth.counts().revocations, 0, "Google would end both");
        office.agent = grace;
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn a_browser_that_goes_away_loses_no_grant(office: Office) {
        let mut browser = Browser::default();
        let start = office.start_link(None).await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &start).await;
        office.calendar.oauth.inflict_next(1, Fault::Slow(std::time::Duration::from_millis(200)));
        tokio::select! {
            _ = browser.visit(&office.test, &back) => panic!("it was to be slow"),
            () = async {
                while office.calendar.oauth.counts().token_requests == 0 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        let connected = async {
            while office.test.count("calendar_connections").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), connected).await.unwrap();
    }

    async fn what_does_not_work_leaves_the_former_calendar(office: Office) {
        office.connected().await;
        let before = office.seen().await;
        let (calendar, oauth) = (&office.calendar, &office.calendar.oauth);
        oauth.set_consent(Consent::Deny);
        check_refused(&office.connect().await, "Nothing was changed");
        oauth.set_consent(Consent::Untick(vec!["calendars".into()]));
        check_refused(&office.connect().await, "leave their boxes ticked");
        oauth.set_consent(Consent::Grant);
        oauth.inflict_next(1, Fault::Html);
        check_refused(&office.connect().await, "did not answer");
        calendar.break_down(true);
        check_refused(&office.connect().await, "did not answer");
        calendar.break_down(false);
        assert_eq!(office.seen().await, before);
        assert_eq!(office.test.deliver().await, 0, "nobody is told of an end");
        assert_eq!(office.ask().await, Ok(3), "its tokens still work");
    }

    async fn what_is_not_set_up_says_so(office: Office) {
        let query = "mutation($input: StartCalendarAuthorizationInput!) {
            startCalendarAuthorization(input: $input) { authorizationUrl } }";
        for (provider, words) in [
            ("unset", "Unset is not set up on this server"),
            ("builtin", "connects through connectCalendar"),
        ] {
            let input = json!({ "agentId": office.agent, "providerId": provider });
            let answer = office.test.admin(query, json!({ "input": input })).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.providerId"));
            assert!(answer.body.to_string().contains(words), "{:#}", answer.body);
        }
        let query = "{ calendarProviders { id configured permissions { scope description } } }";
        let seen = office.test.admin(query, json!({})).await.data("/calendarProviders");
        let of = |id| seen.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
        assert_eq!(of("unset")["configured"], false);
        let first = json!({ "scope": "calendars", "description": "Have full access to your calendars" });
        assert_eq!(of(OUTLOOK)["permissions"][0], first);
    }

    async fn who_only_reads_elsewhere_has_a_feed_here(office: Office) {
        let query = "mutation($id: ID!) { createCalendarFeed(agentId: $id) { url } }";
        let id = json!({ "id": office.agent });
        office.connected().await;
        assert_eq!(office.test.admin(query, id.clone()).await.code(), "BAD_USER_INPUT");
        office.test.connect(&office.agent, "feed").await.data("/connectCalendar/id");
        let url = office.test.admin(query, id).await.data("/createCalendarFeed/url");
        let path = url.as_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
        let read = office.test.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(read.status().as_u16(), 200);
    }

    async fn an_address_can_ask_so_often(office: Limited) {
        let Limited(office) = office;
        let url = format!("{PUBLIC}/oauth/start/fda_guessed").parse().unwrap();
        let mut browser = Browser::default();
        for _ in 0..3 {
            assert_eq!(browser.visit(&office.test, &url).await.status, 400);
        }
        assert_eq!(browser.visit(&office.test, &url).await.status, 429);
    }

    /// Whoever sent the browser off may do less than the agent does by then.
    async fn a_link_ends_when_its_agent_is_given_another_profile(office: Office) {
        let key = office.test.key(Profile::SalesAdmin).await;
        let query = "mutation($input: StartCalendarAuthorizationInput!) {
            startCalendarAuthorization(input: $input) { authorizationUrl } }";
        let input = json!({ "agentId": office.agent, "providerId": OUTLOOK });
        let start = async || -> url::Url {
            let answer = office.test.send(&key, query, json!({ "input": input })).await;
            let url = answer.data("/startCalendarAuthorization/authorizationUrl");
            url.as_str().unwrap().parse().unwrap()
        };
        let mut browser = Browser::default();
        let first = start().await;
        let link = start().await;
        let back = browser.consent(&office.test, &office.calendar.oauth, &link).await;
        // As if it came while the browser was already on its way back.
        let sql = "UPDATE agents SET profile = 'ADMIN'";
        office.test.app.db.execute_unprepared(sql).await.unwrap();
        check_refused(&browser.visit(&office.test, &back).await, "used already or is too old");
        assert_eq!(office.seen().await["calendar"], Value::Null);
        let update = "mutation($id: ID!) { updateAgent(input: { agentId: $id, profile: LIVE_AGENT }) { id } }";
        office.test.admin(update, json!({ "id": office.agent })).await.data("");
        check_refused(&browser.visit(&office.test, &first).await, "used already or is too old");
    }
    async fn revoked_tokens_take_links_with_them_but_for_those_that_were_mailed(office: Office) {
        let revoke = "mutation($id: ID!) { revokeAgentTokens(input: { agentId: $id }) { agent { id } } }";
        let profile = "mutation($id: ID!) { updateAgent(input: { agentId: $id, profile: CALENDAR_AGENT }) { id } }";
        office.connected().await;
        office.revoke().await;
        office.test.deliver().await;
        let mailed = office.mails().remove(0);
        let (mut browser, mut stolen) = (Browser::default(), Browser::default());
        let mends = browser.consent(&office.test, &office.calendar.oauth, &mailed).await;
        let start = office.start_link(None).await;
        let back = stolen.consent(&office.test, &office.calendar.oauth, &start).await;
        office.test.admin(revoke, json!({ "id": office.agent })).await.data("");
        check_refused(&stolen.visit(&office.test, &back).await, "used already or is too old");
        office.test.admin(profile, json!({ "id": office.agent })).await.data("/updateAgent");
        let shown = browser.visit(&office.test, &mends).await;
        assert_eq!(shown.location.unwrap().as_str(), format!("{SETTINGS}?calendar=connected"));
    }
}
