//! Migrations: the chassis' own tables first, then the service's, in one list. They are numbered apart: the chassis'
//! below 1000, the services' from 1000.

use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool,
    migrate::{Migration, Migrator},
};
use tracing::info;

use super::{options, schema};
use crate::config::DatabaseSettings;

static CHASSIS: Migrator = sqlx::migrate!();

/// Creates the schema and runs what it lacks. Safe to run by several at once: they wait for each other.
pub(crate) async fn run(service: &str, settings: &DatabaseSettings, own: &Migrator) -> anyhow::Result<()> {
    let options = options(service, settings)?
        // Waiting for another's migration or building an index may take its time.
        .options([("statement_timeout", "0"), ("lock_timeout", "60s")]);
    let connect = PgConnection::connect_with(&options);
    let mut connection = tokio::time::timeout(Duration::from_secs(10), connect)
        .await
        .context("cannot connect to the database: no answer in 10 s")?
        .context("cannot connect to the database")?;
    let schema = schema(settings)?;
    create_schema(&mut connection, schema).await.with_context(|| format!("cannot create the schema {schema}"))?;
    all(own)?.run_direct(None, &mut connection, false).await.context("a migration failed")?;
    info!(schema, "the schema is up to date");
    connection.close().await.ok();
    Ok(())
}

async fn create_schema(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    // Asked first, so that a user without the right to create schemas can use one that was made for it.
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        // The name was checked to need no quotes when the settings were read.
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"))).execute(connection).await?;
    }
    Ok(())
}

/// The versions that are not applied. A newer version of the service may have applied more: migrations only expand,
/// so that is no hindrance.
pub(crate) async fn missing_migrations(pool: &PgPool, own: &Migrator) -> anyhow::Result<Vec<i64>> {
    let applied: Result<Vec<i64>, _> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(pool).await;
    let applied = match applied {
        // 42P01, undefined table: nothing was migrated yet.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => vec![],
        other => other?,
    };
    Ok(all(own)?.iter().map(|migration| migration.version).filter(|version| !applied.contains(version)).collect())
}

fn all(own: &Migrator) -> anyhow::Result<Migrator> {
    if let Some(low) = own.iter().find(|migration| migration.version < 1000) {
        bail!("migration {} of the service must be numbered from 1000", low.version);
    }
    let migrations: Vec<Migration> = CHASSIS.iter().chain(own.iter()).cloned().collect();
    let mut all = Migrator::with_migrations(migrations);
    all.set_ignore_missing(true);
    Ok(all)
}
