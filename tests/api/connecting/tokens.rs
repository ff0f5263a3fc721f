//! Tokens are refreshed ahead of time, once, and lost by nobody.

use chrono::TimeDelta;
use fake_oauth::Fault;
use frontdesk::service::access::AgentEditor;
use frontdesk::store::run_raw;
use serde_json::json;

use super::{Office, Rotating, ShortLived, ask};
use crate::on_both;
use crate::support::oauth_calendar::OAuthCalendar;

on_both! {
    async fn tokens_are_refreshed_before_they_end(office: Office) {
        office.connected().await;
        office.advance(TimeDelta::minutes(54));
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 0);
        office.advance(TimeDelta::minutes(1));
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
        office.ask().await.unwrap();
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
        assert_eq!(office.calendar.tokens().len(), 2);
    }

    async fn tokens_of_six_minutes_are_refreshed_after_three(office: ShortLived) {
        let ShortLived(office) = office;
        office.connected().await;
        for (minutes, refreshes) in [(0, 0), (2, 0), (1, 1), (2, 1), (1, 2)] {
            office.advance(TimeDelta::minutes(minutes));
            office.ask().await.unwrap();
            assert_eq!(office.calendar.oauth.counts().refreshes, refreshes);
        }
    }

    async fn a_token_that_ended_five_minutes_early_is_replaced(office: Office) {
        office.calendar.oauth.set_skew(TimeDelta::minutes(5));
        office.connected().await;
        for _ in 0..3 {
            office.advance(TimeDelta::minutes(55));
            office.ask().await.unwrap();
        }
        assert_eq!(office.calendar.oauth.counts().refreshes, 3);
        // And one that was not known to have ended.
        office.calendar.oauth.expire_access_tokens();
        assert_eq!(office.ask().await, Ok(3));
        assert_eq!(office.calendar.oauth.counts().refreshes, 4);
        assert_eq!(office.status().await, "UNREACHABLE", "not read for hours, and nothing worse");
    }

    async fn an_authorization_server_that_is_down_ends_nothing(office: Office) {
        office.connected().await;
        office.calendar.oauth.inflict(Fault::Status(500));
        office.advance(TimeDelta::minutes(56));
        assert_eq!(office.ask().await, Ok(3), "the token at hand does");
        office.advance(TimeDelta::minutes(4));
        assert!(office.ask().await.unwrap_err().contains("can't be reached"));
        office.calendar.oauth.inflict(Fault::Html);
        assert!(office.ask().await.unwrap_err().contains("can't be reached"));
        office.read().await;
        assert_eq!(office.status().await, "CONNECTED");
        office.calendar.oauth.mend();
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn a_rotated_refresh_token_is_kept(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        for _ in 0..3 {
            office.advance(TimeDelta::hours(2));
            assert_eq!(office.ask().await, Ok(3));
        }
        assert_eq!(office.calendar.oauth.counts().refreshes, 3);
    }

    async fn two_processes_refresh_one_token_once(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        office.advance(TimeDelta::hours(2));
        office.calendar.oauth.inflict(Fault::Slow(std::time::Duration::from_millis(100)));
        let record = office.record().await;
        let others = [office.other_process(), office.other_process()];
        let apps = others.iter().chain([&office.test.app]);
        let asked = apps.flat_map(|app| std::iter::repeat_n(app, 4));
        let answers = asked.map(|app| ask(app, &record));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer, Ok(3));
        }
        let counts = office.calendar.oauth.counts();
        assert_eq!((counts.refreshes, counts.token_requests_at_once), (1, 1));
        assert_eq!(office.ask().await, Ok(3));
    }

    async fn a_calendar_that_was_replaced_meanwhile_is_asked_for_again(office: Office) {
        office.connected().await;
        let former = office.record().await;
        office.connected().await;
        office.advance(TimeDelta::hours(2));
        let error = ask(&office.test.app, &former).await.unwrap_err();
        assert!(error.contains("can't be reached: another calendar was connected"), "{error}");
    }

    async fn a_provider_that_is_not_there_yet_is_not_asked(office: Office) {
        office.connected().await;
        let early = office.process_with(OAuthCalendar::absent());
        let record = office.record().await;
        let error = ask(&early, &record).await.unwrap_err();
        assert!(error.contains("did not answer yet"), "{error}");
        assert_eq!(office.status().await, "CONNECTED");
        let server = AgentEditor::server(record.agent_id);
        frontdesk::service::calendar::disconnect(&early, server).await.unwrap();
        frontdesk::jobs::run_due(&early).await.unwrap();
        assert_eq!(office.calendar.oauth.counts().revocations, 0);
        office.advance(TimeDelta::minutes(1));
        office.test.deliver().await;
        assert_eq!(office.calendar.oauth.counts().revocations, 1, "once it is there");
    }

    async fn the_agents_zone_is_for_events_that_name_none(office: Office) {
        office.connected().await;
        let app = &office.test.app;
        let read = "UPDATE calendar_syncs SET cursor = 'c1', due_at = ?";
        run_raw(&app.db, read, [(app.now() + TimeDelta::hours(1)).into()]).await.unwrap();
        for (zone, cursor, looks) in [(chrono_tz::UTC, "c1", 0), (chrono_tz::Asia::Tokyo, "", 1)] {
            let input = json!({ "timeZone": zone.name() });
            office.test.set_availability(&office.agent, input).await;
            let kept = "SELECT COALESCE(cursor, '') FROM calendar_syncs";
            assert_eq!(office.test.texts(kept).await, [cursor], "{zone}");
            office.ask().await.unwrap();
            assert_eq!(office.calendar.floating_zone(), Some(zone));
            assert_eq!(office.test.sync().await, looks, "{zone}");
        }
    }

    async fn a_caller_that_gives_up_loses_no_token(office: Rotating) {
        let Rotating(office) = office;
        office.connected().await;
        office.advance(TimeDelta::hours(2));
        office.calendar.oauth.inflict_next(1, Fault::Slow(std::time::Duration::from_millis(200)));
        let record = office.record().await;
        tokio::select! {
            _ = ask(&office.test.app, &record) => panic!("it was to be slow"),
            () = async {
                while office.calendar.oauth.counts().token_requests < 2 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        assert_eq!(office.ask().await, Ok(3));
        assert_eq!(office.calendar.oauth.counts().refreshes, 1);
    }

    async fn what_is_secret_is_nowhere_to_be_read(office: Office) {
        office.connected().await;
        office.revoke().await;
        office.test.deliver().await;
        let seen = office.seen().await.to_string();
        let mut dump = seen;
        for (table, columns) in [
            ("outbox", "CAST(payload AS text) || COALESCE(last_error, '')"),
            ("calendar_connections", "account || COALESCE(problem, '') || CAST(calendars AS text)"),
        ] {
            dump += &office.test.texts(&format!("SELECT {columns} FROM {table}")).await.join("\n");
        }
        let sealed = office.record().await.credentials;
        let sealed = String::from_utf8_lossy(&sealed);
        for secret in ["fake-access", "fake-refresh", "cl1ent-s3cret", "fake-code"] {
            assert!(!dump.contains(secret) && !sealed.contains(secret), "{secret}");
        }
    }
}
