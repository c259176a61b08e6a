//! From start to stop.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use sqlx::migrate::Migrator;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admin::{self, Health, Metrics},
    config::ServeSettings,
    consumer,
    db::Database,
    http, outbox,
    platform::Platform,
    tasks::{Backoff, Tasks},
    telemetry::Telemetry,
};

/// What a stop keeps for the outbox' relay: longer than it takes to publish what is left and to give its shards back.
const RELAY_RESERVE: Duration = Duration::from_secs(8);

/// Serves until SIGTERM or SIGINT, then stops: not ready → take no more → finish → flush the outbox → leave. Readers,
/// timers and the outbox' relay run in the `background`.
pub(crate) async fn serve(
    service: &'static str,
    settings: ServeSettings,
    migrations: Option<&'static Migrator>,
    telemetry: Arc<Telemetry>,
    background: Handle,
    build: impl FnOnce(&mut Platform) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let metrics = Metrics::install(telemetry)?;
    let stopping = CancellationToken::new();
    let health = Arc::new(Health::new(stopping.clone()));
    let mut platform = Platform::new(service, settings.clone(), migrations, stopping.clone());
    build(&mut platform)?;

    let admin = listen(settings.admin_address, "ADMIN_ADDRESS").await?;
    // The admin port answers to the very end, so it is not among what stops.
    tokio::spawn(admin::beat(Arc::clone(&health), metrics.clone(), background.clone()));
    tokio::spawn(axum::serve(admin, admin::routes(Arc::clone(&health), metrics)).into_future());
    let public = listen(settings.http_address, "HTTP_ADDRESS").await?;

    let mut parts = std::mem::take(&mut platform.parts);
    let routes = http::wrap(std::mem::take(&mut parts.routes));
    let limit = finishing_limit(settings.drain_timeout);
    let server = tokio::spawn(http::server::serve(public, routes, stopping.clone(), limit));
    let (work, relay) = (Tasks::new(background.clone()), Tasks::new(background));
    tokio::select! {
        () = database_is_ready(parts.database.as_ref()) => {
            parts.start_tasks(&work);
            if let Some(database) = parts.database.clone().filter(|_| parts.relays) {
                outbox::relay::start(&relay, database, &settings.kafka, platform.holder());
            }
            if let Some(database) = parts.database.clone().filter(|_| parts.keeps_inbox) {
                consumer::keep_inbox_days(&work, database, settings.kafka.inbox_retention);
            }
            health.started();
            info!("ready");
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping");
    stopping.cancel();
    let server = async { server.await.context("the HTTP server failed") };
    match tokio::time::timeout(settings.drain_timeout, stop(server, &work, &relay, limit)).await {
        Ok(outcome) => outcome?,
        Err(_) => bail!("stopped without finishing: DRAIN_TIMEOUT ({:?}) is over", settings.drain_timeout),
    }
    info!("stopped");
    Ok(())
}

/// How long requests and background tasks have to finish in a stop of `drain_timeout`: the rest is the relay's.
fn finishing_limit(drain_timeout: Duration) -> Duration {
    drain_timeout.saturating_sub(RELAY_RESERVE).max(drain_timeout / 2)
}

/// Requests and consumers write to the outbox, so its relay is the last to go; and it goes whatever becomes of them.
async fn stop(
    server: impl Future<Output = anyhow::Result<()>>,
    work: &Tasks,
    relay: &Tasks,
    limit: Duration,
) -> anyhow::Result<()> {
    let (served, worked) = tokio::join!(server, tokio::time::timeout(limit, work.stop()));
    relay.stop().await;
    served?;
    worked.with_context(|| format!("background tasks did not stop within {limit:?}"))
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address} ({variable})"))?;
    info!(address = %listener.local_addr()?, variable, "listening");
    Ok(listener)
}

/// Waits until the database answers and has every migration. It tells what it waits for, once for each reason.
async fn database_is_ready(database: Option<&Database>) {
    let Some(database) = database else { return };
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    let mut told = String::new();
    loop {
        let reason = match database.missing_migrations().await {
            Ok(missing) if missing.is_empty() => return,
            Ok(missing) => format!("the schema lacks migrations {missing:?}: run this program with \"migrate\" first"),
            Err(error) => format!("the database does not answer: {error:#}"),
        };
        if reason != told {
            warn!(reason, "not ready; trying again");
            told = reason;
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_relay_has_its_own_part_of_the_stop() {
        let seconds = Duration::from_secs;
        for (drain_timeout, limit) in [(20, 12), (16, 8), (10, 5), (0, 0)] {
            assert_eq!(finishing_limit(seconds(drain_timeout)), seconds(limit), "{drain_timeout}");
        }
    }

    /// Stops a relay together with `work`; gives the outcome, and whether the relay was asked to stop.
    async fn stopped(server: anyhow::Result<()>, work: &Tasks) -> (anyhow::Result<()>, bool) {
        let (relay, flushed) = (Tasks::new(Handle::current()), Arc::new(AtomicBool::new(false)));
        let flush = Arc::clone(&flushed);
        relay.spawn("relay", move |stop| {
            let flush = Arc::clone(&flush);
            async move {
                stop.cancelled().await;
                flush.store(true, Ordering::SeqCst);
                Ok(())
            }
        });
        // Time for the relay to start.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let outcome = stop(async { server }, work, &relay, Duration::from_secs(12)).await;
        (outcome, flushed.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn the_relay_stops_whatever_becomes_of_the_rest() {
        assert!(matches!(stopped(Ok(()), &Tasks::new(Handle::current())).await, (Ok(()), true)));
        assert!(matches!(
            stopped(Err(anyhow::anyhow!("failed")), &Tasks::new(Handle::current())).await,
            (Err(_), true)
        ));
        let stuck = Tasks::new(Handle::current());
        stuck.spawn("stuck", |_| std::future::pending());
        assert!(matches!(stopped(Ok(()), &stuck).await, (Err(_), true)));
    }
}
