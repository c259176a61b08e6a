//! A change of a service's settings reaches its pods by a rolling restart, and nobody notices.

use std::fs;

use ::tests::{process::Service, wait};
use serde_json::json;

use crate::{
    Outcome, Stage,
    load::{EVERYTHING, Load, Rate},
    node::process_of,
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
        let value = value_in(&pod)?;
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

/// What a pod's process was started with.
fn value_in(pod: &str) -> Result<Option<String>, String> {
    let path = format!("/proc/{}/environ", process_of(pod));
    let environment = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(value_of(&environment, VARIABLE))
}

/// A variable of an environment as the kernel shows it.
fn value_of(environment: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(environment);
    text.split('\0').find_map(|variable| Some(variable.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"PATH=/\0COOKING_TIME_OF_OTHERS=1s\0COOKING_TIME=2s\0EMPTY=\0";
        assert_eq!(value_of(environment, VARIABLE).as_deref(), Some("2s"));
        assert_eq!(value_of(environment, "EMPTY").as_deref(), Some(""));
        assert_eq!(value_of(environment, "TIME"), None);
    }
}
