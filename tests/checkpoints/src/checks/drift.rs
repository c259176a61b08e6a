//! What people change by hand, in whatever child, is changed back; and nobody who uses the platform notices.

use std::time::{Duration, Instant};

use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{process::Service, wait};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
};

/// How long the operator may take to undo a change.
const RESTORED: Duration = Duration::from_secs(30);
/// The label by which a platform's children are found.
const PART_OF: &str = "app.kubernetes.io/part-of";

/// A field by its path, and what somebody sets it to.
type Edit = (&'static str, fn() -> Value);

/// A kind of child: its group, version and name, what is changed of it by hand, and where that is seen.
struct Kind {
    group: &'static str,
    version: &'static str,
    name: &'static str,
    /// A field of its own that somebody changes.
    edit: Option<Edit>,
    /// Whether it can be deleted without taking away what is in use.
    may_go: bool,
}

/// The kinds that the quickstart has.
const KINDS: [Kind; 8] = [
    Kind { group: "", version: "v1", name: "ConfigMap", edit: Some(("/data/LOG_LEVEL", level)), may_go: true },
    Kind { group: "", version: "v1", name: "Service", edit: None, may_go: true },
    Kind { group: "", version: "v1", name: "ServiceAccount", edit: None, may_go: true },
    Kind {
        group: "apps",
        version: "v1",
        name: "Deployment",
        edit: Some(("/spec/revisionHistoryLimit", seven)),
        may_go: true,
    },
    Kind {
        group: "policy",
        version: "v1",
        name: "PodDisruptionBudget",
        edit: Some(("/spec/maxUnavailable", seven)),
        may_go: true,
    },
    Kind {
        group: "networking.k8s.io",
        version: "v1",
        name: "NetworkPolicy",
        edit: Some(("/spec/policyTypes", egress)),
        may_go: true,
    },
    Kind { group: "batch", version: "v1", name: "Job", edit: None, may_go: true },
    // Kubernetes keeps a claim that pods use until they end.
    Kind { group: "", version: "v1", name: "PersistentVolumeClaim", edit: None, may_go: false },
];

fn level() -> Value {
    json!("trace")
}

fn seven() -> Value {
    json!(7)
}

fn egress() -> Value {
    json!(["Egress"])
}

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 20 }, Rate { orders: 10, reads: 50 });
    let load = Load::start(stage, rate, &[Service::Delivery]).await;
    let (mut longest, mut changes) = (Duration::ZERO, 0);
    for kind in &KINDS {
        let api = kind.api(stage);
        // Nothing that is asked during the load hangs on delivery alone: orders are taken and read without it.
        let selector = stage.platform.selector_of(Service::Delivery);
        let objects = api.list(&ListParams::default().labels(&selector)).await.map_err(|error| error.to_string())?;
        let object = objects.items.into_iter().next().ok_or_else(|| format!("delivery has no {}", kind.name))?;
        load.mark(kind.name);
        longest = longest.max(relabelled(&api, kind.name, &object).await);
        changes += 1;
        if let Some((path, value)) = kind.edit {
            longest = longest.max(edited(&api, kind.name, &object, path, value()).await);
            changes += 1;
        }
        if kind.may_go {
            longest = longest.max(deleted(&api, kind.name, &object).await);
            changes += 1;
        }
    }
    stage.platform.until_ready().await;
    let shown = stage.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=FoodPlatform"]).await;
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let held = stage.invariants(traffic.told).await?;
    Ok(Outcome {
        done: format!("delivery's {} kinds of children relabelled, edited and deleted under load", KINDS.len()),
        seen: format!(
            "{changes} changes undone, the slowest in {:.1} s, {answered} requests and none failed; {held}",
            longest.as_secs_f64()
        ),
        figure: format!("{:.1} s at most", longest.as_secs_f64()),
        shown: vec![shown],
        timeline: Some(traffic.timeline),
    })
}

impl Kind {
    fn api(&self, stage: &Stage) -> Api<DynamicObject> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(self.group, self.version, self.name));
        stage.cluster().dynamic(&stage.platform.namespace, &kind)
    }
}

/// Gives an object's label another value, and waits until it is as it was.
async fn relabelled(api: &Api<DynamicObject>, kind: &str, object: &DynamicObject) -> Duration {
    let patch = json!({ "metadata": { "labels": { (PART_OF): "somebody" } } });
    let before = object.labels().get(PART_OF).cloned();
    undone(api, kind, &object.name_any(), patch, |now| now.labels().get(PART_OF).cloned() == before).await
}

/// Sets a field, and waits until it is as it was.
async fn edited(api: &Api<DynamicObject>, kind: &str, object: &DynamicObject, path: &str, value: Value) -> Duration {
    let patch = path.rsplit('/').filter(|part| !part.is_empty()).fold(value, |inner, part| json!({ part: inner }));
    let before = object.data.pointer(path).cloned();
    undone(api, kind, &object.name_any(), patch, |now| now.data.pointer(path).cloned() == before).await
}

async fn undone(
    api: &Api<DynamicObject>,
    kind: &str,
    name: &str,
    patch: Value,
    is_as_before: impl Fn(&DynamicObject) -> bool,
) -> Duration {
    let started = Instant::now();
    let changed = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    let changed = changed.unwrap_or_else(|error| panic!("changing {kind} {name}: {error}"));
    assert!(!is_as_before(&changed), "{patch} changes {kind} {name}");
    wait::until(&format!("{kind} {name} as it was before {patch}"), RESTORED, async || {
        let now = api.get(name).await.map_err(|error| error.to_string())?;
        if is_as_before(&now) { Ok(()) } else { Err("as somebody changed it".to_owned()) }
    })
    .await;
    started.elapsed()
}

/// Deletes an object, and waits until there is another of its name.
async fn deleted(api: &Api<DynamicObject>, kind: &str, object: &DynamicObject) -> Duration {
    let (name, started) = (object.name_any(), Instant::now());
    let gone = api.delete(&name, &DeleteParams::background()).await;
    gone.unwrap_or_else(|error| panic!("deleting {kind} {name}: {error}"));
    wait::until(&format!("another {kind} {name}"), RESTORED, async || {
        let now = api.get(&name).await.map_err(|error| error.to_string())?;
        if now.uid() == object.uid() { Err("still the old one".to_owned()) } else { Ok(()) }
    })
    .await;
    started.elapsed()
}
