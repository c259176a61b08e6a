//! What people change by hand, in whatever child, is changed back; and nobody who uses the platform notices.

use std::time::{Duration, Instant};

use ::tests::{process::Service, wait};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
};

/// How long the operator may take to undo a change.
const RESTORED: Duration = Duration::from_secs(30);
/// The label by which a platform's children are found.
const PART_OF: &str = "app.kubernetes.io/part-of";
/// What somebody else notes on a child, which is theirs.
const NOTE: &str = "example.com/owner";
/// All but delivery, whose pods go with its Deployment: nothing else that people ask needs them.
const READ: &[Service] = &[Service::Order, Service::Cook, Service::Mypage];

/// A kind of child by its group, version and name.
type Kind = (&'static str, &'static str, &'static str);

/// What is deleted with an object, or why it is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletion {
    /// All that it owns.
    Background,
    /// Nothing: its successor takes up what it owned.
    Orphan,
    /// Kubernetes keeps a claim until the last pod that uses it has ended.
    InUse,
}

/// A change of a child's own, as a patch, and where it is seen.
type Edit = (&'static str, fn() -> Value);

/// A child of the quickstart, and what is done to it.
struct Child {
    kind: Kind,
    /// The service whose child it is, and what its name ends with.
    of: (Option<Service>, &'static str),
    edit: Option<Edit>,
    deletion: Deletion,
}

const fn child(kind: Kind, of: Service, edit: Option<Edit>) -> Child {
    Child { kind, of: (Some(of), ""), edit, deletion: Deletion::Background }
}

/// One of each kind that the quickstart has.
fn children() -> Vec<Child> {
    const CONFIG_MAP: Kind = ("", "v1", "ConfigMap");
    const DEPLOYMENT: Kind = ("apps", "v1", "Deployment");
    let (order, delivery) = (Service::Order, Service::Delivery);
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    let grace: Edit =
        (grace, || json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 90 } } } }));
    vec![
        child(CONFIG_MAP, delivery, Some(("/data/LOG_LEVEL", || json!({ "data": { "LOG_LEVEL": "trace" } })))),
        child(
            ("", "v1", "Service"),
            delivery,
            Some(("/spec/selector", || json!({ "spec": { "selector": { "app.kubernetes.io/name": "nobody" } } }))),
        ),
        child(("", "v1", "ServiceAccount"), delivery, None),
        child(
            ("policy", "v1", "PodDisruptionBudget"),
            delivery,
            Some(("/spec/maxUnavailable", || json!({ "spec": { "maxUnavailable": 7 } }))),
        ),
        Child {
            of: (Some(delivery), "-serve"),
            ..child(
                ("networking.k8s.io", "v1", "NetworkPolicy"),
                delivery,
                Some(("/spec/policyTypes", || json!({ "spec": { "policyTypes": ["Egress"] } }))),
            )
        },
        Child { of: (Some(delivery), "-migrate"), ..child(("batch", "v1", "Job"), delivery, None) },
        Child {
            of: (Some(delivery), "-logs"),
            deletion: Deletion::InUse,
            ..child(("", "v1", "PersistentVolumeClaim"), delivery, None)
        },
        child(
            ("autoscaling", "v2", "HorizontalPodAutoscaler"),
            order,
            Some(("/spec/maxReplicas", || json!({ "spec": { "maxReplicas": 7 } }))),
        ),
        Child { of: (None, "-topics"), ..child(CONFIG_MAP, order, None) },
        Child { of: (None, "-cancellation-tokens"), ..child(("", "v1", "Secret"), order, None) },
        Child { deletion: Deletion::Orphan, ..child(DEPLOYMENT, order, Some(grace)) },
        child(DEPLOYMENT, delivery, Some(grace)),
    ]
}

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 20 }, Rate { orders: 10, reads: 50 });
    let load = Load::start(stage, rate, READ, &[Service::Order, Service::Delivery]).await;
    load.answers(50).await;
    let (mut times, mut counts) = (vec![], [0, 0, 0]);
    let children = children();
    for child in &children {
        let hand = Hand::find(stage, child).await?;
        load.mark(format!("{} {}", child.kind.2, hand.before.name_any()));
        times.push(hand.relabel().await?);
        counts[0] += 1;
        if let Some((path, patch)) = child.edit {
            times.push(hand.edit(path, patch()).await?);
            counts[1] += 1;
        }
        if child.deletion != Deletion::InUse {
            times.push(hand.delete(child.deletion).await?);
            counts[2] += 1;
        }
        // What a pod is restarted for is over before the next is.
        stage.until_settled().await;
    }
    load.answers(50).await;
    let events = stage.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=FoodPlatform"]).await;
    if !["Updated", "Created"].iter().all(|reason| events.output.contains(reason)) {
        return Err(format!("the operator's events don't say what it did: {}", events.output));
    }
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    let held = stage.delivered(traffic.told).await?;
    cancels(stage).await;
    let longest = times.iter().max().copied().unwrap_or_default().as_secs_f64();
    let [relabelled, edited, deleted] = counts;
    Ok(Outcome {
        done: format!(
            "of each kind that the quickstart has, {} children in all, {relabelled} relabelled, {edited} edited and {deleted} \
             deleted under load: all but the claim, which is in use; order's Deployment without its pods, delivery's with them",
            children.len()
        ),
        seen: format!(
            "{} changes undone, the slowest in {longest:.1} s, and what somebody had noted on them left; {answered} requests and \
             none failed; {held}; cancelling works with the new tokens",
            times.len()
        ),
        figure: format!("{longest:.1} s at most"),
        shown: vec![events],
        timeline: Some(traffic.timeline),
    })
}

/// Whether a child has that name, or that name and a checksum of what it is made of.
fn is_called(name: &str, wanted: &str) -> bool {
    let Some(rest) = name.strip_prefix(wanted) else { return false };
    let is_checksum = |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    rest.is_empty() || rest.strip_prefix('-').is_some_and(is_checksum)
}

/// An order can still be cancelled: order and cook have come to know the new tokens, which takes the kubelet a while.
async fn cancels(stage: &Stage) {
    let menu = stage.gateway.menu_with_stock(100).await;
    wait::until("a cancellation", ::tests::cluster::READY, async || {
        let order = stage.gateway.place_one(&menu, 1).await;
        let answer = stage.gateway.cancel(&order).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.text)) }
    })
    .await;
}

/// Whoever changes a child by hand.
struct Hand {
    api: Api<DynamicObject>,
    before: DynamicObject,
    what: String,
}

impl Hand {
    async fn find(stage: &Stage, child: &Child) -> Result<Self, String> {
        let (group, version, kind) = child.kind;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api = stage.cluster().dynamic(&stage.platform.namespace, &resource);
        let (service, suffix) = child.of;
        let front = service.map_or_else(|| stage.platform.name.clone(), |service| stage.platform.child(service));
        let start = format!("{front}{suffix}");
        let all = api.list(&ListParams::default()).await.map_err(|error| format!("listing {kind}s: {error}"))?;
        let is_it = |object: &DynamicObject| is_called(&object.name_any(), &start);
        let before = all.items.into_iter().find(is_it).ok_or_else(|| format!("there is no {kind} {start}"))?;
        let what = format!("{kind} {}", before.name_any());
        Ok(Self { api, before, what })
    }

    /// Gives it another label, and a note of their own.
    async fn relabel(&self) -> Result<Duration, String> {
        let patch = json!({
            "metadata": { "labels": { (PART_OF): "somebody" }, "annotations": { (NOTE): "team-a" } },
        });
        let label = |object: &DynamicObject| object.labels().get(PART_OF).cloned();
        let before = label(&self.before);
        let (took, now) = self.undone(patch, |now| label(now) == before).await?;
        if now.annotations().get(NOTE).map(String::as_str) != Some("team-a") {
            return Err(format!("{}: the note of somebody else is gone", self.what));
        }
        let away = json!({ "metadata": { "annotations": { (NOTE): null } } });
        self.patch(&away).await?;
        Ok(took)
    }

    /// Changes what lies at a path.
    async fn edit(&self, path: &str, patch: Value) -> Result<Duration, String> {
        let before = self.before.data.pointer(path).cloned();
        let (took, _) = self.undone(patch, |now| now.data.pointer(path).cloned() == before).await?;
        Ok(took)
    }

    async fn patch(&self, patch: &Value) -> Result<DynamicObject, String> {
        let changed = self.api.patch(&self.before.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await;
        changed.map_err(|error| format!("changing {}: {error}", self.what))
    }

    async fn undone(
        &self,
        patch: Value,
        is_as_before: impl Fn(&DynamicObject) -> bool,
    ) -> Result<(Duration, DynamicObject), String> {
        let started = Instant::now();
        let changed = self.patch(&patch).await?;
        if is_as_before(&changed) {
            return Err(format!("{patch} changes nothing of {}", self.what));
        }
        let now = wait::until(&format!("{} as it was before {patch}", self.what), RESTORED, async || {
            let now = self.api.get(&self.before.name_any()).await.map_err(|error| error.to_string())?;
            if is_as_before(&now) { Ok(now) } else { Err("as somebody changed it".to_owned()) }
        })
        .await;
        if now.uid() == changed.uid() {
            Ok((started.elapsed(), now))
        } else {
            Err(format!("{} was made anew, not changed back", self.what))
        }
    }

    /// Deletes it, and waits until there is another of its name that says the same.
    async fn delete(&self, deletion: Deletion) -> Result<Duration, String> {
        let (name, started) = (self.before.name_any(), Instant::now());
        let parameters = match deletion {
            Deletion::Orphan => DeleteParams::orphan(),
            Deletion::Background | Deletion::InUse => DeleteParams::background(),
        };
        self.api.delete(&name, &parameters).await.map_err(|error| format!("deleting {}: {error}", self.what))?;
        wait::until(&format!("another {}", self.what), RESTORED, async || {
            let now = self.api.get(&name).await.map_err(|error| error.to_string())?;
            if now.uid() == self.before.uid() {
                return Err("still the old one".to_owned());
            }
            wait::equals(now.labels(), self.before.labels())
        })
        .await;
        Ok(started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_with_its_checksum_and_no_other_one() {
        assert!(is_called("quickstart-order", "quickstart-order"));
        assert!(is_called("quickstart-order-migrate-61f8993b46", "quickstart-order-migrate"));
        assert!(!is_called("quickstart-order-migrate-61f8993b46", "quickstart-order"));
        assert!(!is_called("quickstart-order-logs", "quickstart-order"));
    }
}
