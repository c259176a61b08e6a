//! Waiting for a platform to be ready, showing its conditions as they change.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use kube_runtime::{WatchStreamExt, watcher};
use local::Progress;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// How long a platform may take to be ready.
const LIMIT: Duration = Duration::from_secs(300);

/// FoodPlatforms of a namespace, as plain data: this is what a user sees.
pub(crate) fn platforms(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("foodplatform.dev", "v1alpha1", "FoodPlatform");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk_with_plural(&kind, "foodplatforms"))
}

/// Watches until the platform's status says Ready for the spec that it has now.
pub(crate) async fn wait_ready(
    client: Client,
    namespace: &str,
    name: &str,
    progress: &Progress,
) -> Result<DynamicObject> {
    let step = progress.step("wait for Ready");
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let changes = watcher(platforms(client, namespace), only).default_backoff().applied_objects();
    pin_mut!(changes);
    let deadline = Instant::now() + LIMIT;
    let mut shown = BTreeMap::new();
    loop {
        let Ok(change) = timeout_at(deadline, changes.next()).await else {
            let said: Vec<&str> = shown.values().map(String::as_str).collect();
            bail!("{namespace}/{name} is not ready after {} s: {}", LIMIT.as_secs(), said.join("; "));
        };
        let platform = change.context("the watch ended")??;
        for (kind, line) in conditions(&platform.data) {
            if shown.get(&kind) != Some(&line) {
                progress.line(&format!("    {line}"));
                step.message(&line);
                shown.insert(kind, line);
            }
        }
        if is_ready(&platform) {
            step.done("");
            return Ok(platform);
        }
    }
}

/// Whether the status is about the present spec and says Ready.
pub(crate) fn is_ready(platform: &DynamicObject) -> bool {
    let status = &platform.data["status"];
    let ready =
        status["conditions"].as_array().into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
    ready && status["observedGeneration"].as_i64() == platform.metadata.generation
}

/// A line for each condition, by its type.
fn conditions(platform: &Value) -> Vec<(String, String)> {
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let conditions = platform["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .map(|condition| {
            let kind = text(condition, "type");
            let line = format!(
                "{kind:<12} {:<7} {}: {}",
                text(condition, "status"),
                text(condition, "reason"),
                text(condition, "message")
            );
            (kind, line)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_counts_only_for_the_present_generation() {
        let platform = |generation: i64, observed: i64, ready: &str| -> DynamicObject {
            serde_json::from_value(json!({
                "metadata": {"name": "x", "generation": generation},
                "status": {"observedGeneration": observed, "conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap()
        };
        assert!(is_ready(&platform(2, 2, "True")));
        assert!(!is_ready(&platform(2, 1, "True")));
        assert!(!is_ready(&platform(2, 2, "False")));
    }
}
