//! The migrations, there and back.

use frontdesk::store;
use frontdesk_migrations::{Migrator, MigratorTrait};

use crate::on_both;
use crate::support::Test;

on_both! {
    async fn migrations_run_down_and_up_again(test: Test) {
        Migrator::down(&test.app.db, None).await.unwrap();
        assert!(Migrator::get_applied_migrations(&test.app.db).await.unwrap().is_empty());
        assert!(store::agent::candidates(&test.app.db, None).await.is_err(), "tables are left");
        Migrator::up(&test.app.db, None).await.unwrap();
        assert!(store::agent::candidates(&test.app.db, None).await.unwrap().is_empty());
    }
}
