//! The admin port: probes for the kubelet, metrics for Prometheus.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{http::REQUEST_BUCKETS, process, telemetry::Telemetry};

/// How often the runtimes show that they are alive, and how old that may be.
const HEARTBEAT: Duration = Duration::from_secs(1);
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// What the probes answer.
#[derive(Debug)]
pub(crate) struct Health {
    stopping: CancellationToken,
    heartbeat: std::sync::Mutex<Instant>,
    /// From the process' start to when it was ready; unset until then.
    ready_after: OnceLock<Duration>,
}

impl Health {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self { stopping, heartbeat: Instant::now().into(), ready_after: OnceLock::new() }
    }

    /// From now on, until the stop, the service is ready, whatever becomes of Kafka and the database: a replica that
    /// leaves the Service because of what all replicas share helps nobody.
    pub(crate) fn started(&self) {
        self.ready_after.get_or_init(|| process::age().unwrap_or_default());
    }

    fn readiness(&self) -> (StatusCode, &'static str) {
        if self.stopping.is_cancelled() {
            return (StatusCode::SERVICE_UNAVAILABLE, "stopping");
        }
        if self.ready_after.get().is_none() {
            return (StatusCode::SERVICE_UNAVAILABLE, "starting: the reason is in the log");
        }
        (StatusCode::OK, "ready")
    }

    fn beat(&self) {
        if let Ok(mut heartbeat) = self.heartbeat.lock() {
            *heartbeat = Instant::now();
        }
    }

    fn liveness(&self) -> (StatusCode, &'static str) {
        let age = self.heartbeat.lock().map_or(Duration::MAX, |heartbeat| heartbeat.elapsed());
        if age > STUCK_AFTER { (StatusCode::SERVICE_UNAVAILABLE, "stuck") } else { (StatusCode::OK, "alive") }
    }
}

/// The metrics of this process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    recorder: PrometheusHandle,
    telemetry: Arc<Telemetry>,
}

impl Metrics {
    /// Makes the process record metrics.
    pub(crate) fn install(telemetry: Arc<Telemetry>) -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), REQUEST_BUCKETS)?
            .install_recorder()?;
        if let (Ok(now), Some(age)) = (SystemTime::now().duration_since(SystemTime::UNIX_EPOCH), process::age()) {
            metrics::gauge!("process_start_time_seconds").set(now.saturating_sub(age).as_secs_f64());
        }
        Ok(Self { recorder, telemetry })
    }

    fn render(&self, health: &Health) -> String {
        if let Some(bytes) = process::resident_bytes() {
            // A gauge is a float: exact up to 8 PiB.
            metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
        }
        if let Some(duration) = health.ready_after.get() {
            metrics::gauge!("ready_seconds").set(duration.as_secs_f64());
        }
        metrics::counter!("log_lines_dropped_total").absolute(self.telemetry.lines_dropped());
        metrics::counter!("log_write_errors_total").absolute(self.telemetry.write_errors());
        self.recorder.render()
    }
}

/// Shows once in a while that both runtimes are alive, this one and the `background`, and keeps the histograms small.
pub(crate) async fn beat(health: Arc<Health>, metrics: Metrics, background: Handle) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    loop {
        ticks.tick().await;
        if background.spawn(async {}).await.is_ok() {
            health.beat();
        }
        metrics.recorder.run_upkeep();
    }
}

/// The routes of the admin port.
pub(crate) fn routes(health: Arc<Health>, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|State((health, _)): State<(Arc<Health>, Metrics)>| async move { health.liveness() }))
        .route("/readyz", get(|State((health, _)): State<(Arc<Health>, Metrics)>| async move { health.readiness() }))
        .route(
            "/metrics",
            get(|State((health, metrics)): State<(Arc<Health>, Metrics)>| async move {
                ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], metrics.render(&health))
            }),
        )
        .with_state((health, metrics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ready_between_start_and_stop() {
        let stopping = CancellationToken::new();
        let health = Health::new(stopping.clone());
        assert_eq!(health.readiness().0, 503);
        assert!(health.ready_after.get().is_none());
        health.started();
        assert_eq!(health.readiness().0, 200);
        assert!(health.ready_after.get().is_some());
        stopping.cancel();
        assert_eq!(health.readiness().0, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn alive_while_the_heart_beats() {
        let health = Health::new(CancellationToken::new());
        assert_eq!(health.liveness().0, 200);
        tokio::time::advance(STUCK_AFTER * 2).await;
        assert_eq!(health.liveness().0, 503);
        health.beat();
        assert_eq!(health.liveness().0, 200);
    }
}
