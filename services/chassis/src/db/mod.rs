//! PostgreSQL: one pool per process, one schema per service.

mod error;
mod migrate;

use std::{str::FromStr, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{
    Connection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::sync::Notify;

pub(crate) use migrate::{missing_migrations, run as migrate};

pub use error::{is_unavailable, violates};

use crate::{config::DatabaseSettings, crash};

/// A transaction of [`Database::begin`].
pub type Tx = sqlx::PgTransaction<'static>;

/// How long to wait for a free connection, or for a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    migrations: &'static Migrator,
    outbox: Arc<OutboxSignals>,
}

/// Who is to hear that the outbox has new rows.
#[derive(Debug, Default)]
struct OutboxSignals {
    own_relay: Notify,
    announcer: Notify,
}

/// The time, in microseconds, as PostgreSQL keeps it: what is said of a row when it is written is what is read later.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl Database {
    /// The database of `settings`, for `service`. It connects when first used.
    ///
    /// # Errors
    /// When `DATABASE_URL` or `DATABASE_SCHEMA` is missing or wrong, or `DATABASE_CA_FILE` can't be read.
    pub fn connect_lazily(
        service: &str,
        settings: &DatabaseSettings,
        migrations: &'static Migrator,
    ) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(settings.database_max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(300))
            // A ping before each use would double the round trips: only a connection that has been idle is asked.
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > Duration::from_secs(1) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options(service, settings)?);
        Ok(Self { pool, migrations, outbox: Arc::default() })
    }

    /// The pool, for statements outside a transaction.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction (READ COMMITTED).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        // Who gives up waiting must not end this: sqlx would give the connection to others with the transaction open, and
        // what they then write, each statement for itself, would be lost with it (sqlx' issue 4393, mended after 0.9.0).
        let pool = self.pool.clone();
        tokio::spawn(async move { pool.begin().await }).await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// Commits `tx` and wakes the outbox' relay.
    ///
    /// # Errors
    /// Those of the database. After a lost connection the outcome is not known.
    pub async fn commit(&self, tx: Tx) -> Result<(), sqlx::Error> {
        crash::point("commit.before");
        tx.commit().await?;
        crash::point("commit.after");
        self.wake_relay();
        Ok(())
    }

    /// Runs `statement`, which is a whole change, with its events if it has any, and so needs no transaction around it;
    /// and wakes the outbox' relay.
    ///
    /// # Errors
    /// Those of the database. After a lost connection the outcome is not known.
    pub async fn change<T>(&self, statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        crash::point("change.before");
        let given = statement.await?;
        crash::point("change.after");
        self.wake_relay();
        Ok(given)
    }

    /// Tells the relays, this process' own directly, that the outbox has new rows.
    pub fn wake_relay(&self) {
        self.wake_own_relay();
        self.outbox.announcer.notify_one();
    }

    /// Tells this process' relay alone.
    pub(crate) fn wake_own_relay(&self) {
        self.outbox.own_relay.notify_one();
    }

    /// Resolves when the relay was woken since the last time.
    pub(crate) async fn relay_woken(&self) {
        self.outbox.own_relay.notified().await;
    }

    /// Resolves when this process wrote to the outbox since the last time.
    pub(crate) async fn outbox_written(&self) {
        self.outbox.announcer.notified().await;
    }

    /// The versions of the migrations that the schema lacks.
    pub(crate) async fn missing_migrations(&self) -> anyhow::Result<Vec<i64>> {
        missing_migrations(&self.pool, self.migrations).await
    }
}

/// The connection's options; time-outs are the session's, so that no bug or lost peer holds a lock for long.
pub(crate) fn options(service: &str, settings: &DatabaseSettings) -> anyhow::Result<PgConnectOptions> {
    let url = settings.database_url.as_deref().context("DATABASE_URL is not set: expected postgres://…")?;
    let schema = schema(settings)?;
    // The error of a wrong URL does not repeat it.
    let mut options = PgConnectOptions::from_str(url).context("DATABASE_URL is not a PostgreSQL URL")?;
    if let Some(ca) = &settings.database_ca_file {
        // sqlx reads it at each connection, and doesn't say which file it is that isn't there.
        std::fs::File::open(ca).with_context(|| format!("cannot read DATABASE_CA_FILE {}", ca.display()))?;
        // Whoever says who vouches for the server wants nobody else to be talked to, whatever the URL's mode falls back to.
        let mode = match options.get_ssl_mode() {
            PgSslMode::VerifyCa => PgSslMode::VerifyCa,
            _ => PgSslMode::VerifyFull,
        };
        options = options.ssl_mode(mode).ssl_root_cert(ca);
    }
    Ok(options.application_name(service).statement_cache_capacity(64).options([
        ("search_path", schema),
        ("statement_timeout", "5s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // Every statement of ours looks rows up by a key, a few at a time. But a prepared one may be planned while its table
        // is new and empty, when going through the whole table is cheapest, and keeps that plan while the table grows.
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // And it takes the price of what has to go through a (small) table for the price of a query worth compiling.
        ("jit", "off"),
    ]))
}

/// The schema's name, which needs no quotes.
pub(crate) fn schema(settings: &DatabaseSettings) -> anyhow::Result<&str> {
    settings
        .database_schema
        .as_deref()
        .context("DATABASE_SCHEMA is not set: expected the name of this service's schema")
}
