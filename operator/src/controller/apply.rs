//! Fourth step: brings live children to what was built, by server-side apply and only where they differ.

use kube::{
    ResourceExt as _,
    api::{DynamicObject, ObjectMeta, Patch, PatchParams},
};
use serde_json::json;
use tracing::{info, warn};

use super::{
    applied::{hash, hash_of_live},
    context::{Context, request},
    diff,
    error::{Error, Step},
    migration::is_outdated,
    obstacle::Obstacle,
    pack::version,
    prune,
    server_side_apply::{self, Presence},
};
use crate::{
    api::Reason,
    build::{ApplyMode, Child, FIELD_MANAGER, Platform, Replicas, labels, managed_fields::owns, pvc},
    metrics,
};

/// The field manager that holds a Deployment's `replicas` while it passes from us to an autoscaler.
pub(super) const SCALE_MANAGER: &str = "foodplatform-operator-scale";

/// What became of a child.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It was as built.
    None,
    /// It was not there.
    Created,
    /// It was there, and different.
    Updated,
}

/// A child that could not be applied.
#[derive(Debug)]
pub enum Failure {
    /// Something is in the way.
    Obstacle(Obstacle),
    /// An object of that name is on its way out; its going wakes the platform up.
    Leaving(String),
    /// The API server could not be asked, or refused.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Applies one child. `note` takes what can't be had and stays as it is, in a sentence.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn apply(
    context: &Context,
    platform: &Platform,
    child: &Child,
    note: &mut Vec<String>,
) -> Result<Change, Failure> {
    let (kind, name) = (child.kind().to_owned(), child.name());
    let namespace = &platform.namespace;
    let (key, built) = (key(child), hash(&child.object));
    let known = context.live.version(&kind, namespace, &name);
    if known.is_some_and(|version| context.applied.is_good(&platform.uid, key, built, version)) {
        return Ok(Change::None);
    }
    let live = match server_side_apply::ensure(context, &child.resource, &child.object).await? {
        Presence::Found(live) => live,
        Presence::Made(made) => {
            if is_as_built(context, platform, child, &made) && needs_no_notes(child) {
                version(&made).inspect(|made| context.applied.found_good(&platform.uid, key, built, *made));
            }
            return Ok(Change::Created);
        }
    };
    admit(platform, &kind, &live)?;
    let good = |change: Change| {
        if change == Change::None && needs_no_notes(child) {
            known.inspect(|version| context.applied.found_good(&platform.uid, key, built, *version));
        }
        change
    };
    if child.mode == ApplyMode::CreateOnce {
        if !child.object.labels().iter().all(|(label, value)| live.labels().get(label) == Some(value)) {
            label(context, child, &live).await?;
            return Ok(Change::Updated);
        }
        if is_outdated(&child.object, &live) && !is_as_it_became(context, platform, child, &live) {
            prune::remove(context, &child.resource, &live).await?;
            return Err(Failure::Leaving(format!(
                "{kind} {namespace}/{name} is made anew, for its pods are to be others"
            )));
        }
        return Ok(good(Change::None));
    }
    let mut child = child.clone();
    note.extend(pvc::keep_what_stays(&mut child, &live));
    let error = match update(context, platform, &child, &live).await {
        Ok(change) => return Ok(good(change)),
        Err(error) => error,
    };
    let smaller = error.refusal().and_then(|refusal| pvc::keep_smaller_size(&mut child, &live, refusal));
    let Some(sentence) = smaller else { return Err(error.into()) };
    note.push(sentence);
    Ok(update(context, platform, &child, &live).await?)
}

/// Brings a live object to what was built, where it differs.
async fn update(context: &Context, platform: &Platform, child: &Child, live: &DynamicObject) -> Result<Change, Error> {
    let (kind, name) = (child.kind(), child.name());
    let difference = diff::difference(&child.object, live, FIELD_MANAGER)
        .filter(|_| !is_as_it_became(context, platform, child, live));
    let replicas = replicas_to_hand_over(platform, child, live);
    if let Some(replicas) = replicas {
        info!(kind, name, replicas, "handing over the replicas");
        hand_over_replicas(context, child, live, replicas).await?;
    }
    let Some(difference) = difference else {
        return Ok(if replicas.is_some() { Change::Updated } else { Change::None });
    };
    info!(kind, name, ?difference, "applying");
    let mut object = child.object.clone();
    // A hand-over has made a newer version of it.
    object.metadata.resource_version = live.resource_version().filter(|_| replicas.is_none());
    let written = server_side_apply::apply(context, &child.resource, FIELD_MANAGER, &object).await?;
    is_as_built(context, platform, child, &written);
    Ok(Change::Updated)
}

/// Whether we may write over a live object of that kind.
///
/// # Errors
/// When it is on its way out, or somebody else's.
pub fn admit(platform: &Platform, kind: &str, live: &DynamicObject) -> Result<(), Failure> {
    let (namespace, name) = (&platform.namespace, live.name_any());
    if live.metadata.deletion_timestamp.is_some() {
        return Err(Failure::Leaving(format!("{kind} {namespace}/{name} is being deleted")));
    }
    let owner = live.owner_references().iter().find(|owner| owner.controller == Some(true));
    let taken_by = match owner {
        Some(owner) if owner.uid == platform.uid => return Ok(()),
        Some(owner) if owner.kind == "FoodPlatform" && owner.name == platform.name => {
            // The platform of the same name before this one; the garbage collector is on its way.
            return Err(Failure::Leaving(format!("{kind} {namespace}/{name} of the former platform is being deleted")));
        }
        Some(owner) => format!("{} {}", owner.kind, owner.name),
        // A claim that outlived its platform, or a child whose reference somebody took away.
        None if is_labelled(platform, live) => return Ok(()),
        None => "somebody else".to_owned(),
    };
    Err(Failure::Obstacle(Obstacle::new(
        Reason::NameConflict,
        format!(
            "{kind} {namespace}/{name} belongs to {taken_by} and is left alone: remove or rename it, or give the platform \
             another name"
        ),
    )))
}

fn is_labelled(platform: &Platform, live: &DynamicObject) -> bool {
    let is = |key: &str, value: &str| live.labels().get(key).is_some_and(|found| found == value);
    is(labels::MANAGED_BY, labels::MANAGER) && is(labels::INSTANCE, &platform.name)
}

/// Gives a live child its labels back, and changes nothing else of it.
async fn label(context: &Context, child: &Child, live: &DynamicObject) -> Result<(), Error> {
    let (kind, name, namespace) = (child.kind(), child.name(), live.namespace().unwrap_or_default());
    info!(kind, name, "labelling");
    let patch = json!({
        "metadata": { "labels": child.object.metadata.labels, "resourceVersion": live.resource_version() },
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    let api = context.dynamic_api(&namespace, &child.resource);
    let what = || format!("labelling {kind} {namespace}/{name}");
    let written = request(Step::Apply, what, api.patch(&name, &parameters, &Patch::Merge(&patch))).await?;
    metrics::written(kind, "label");
    context.live.catch_up(kind, &written).await;
    Ok(())
}

/// The replicas to set for an autoscaler to go on from: the live ones while they are still ours, and its fewest where
/// there are none, for it leaves a Deployment alone that has no replicas.
pub fn replicas_to_hand_over(platform: &Platform, child: &Child, live: &DynamicObject) -> Option<i64> {
    const PATH: [&str; 2] = ["spec", "replicas"];
    if child.kind() != "Deployment" {
        return None;
    }
    let Replicas::Automatic(autoscaling) = &platform.service(child.service)?.replicas else { return None };
    let replicas = live.data.pointer("/spec/replicas")?.as_i64()?;
    if replicas == 0 {
        return Some(i64::from(autoscaling.min)).filter(|min| *min > 0);
    }
    let ours = owns(live, FIELD_MANAGER, &PATH) && !owns(live, SCALE_MANAGER, &PATH);
    ours.then_some(replicas)
}

/// Sets the number of replicas by a second field manager. Dropping our own field alone would set it to 1.
async fn hand_over_replicas(
    context: &Context,
    child: &Child,
    live: &DynamicObject,
    replicas: i64,
) -> Result<(), Error> {
    let metadata = ObjectMeta {
        name: live.metadata.name.clone(),
        namespace: live.metadata.namespace.clone(),
        resource_version: live.resource_version(),
        ..Default::default()
    };
    let data = json!({ "spec": { "replicas": replicas } });
    let object = DynamicObject { types: child.object.types.clone(), metadata, data };
    server_side_apply::apply(context, &child.resource, SCALE_MANAGER, &object).await?;
    Ok(())
}

/// Whether what was written came out as it was built. Where it didn't, that is remembered, or it would be written for ever.
fn is_as_built(context: &Context, platform: &Platform, child: &Child, written: &DynamicObject) -> bool {
    let Some(difference) = diff::difference(&child.object, written, FIELD_MANAGER) else { return true };
    let (kind, name) = (child.kind(), child.name());
    warn!(kind, name, ?difference, "the API server keeps a field in another form than built");
    context.applied.remember(&platform.uid, key(child), hash(&child.object), hash_of_live(written));
    false
}

/// Whether a live object is what the API server made of exactly this child.
fn is_as_it_became(context: &Context, platform: &Platform, child: &Child, live: &DynamicObject) -> bool {
    context.applied.became(&platform.uid, key(child), hash(&child.object), hash_of_live(live))
}

/// Whether nothing is to be told of a child that is as it should be. A claim may have been kept as it was.
fn needs_no_notes(child: &Child) -> bool {
    child.kind() != "PersistentVolumeClaim"
}

/// What a child is remembered by.
fn key(child: &Child) -> u64 {
    hash(&(child.kind(), child.name()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        api::{FoodPlatform, FoodService},
        build::{Dereferenced, children},
    };

    fn platform(order: &Value) -> Platform {
        let resource: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "q", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "services": { "order": order },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap();
        Platform::new(&resource).unwrap()
    }

    /// What is handed over where so many replicas live and `manager` set them.
    fn handed_over(order: &Value, replicas: i64, manager: &str) -> Option<i64> {
        let platform = platform(order);
        let children = children(&platform, &Dereferenced::default());
        let is = |child: &&Child| child.kind() == "Deployment" && child.service == FoodService::Order;
        let child = children.workloads.iter().find(is).unwrap();
        let live = serde_json::from_value(json!({
            "metadata": { "managedFields": [{
                "manager": manager, "operation": "Apply", "fieldsV1": { "f:spec": { "f:replicas": {} } },
            }] },
            "spec": { "replicas": replicas },
        }));
        replicas_to_hand_over(&platform, child, &live.unwrap())
    }

    #[test]
    fn replicas_are_handed_over_once_and_none_become_the_fewest() {
        let automatic = json!({ "autoscaling": { "minReplicas": 2, "maxReplicas": 5 } });
        assert_eq!(handed_over(&automatic, 3, FIELD_MANAGER), Some(3));
        assert_eq!(handed_over(&automatic, 3, SCALE_MANAGER), None);
        assert_eq!(handed_over(&automatic, 1, "kubectl"), None, "the autoscaler does the rest");
        for manager in [FIELD_MANAGER, SCALE_MANAGER, "kubectl"] {
            assert_eq!(handed_over(&automatic, 0, manager), Some(2), "{manager}");
        }
        for own in [json!({ "replicas": 2 }), json!({})] {
            assert_eq!(handed_over(&own, 0, "kubectl"), None);
            assert_eq!(handed_over(&own, 3, FIELD_MANAGER), None, "there is no autoscaler to hand them over to");
        }
    }
}
