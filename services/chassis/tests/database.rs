//! What the services rely on of their database's client, on a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::pin;

use chassis::{config::DatabaseSettings, db::Database};
use futures::poll;
use sqlx::{AssertSqlSafe, Connection, PgConnection, migrate::Migrator};

static NO_MIGRATIONS: Migrator = Migrator::DEFAULT;

#[tokio::test]
async fn who_stops_waiting_for_a_transaction_leaves_none_open() {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is set by `cargo xtask test`");
    let schema = format!("chassis_{}", std::process::id());
    let mut other = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.said (after integer)");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut other).await.unwrap();
    // One connection: the next statement gets the one on which BEGIN is under way.
    let settings = DatabaseSettings {
        database_url: Some(url),
        database_ca_file: None,
        database_schema: Some(schema.clone()),
        database_max_connections: 1,
    };
    let database = Database::connect_lazily("test", &settings, &NO_MIGRATIONS).unwrap();
    sqlx::query("SELECT 1").execute(database.pool()).await.unwrap();
    for steps in 1.. {
        let begun = {
            let mut begin = pin!(database.begin());
            let mut begun = false;
            for _ in 0..steps {
                begun = poll!(&mut begin).is_ready();
                if begun {
                    break;
                }
                tokio::task::yield_now().await;
            }
            begun
        };
        sqlx::query("INSERT INTO said VALUES ($1)").bind(steps).execute(database.pool()).await.unwrap();
        let said = format!("SELECT count(*) FROM {schema}.said WHERE after = {steps}");
        let said: i64 = sqlx::query_scalar(AssertSqlSafe(said)).fetch_one(&mut other).await.unwrap();
        assert_eq!(said, 1, "what was written after {steps} steps towards a transaction is in it");
        if begun {
            break;
        }
    }
    database.pool().close().await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).execute(&mut other).await.unwrap();
}
