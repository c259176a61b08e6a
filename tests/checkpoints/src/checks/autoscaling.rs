//! The load decides how many pods of order run, the operator leaves that alone, and nobody notices pods come and go.

use std::time::Duration;

use serde_json::json;
use tests::{cluster::AuditLog, process::Service, wait};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
};

const FEWEST: usize = 3;
const MOST: usize = 5;
/// How long the autoscaler may take: it looks each 15 s, and the metrics of pods are as old.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    // In production a load that ends may come back: Kubernetes waits for five minutes by default.
    let behavior = json!({ "scaleDown": { "stabilizationWindowSeconds": 15 } });
    let autoscaling = json!({
        "minReplicas": FEWEST, "maxReplicas": MOST, "targetCPUUtilizationPercentage": 10, "behavior": behavior,
    });
    stage.change(json!({ "services": { "order": { "autoscaling": autoscaling } } })).await;
    stage.until_pods(Service::Order, FEWEST).await;
    stage.platform.until_ready().await;
    let log = AuditLog::from_now();

    let busy = Load::start(stage, Rate { orders: 150, reads: 50 }, &[Service::Order]).await;
    busy.mark("load");
    until_ready_pods(stage, MOST).await;
    busy.mark("5 pods");
    let grown = stage.kubectl(&["get", "hpa", &stage.platform.child(Service::Order)]).await;
    let mut traffic = busy.stop().await;
    let first = traffic.without_failure()?;
    let quiet = Load::start(stage, Rate { orders: 2, reads: 10 }, &[Service::Order]).await;
    until_ready_pods(stage, FEWEST).await;
    stage.until_pods(Service::Order, FEWEST).await;
    let shrunk = stage.kubectl(&["get", "hpa", &stage.platform.child(Service::Order)]).await;
    let end = quiet.stop().await;
    let second = end.without_failure()?;
    let (_, writes) = log.operator_writes();
    let touched: Vec<_> = writes.iter().filter(|write| write.contains("deployments")).collect();
    if !touched.is_empty() {
        return Err(format!("the operator wrote Deployments meanwhile: {touched:?}"));
    }
    traffic.told.accepted.extend(end.told.accepted);
    let held = stage.invariants(traffic.told).await?;
    Ok(Outcome {
        done: format!("order with {FEWEST} to {MOST} pods at 10 % CPU, a load, and its end"),
        seen: format!(
            "{MOST} pods under load and {FEWEST} after it, {} requests and none failed, no write of the operator to a Deployment; \
             {held}",
            first + second
        ),
        figure: format!("{FEWEST} → {MOST} → {FEWEST} pods"),
        shown: vec![grown, shrunk],
        timeline: Some(traffic.timeline),
    })
}

async fn until_ready_pods(stage: &Stage, count: usize) {
    wait::until(&format!("{count} ready pods of order"), PATIENCE, async || {
        wait::equals(stage.ready_pods(Service::Order).await?.len(), count)
    })
    .await;
}
