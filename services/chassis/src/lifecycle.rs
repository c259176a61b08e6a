//! From start to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum::{Router, serve::ListenerExt};
use sqlx::migrate::Migrator;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admin::{self, Health, Metrics},
    config::ServeSettings,
    db::Database,
    http, outbox,
    platform::Platform,
    tasks::{Backoff, Tasks},
    telemetry::Telemetry,
};

/// Serves until SIGTERM or SIGINT, then stops: not ready → take no more → finish → flush the outbox → leave.
pub(crate) async fn serve(
    service: &'static str,
    settings: ServeSettings,
    migrations: Option<&'static Migrator>,
    telemetry: Arc<Telemetry>,
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
    tokio::spawn(admin::beat(Arc::clone(&health), metrics.clone()));
    tokio::spawn(axum::serve(admin, admin::routes(Arc::clone(&health), metrics)).into_future());
    let public = listen(settings.http_address, "HTTP_ADDRESS").await?;

    let mut parts = std::mem::take(&mut platform.parts);
    let server = serve_public(public, std::mem::take(&mut parts.routes), stopping.clone());
    let (work, relay) = (Tasks::default(), Tasks::default());
    tokio::select! {
        () = database_is_ready(parts.database.as_ref()) => {
            parts.start_tasks(&work);
            if let Some(database) = parts.database.clone().filter(|_| parts.relays) {
                outbox::relay::start(&relay, database, &settings.kafka, platform.holder());
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
    let stop = async {
        // Requests and consumers write to the outbox, so its relay is the last to go.
        let (served, ()) = tokio::join!(server, work.stop());
        served.context("the HTTP server failed")??;
        relay.stop().await;
        anyhow::Ok(())
    };
    match tokio::time::timeout(settings.drain_timeout, stop).await {
        Ok(outcome) => outcome?,
        Err(_) => bail!("stopped without finishing: DRAIN_TIMEOUT ({:?}) is over", settings.drain_timeout),
    }
    info!("stopped");
    Ok(())
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address} ({variable})"))?;
    info!(address = %listener.local_addr()?, variable, "listening");
    Ok(listener)
}

fn serve_public(listener: TcpListener, routes: Router, stopping: CancellationToken) -> JoinHandle<std::io::Result<()>> {
    let listener = listener.tap_io(|connection| {
        // Without it a small answer may wait for the acknowledgement of the one before.
        if let Err(error) = connection.set_nodelay(true) {
            warn!(%error, "cannot set TCP_NODELAY");
        }
    });
    // The gateway tells upstreams who asked: requests carry the caller's address.
    let service = http::wrap(routes).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(stopping.cancelled_owned()).into_future())
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
