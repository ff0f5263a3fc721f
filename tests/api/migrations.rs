//! The migrations, there and back.

use frontdesk::store;
use frontdesk_migrations::{Migrator, MigratorTrait};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::on_both;
use crate::support::Test;

const CREDENTIALS: &str = "m20261129_000007_credentials";

on_both! {
    async fn migrations_run_down_and_up_again(test: Test) {
        Migrator::down(&test.app.db, None).await.unwrap();
        assert!(Migrator::get_applied_migrations(&test.app.db).await.unwrap().is_empty());
        assert!(store::agent::candidates(&test.app.db, None).await.is_err(), "tables are left");
        Migrator::up(&test.app.db, None).await.unwrap();
        assert!(store::agent::candidates(&test.app.db, None).await.unwrap().is_empty());
    }

    async fn tokens_of_agents_that_were_deactivated_before_an_update_end_with_it(test: Test) {
        let (gone, here) = (test.agent("Gone").await, test.agent("Here").await);
        let (of_gone, of_here) = (test.token(&gone, 720).await, test.token(&here, 720).await);
        let applied = Migrator::get_applied_migrations(&test.app.db).await.unwrap();
        let later = applied.iter().rev().take_while(|it| it.name() != CREDENTIALS).count();
        assert!(later < applied.len(), "{CREDENTIALS} is not there");
        let steps = u32::try_from(later + 1).unwrap();
        Migrator::down(&test.app.db, Some(steps)).await.unwrap();
        // As the version before deactivated.
        let sql = "UPDATE agents SET active = false WHERE name = 'Gone'";
        test.app.db.execute_unprepared(sql).await.unwrap();
        Migrator::up(&test.app.db, None).await.unwrap();
        test.app.db.execute_unprepared("UPDATE agents SET active = true").await.unwrap();
        let viewer = "{ viewer { kind } }";
        assert_eq!(test.send(&of_gone, viewer, json!({})).await.code(), "UNAUTHENTICATED");
        assert_eq!(test.send(&of_here, viewer, json!({})).await.data("/viewer/kind"), "AGENT");
    }
}
