//! A consent that ended, its mail, and what mending brings back; and picking calendars.

use chrono::TimeDelta;
use serde_json::json;

use super::{Office, SETTINGS, TUESDAY_AT_10, check_refused};
use crate::on_both;
use crate::subscriptions::Events;
use crate::support::oauth_calendar::Browser;

on_both! {
    async fn a_revoked_grant_takes_the_agent_out_and_one_mail_tells(office: Office) {
        office.connected().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
        let query = "subscription($agent: ID) { agentChanged(agentId: $agent) {
            inMeetingQueue calendar { status } } }";
        let variables = json!({ "agent": office.agent });
        let mut news = Events::open(&office.test, &office.test.admin, query, variables).await;
        office.revoke().await;
        let told = news.next().await;
        let expected = json!({
            "inMeetingQueue": false, "calendar": { "status": "REAUTHENTICATION_REQUIRED" },
        });
        assert_eq!(told["data"]["agentChanged"], expected);
        office.ask().await.unwrap_err();
        office.test.deliver().await;
        assert_eq!(office.mails().len(), 1);
        let requests = office.calendar.oauth.counts().token_requests;
        office.ask().await.unwrap_err();
        office.test.deliver().await;
        assert_eq!(office.mails(), []);
        assert_eq!(office.calendar.oauth.counts().token_requests, requests, "nobody is asked");
    }

    async fn the_link_in_the_mail_mends_it(office: Office) {
        office.connected().await;
        office.select("team", &["holidays"]).await.data("/selectCalendar/id");
        office.read().await;
        let place = office.place().await;
        let booking = office.book().await;
        office.calendar.oauth.remove_access("owner@example.com");
        office.test.deliver().await;
        assert_eq!(office.event_status(&booking).await, "PENDING");
        let links = office.mails();
        let [link] = links.as_slice() else { panic!("{links:?}") };
        // Two days on, the entry was given up.
        for _ in 0..2 {
            office.advance(TimeDelta::days(1));
            office.test.deliver().await;
        }
        office.test.mails.drain();
        office.test.clock.set("2027-01-05T07:00:00Z");
        office.calendar.oauth.clock().set("2027-01-05T07:00:00Z".parse().unwrap());
        assert_eq!(office.event_status(&booking).await, "FAILED");
        let mut browser = Browser::default();
        let back = browser.consent(&office.test, &office.calendar.oauth, link).await;
        let shown = browser.visit(&office.test, &back).await;
        assert_eq!(shown.location.unwrap().as_str(), format!("{SETTINGS}?calendar=connected"));
        office.read().await;
        assert_eq!(office.seen().await["inMeetingQueue"], true);
        assert_eq!(office.place().await, place, "in the queue where it was");
        let seen = office.seen().await;
        assert_eq!(seen["calendar"]["calendars"][1]["writtenTo"], true, "{seen:#}");
        assert_eq!(seen["calendar"]["calendars"][2]["busy"], true, "{seen:#}");
        office.test.deliver().await;
        assert_eq!(office.event_status(&booking).await, "DELIVERED");
        assert_eq!(office.calendar.events().into_values().collect::<Vec<_>>(), ["team"]);
        let shown = browser.visit(&office.test, link).await;
        assert!(shown.text.contains("There is nothing to do"), "{}", shown.text);
    }

    async fn the_link_in_the_mail_is_for_one_account_and_a_week(office: Office) {
        office.connected().await;
        office.revoke().await;
        office.test.deliver().await;
        let link = office.mails().remove(0);
        office.calendar.oauth.sign_in("thief@example.com");
        let mut browser = Browser::default();
        let back = browser.consent(&office.test, &office.calendar.oauth, &link).await;
        check_refused(&browser.visit(&office.test, &back).await, "for the account owner@example.com");
        assert_eq!(office.status().await, "REAUTHENTICATION_REQUIRED");
        assert_eq!(office.calendar.oauth.standing_grants("thief@example.com"), 0, "given back");
        let mut forged = link.clone();
        forged.set_path(&format!("{}x", link.path()));
        check_refused(&browser.visit(&office.test, &forged).await, "used already or is too old");
        office.advance(TimeDelta::days(7));
        check_refused(&browser.visit(&office.test, &link).await, "used already or is too old");
    }

    async fn a_calendar_without_oauth_is_mended_in_the_application(office: Office) {
        office.test.connect(&office.agent, "feed").await.data("/connectCalendar/id");
        office.read().await;
        let route = json!({ "agentId": office.agent });
        let booked = office.test.book(route, TUESDAY_AT_10, "ada@visitors.example").await;
        assert_eq!(booked.data("/bookMeeting/__typename"), "SlotUnavailable");
        office.test.deliver().await;
        let mails = office.test.mails.drain();
        let [sent] = mails.as_slice() else { panic!("{mails:?}") };
        assert_eq!(sent.mail.to.email, "grace@agents.example");
        assert!(sent.mail.text.contains(SETTINGS), "{}", sent.mail.text);
    }

    async fn another_calendar_is_picked_where_one_is_gone(office: Office) {
        office.connected().await;
        office.select("team", &["holidays"]).await.data("/selectCalendar/id");
        office.read().await;
        let booking = office.book().await;
        let sql = "UPDATE calendar_connections SET status = 'REAUTHENTICATION_REQUIRED', \
            problem = 'the calendar was not found; connect it again or choose another'";
        frontdesk::store::run_raw(&office.test.app.db, sql, []).await.unwrap();
        office.test.deliver().await;
        office.advance(TimeDelta::hours(2));
        office.test.deliver().await;
        assert_eq!(office.event_status(&booking).await, "PENDING", "for a while");
        office.calendar.list(&[("primary", true), ("holidays", false)]);
        office.select("primary", &["holidays"]).await.data("/selectCalendar/id");
        let seen = office.seen().await;
        assert_eq!(seen["calendar"]["status"], "CONNECTED", "though it was not read for hours");
        assert_eq!(seen["calendar"]["problem"], json!(null));
        office.test.deliver().await;
        assert_eq!(office.calendar.events().into_values().collect::<Vec<_>>(), ["primary"]);
        office.calendar.break_down(true);
        office.test.sync().await;
        assert_eq!(office.status().await, "CONNECTED", "a while yet");
        office.advance(TimeDelta::hours(2));
        office.test.sync().await;
        assert_eq!(office.status().await, "UNREACHABLE");
        // Not where it is the authorization that ended.
        office.calendar.break_down(false);
        office.revoke().await;
        assert_eq!(office.select("primary", &[]).await.code(), "UPSTREAM_UNAVAILABLE");
        assert_eq!(office.status().await, "REAUTHENTICATION_REQUIRED");
    }

    async fn what_was_picked_is_kept_where_it_is_still_there(office: Office) {
        office.connected().await;
        office.calendar.hide_list(true);
        assert_eq!(office.connect().await.status, 200, "nothing was picked");
        office.calendar.hide_list(false);
        office.select("team", &["holidays", "primary"]).await.data("/selectCalendar/id");
        let before = office.record().await;
        office.calendar.hide_list(true);
        check_refused(&office.connect().await, "did not answer");
        assert_eq!(office.record().await, before);
        office.calendar.hide_list(false);
        office.calendar.list(&[("primary", true), ("team", true)]);
        office.connected().await;
        let after = office.record().await;
        assert_eq!((after.calendar_ref.as_str(), after.also_busy.0), ("team", vec!["primary".into()]));
        assert_eq!(office.calendar.oauth.counts().revocations, 0);
    }

    async fn the_agent_picks_which_calendars_count(office: Office) {
        office.connected().await;
        for (chosen, others, field) in [
            ("unknown", vec![], "input.calendarRef"),
            ("holidays", vec![], "input.calendarRef"),
            ("team", vec!["unknown"], "input.busyCalendarRefs"),
        ] {
            let answer = office.select(chosen, &others).await;
            assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", field));
        }
        office.calendar.list(&[("primary", true), ("new", true), ("holidays", false)]);
        office.select("new", &["holidays", "new", "holidays"]).await.data("/selectCalendar/id");
        let record = office.record().await;
        assert_eq!(record.calendar_name.as_deref(), Some("NEW"));
        assert_eq!((record.calendar_ref.as_str(), record.also_busy.0), ("new", vec!["holidays".into()]));
        assert_eq!(office.read_from().await, ["holidays", "new"]);
        assert_eq!(office.seen().await["inMeetingQueue"], false, "what was not read is not known");
        office.watch().await;
        office.read().await;
        office.book().await;
        office.test.deliver().await;
        assert_eq!(office.calendar.events().into_values().collect::<Vec<_>>(), ["new"]);
        let many: Vec<String> = (0..21).map(|number| format!("c{number}")).collect();
        let mut all: Vec<(&str, bool)> = many.iter().map(|name| (name.as_str(), true)).collect();
        all.push(("primary", true));
        office.calendar.list(&all);
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let answer = office.select("primary", &names).await;
        assert_eq!((answer.code(), answer.field()), ("BAD_USER_INPUT", "input.busyCalendarRefs"));
        office.select("primary", &names[1..]).await.data("/selectCalendar/id");
        office.test.deliver().await;
        assert_eq!(office.calendar.unwatched(), ["holidays/w1", "new/w1"]);
        assert_eq!(office.calendar.oauth.counts().revocations, 0);
        office.calendar.break_down(true);
        assert_eq!(office.select("primary", &[]).await.code(), "UPSTREAM_UNAVAILABLE");
    }
}
