//! Tells the relays of other processes that the outbox has new rows, by PostgreSQL's NOTIFY.
//!
//! It is never part of a change's transaction: NOTIFY takes a lock of the whole database server until the commit, which
//! would cost two thirds of the commit rate. A notification that is lost costs one interval of the relays' poll.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::{db::Database, tasks::Tasks};

/// The least time between two notifications of one process: they are many commits' together under load.
const DEBOUNCE: Duration = Duration::from_millis(2);

/// Starts to announce and to listen, among `tasks`. `name` is this process', and `alone` whether it holds all shards:
/// then there is nobody to tell.
pub(super) fn start(tasks: &Tasks, database: &Database, name: &str, alone: &Arc<AtomicBool>) {
    let announcer = (database.clone(), name.to_owned(), Arc::clone(alone));
    tasks.spawn("outbox-announcer", move |stop| {
        let (database, name, alone) = announcer.clone();
        async move { announce(&database, &name, &alone, stop).await }
    });
    let listener = (database.clone(), name.to_owned());
    tasks.spawn("outbox-listener", move |stop| {
        let (database, name) = listener.clone();
        async move { listen(&database, &name, stop).await }
    });
}

async fn announce(database: &Database, name: &str, alone: &AtomicBool, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            biased;
            () = database.outbox_written() => {}
            () = stop.cancelled() => return Ok(()),
        }
        if !alone.load(Ordering::Relaxed) {
            // The channel is the schema's: one for each service of each platform.
            let notify = sqlx::query("SELECT pg_notify(current_schema(), $1)").bind(name);
            if let Err(error) = notify.execute(database.pool()).await {
                tracing::debug!(%error, "cannot announce new events; the other relays' poll finds them");
            }
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}

async fn listen(database: &Database, name: &str, stop: CancellationToken) -> anyhow::Result<()> {
    let mut listener = tokio::select! {
        listener = PgListener::connect_with(database.pool()) => listener?,
        () = stop.cancelled() => return Ok(()),
    };
    let channel: String = sqlx::query_scalar("SELECT current_schema()::text").fetch_one(database.pool()).await?;
    listener.listen(&channel).await?;
    loop {
        let notification = tokio::select! {
            notification = listener.try_recv() => notification?,
            () = stop.cancelled() => return Ok(()),
        };
        // None: the connection was lost and made anew, and nobody knows what was said meanwhile.
        if notification.is_none_or(|notification| notification.payload() != name) {
            metrics::counter!("outbox_announcements_total").increment(1);
            database.wake_own_relay();
        }
    }
}
