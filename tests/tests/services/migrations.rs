//! An upgrade that changes the schema: what runs goes on beside it, and the version before can come back.

use std::fs;

use sqlx::{Connection as _, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use tests::{
    api::text,
    platform::{Platform, Setup},
    process::Service,
};

/// What a newer version might bring to each service: a column, a table, an index.
const NEWER: [(Service, &str); 4] = [
    (Service::Order, "orders"),
    (Service::Cook, "cooks"),
    (Service::Delivery, "deliveries"),
    (Service::Mypage, "views"),
];

/// Does what the migration Job of a newer version does: its own migration comes after all that are applied already.
async fn migrate(platform: &Platform, service: Service, table: &str) {
    let directory = tempfile::tempdir().unwrap();
    let sql = format!(
        "ALTER TABLE {table} ADD COLUMN of_a_newer_version text NOT NULL DEFAULT 'new';
         CREATE INDEX of_a_newer_version ON {table} (of_a_newer_version);
         CREATE TABLE newer (id bigint PRIMARY KEY);"
    );
    fs::write(directory.path().join("9000_newer.sql"), sql).unwrap();
    let mut migrator = Migrator::new(directory.path()).await.unwrap();
    migrator.set_ignore_missing(true);
    let options: PgConnectOptions = platform.database.url().parse().unwrap();
    let options = options.options([("search_path", platform.schema(service))]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    migrator.run_direct(None, &mut connection, false).await.unwrap();
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success AND version = 9000")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(applied, 1, "{service}: beside those of the service itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_pods_and_a_rollback_work_with_a_newer_schema() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(100).await;
    let before = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&before, "DELIVERED").await;

    for (service, table) in NEWER {
        migrate(&platform, service, table).await;
        let order = platform.api.place_one(&menu, 1).await;
        platform.api.follow(&order, "DELIVERED").await;
    }

    // Back to the version before: its Job runs, and its pods start.
    for (service, _) in NEWER {
        let process = platform.process(service);
        tokio::task::block_in_place(|| process.plan().migrate());
        platform.kill(service).await;
        platform.restart(service).await;
    }
    let after = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&after, "DELIVERED").await;
    let page = platform.api.follow(&before, "DELIVERED").await;
    assert_eq!(text(&page, "orderId"), before);
    platform.outboxes_drained().await;
}
