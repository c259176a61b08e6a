//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

/// Whether the operator is ready: it leads with filled caches, or stands by to lead. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Sets it.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

/// Serves until `stop`. `metrics` is called for what `/metrics` answers.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .route("/metrics", get(move || async move { metrics() }));
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.0.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the caches are not filled yet, or the operator is stopping")
    }
}
