//! A change of a service's settings reaches its pods by a rolling restart, and nobody notices.

use serde_json::json;
use tests::{process::Service, wait};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
};

/// What is set, other than what the quickstart has.
const COOKING_TIME: &str = "150ms..250ms";

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 10, reads: 30 }, Rate { orders: 20, reads: 80 });
    let before = names(stage).await?;
    let load = Load::start(stage, rate, &[Service::Cook]).await;
    load.answers(100).await;
    load.mark("services.cook.config changed");
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": COOKING_TIME } } } })).await;
    wait::until("new pods of cook alone", tests::cluster::READY, async || {
        let now = names(stage).await?;
        let is_new = !now.is_empty() && now.iter().all(|name| !before.contains(name));
        if is_new { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    stage.platform.until_ready().await;
    load.mark("new pods");
    load.answers(100).await;
    let shown = stage.kubectl(&["get", "configmap", &stage.platform.child(Service::Cook), "-o", "yaml"]).await;
    if !shown.output.contains(COOKING_TIME) {
        return Err(format!("the ConfigMap doesn't have {COOKING_TIME}: {}", shown.output));
    }
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let held = stage.invariants(traffic.told).await?;
    Ok(Outcome {
        done: format!("services.cook.config.cookingTime set to {COOKING_TIME} under load"),
        seen: format!("all pods of cook are new ones, {answered} requests and none failed; {held}"),
        figure: format!("0 of {answered} failed"),
        shown: vec![shown],
        timeline: Some(traffic.timeline),
    })
}

/// The names of cook's ready pods.
async fn names(stage: &Stage) -> Result<Vec<String>, String> {
    Ok(stage.ready_pods(Service::Cook).await?.iter().map(kube::ResourceExt::name_any).collect())
}
