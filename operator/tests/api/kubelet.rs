//! What a node would do to the pods of a namespace: it says that they run, or how they fail. Everything else is done by
//! Kubernetes' own controllers.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use kube_runtime::{
    WatchStreamExt as _,
    watcher::{self, Event, watcher},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What becomes of pods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// They do what they are there for.
    Work,
    /// Migrations end with an error again and again; this is their last log line.
    MigrationsFail(String),
    /// Nothing happens to them.
    Nothing,
    /// Images with this tag are not in the registry.
    NoImage(&'static str),
    /// Services with this tag end again and again; this is their last log line.
    Crash(&'static str, &'static str),
}

/// The address of the node that all pods are on.
pub(crate) const NODE: &str = "192.0.2.7";

/// Runs until it is aborted.
pub(crate) async fn run(client: Client, namespace: String, mut fate: watch::Receiver<Fate>) {
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut known = BTreeMap::new();
    let mut events = watcher(pods.clone(), watcher::Config::default()).default_backoff().boxed();
    loop {
        let touched: Vec<Pod> = tokio::select! {
            changed = fate.changed() => match changed {
                Ok(()) => known.values().cloned().collect(),
                Err(_) => return,
            },
            event = events.next() => match event {
                Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => {
                    known.insert(pod.name_any(), pod.clone());
                    vec![pod]
                }
                Some(Ok(Event::Delete(pod))) => {
                    known.remove(&pod.name_any());
                    continue;
                }
                // A watch that broke off begins anew by itself.
                Some(Ok(Event::Init | Event::InitDone) | Err(_)) => continue,
                None => return,
            },
        };
        let fate = fate.borrow().clone();
        for pod in touched {
            if let Some(status) = next(&pod, &fate) {
                let patch = Patch::Merge(json!({ "status": status }));
                // It may be gone by now.
                let _ = pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await;
            }
        }
    }
}

/// The status that the pod is to have next, when it hasn't got it.
fn next(pod: &Pod, fate: &Fate) -> Option<Value> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let image = pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref()).unwrap_or_default();
    let migrates = pod.labels().get("foodplatform.dev/role").is_some_and(|role| role == "migrate");
    let waits = pod.status.as_ref().is_some_and(|status| status.container_statuses.is_some());
    let container = |fields: Value| {
        let name = pod.labels().get("app.kubernetes.io/name").cloned();
        let mut container = json!({ "name": name, "image": image, "imageID": "", "ready": false, "restartCount": 0 });
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!([container])
    };
    match (fate, migrates, phase) {
        (Fate::NoImage(tag), ..) if image.ends_with(tag) => (!waits).then(|| {
            json!({
                "phase": "Pending",
                "containerStatuses": container(json!({ "state": { "waiting": { "reason": "ErrImagePull" } } })),
            })
        }),
        (Fate::Crash(tag, words), false, "" | "Pending") if image.ends_with(tag) => Some(json!({
            "phase": "Running",
            "containerStatuses": container(json!({
                "restartCount": 4, "lastState": { "terminated": { "exitCode": 1, "message": words } },
            })),
        })),
        (Fate::Nothing, ..)
        | (_, true, "Succeeded")
        | (Fate::MigrationsFail(_), true, "Running")
        | (_, false, "Running") => None,
        (Fate::MigrationsFail(words), true, _) => Some(json!({
            "phase": "Running",
            "containerStatuses": container(json!({
                "restartCount": 1,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                "lastState": { "terminated": { "exitCode": 1, "message": words } },
            })),
        })),
        (_, true, _) => Some(json!({ "phase": "Succeeded" })),
        (_, false, _) => Some(json!({
            "phase": "Running",
            "hostIP": NODE,
            "hostIPs": [{ "ip": NODE }],
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
        })),
    }
}
