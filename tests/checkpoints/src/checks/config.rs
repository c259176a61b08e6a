//! A change of a service's settings reaches its pods by a rolling restart, and nobody notices.

use ::tests::{process::Service, wait};
use serde_json::json;

use crate::{
    Outcome, Stage,
    load::{EVERYTHING, Load, Rate},
    node::variable_of,
};

/// What is set, other than what the quickstart has.
const COOKING_TIME: &str = "150ms..250ms";
/// What cook reads it from.
const VARIABLE: &str = "COOKING_TIME";

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 10, reads: 30 }, Rate { orders: 20, reads: 80 });
    let before = names(stage).await?;
    let load = Load::start(stage, rate, EVERYTHING, &[Service::Cook]).await;
    load.answers(100).await;
    load.mark("services.cook.config changed");
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": COOKING_TIME } } } })).await;
    wait::until("new pods of cook alone", ::tests::cluster::READY, async || {
        let now = names(stage).await?;
        let is_new = !now.is_empty() && now.iter().all(|name| !before.contains(name));
        if is_new { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    stage.until_settled().await;
    load.mark("new pods");
    load.answers(100).await;
    let config_map = stage.kubectl(&["get", "configmap", &stage.platform.child(Service::Cook), "-o", "yaml"]).await;
    if !config_map.output.contains(COOKING_TIME) {
        return Err(format!("the ConfigMap doesn't have {COOKING_TIME}: {}", config_map.output));
    }
    for pod in names(stage).await? {
        let value = variable_of(&pod, VARIABLE)?;
        if value.as_deref() != Some(COOKING_TIME) {
            return Err(format!("pod {pod} runs with {VARIABLE} {value:?}, not {COOKING_TIME}"));
        }
    }
    let pods = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector_of(Service::Cook)]).await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    let held = stage.delivered(traffic.told).await?;
    Ok(Outcome {
        done: format!("services.cook.config.cookingTime set to {COOKING_TIME} under load"),
        seen: format!("all pods of cook are new ones and run with it, {answered} requests and none failed; {held}"),
        figure: format!("0 of {answered} failed"),
        shown: vec![config_map, pods],
        timeline: Some(traffic.timeline),
    })
}

/// The names of cook's ready pods.
async fn names(stage: &Stage) -> Result<Vec<String>, String> {
    Ok(stage.ready_pods(Service::Cook).await?.iter().map(kube::ResourceExt::name_any).collect())
}
