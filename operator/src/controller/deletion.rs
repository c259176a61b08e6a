//! The end of a platform whose topics are to go with it: workloads first, then, when no pod is left, the topics that are
//! its own. A finalizer holds the platform until then, and no longer than `deletionTimeout`.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{apps::v1::Deployment, batch::v1::Job, core::v1::ConfigMap},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Resource, ResourceExt as _,
    api::{Patch, PatchParams},
};
use kube_runtime::{controller::Action, events::EventType};
use serde_json::json;
use tracing::{info, warn};

use super::{
    context::{Context, request},
    dereference,
    error::{Error, Step},
    events,
    obstacle::Obstacle,
    prune, status, topics,
    validate::validate,
};
use crate::{
    api::{DeletionPolicy, FoodPlatform, Reason, TopicManagement},
    build::{Platform, names},
    kafka::{
        deletions::Request,
        direct::Deleted,
        strimzi::{self, Topics},
    },
    metrics,
};

/// Holds a platform until its topics are deleted.
const FINALIZER: &str = "foodplatform.dev/topics";
/// Kubernetes' own: children are to live on.
const ORPHAN: &str = "orphan";
/// Between two looks at what is waited for and not watched.
const AGAIN: Duration = Duration::from_secs(2);

/// Whether the platform has to be held, and isn't yet; or is, and needs it no more.
fn is_to_change(resource: &FoodPlatform, platform: &Platform) -> bool {
    is_to_delete(platform) != is_held(resource)
}

/// Whether the topics are to go with the platform: those that somebody else looks after never do.
fn is_to_delete(platform: &Platform) -> bool {
    platform.topic_deletion == DeletionPolicy::Delete && platform.topic_management != TopicManagement::External
}

fn is_held(resource: &impl Resource) -> bool {
    resource.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Sees to it that a platform whose topics are to go with it is held when it is deleted, and no other one. Gives whether it
/// is still there.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn hold(context: &Context, resource: &FoodPlatform, platform: &Platform) -> Result<bool, Error> {
    if !is_to_change(resource, platform) {
        return Ok(true);
    }
    match set_held(context, resource, !is_held(resource)).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_gone() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Goes on with the deletion of a platform.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn go_on(context: &Context, resource: &FoodPlatform) -> Result<Action, Error> {
    // Children go by their owner references; whatever is applied now would be in their way.
    if !is_held(resource) {
        context.topic_deletions.stop(&resource.uid().unwrap_or_default());
        return Ok(Action::await_change());
    }
    let Ok(platform) = validate(resource) else { return let_go_unread(context, resource).await };
    if !is_to_delete(&platform) || is_orphaning(context, resource, &platform) {
        context.topic_deletions.stop(&platform.uid);
        release(context, resource).await?;
        return Ok(Action::await_change());
    }
    let remaining = remaining(resource, platform.deletion_timeout, Timestamp::now());
    let (waits_for, failure) = match delete(context, &platform, remaining).await {
        Ok(Left::Nothing(Deleted { count, unsure })) => {
            let reference = resource.object_ref(&());
            let note = format!("deleted {count} topics");
            events::publish(&context.events, &reference, EventType::Normal, "TopicsDeleted", "Delete", note).await;
            if !unsure.is_empty() {
                let why = format!("who made {} is not known", unsure.join(", "));
                return let_go(context, resource, &why).await;
            }
            release(context, resource).await?;
            return Ok(Action::await_change());
        }
        Ok(Left::Some(waits_for)) => (waits_for, None),
        // Somebody may see to it, and has no longer than for anything else.
        Ok(Left::Hindered(why)) => (hindrance(context, resource, &why), None),
        Err(error) => (hindrance(context, resource, &error), Some(error)),
    };
    match remaining {
        None => let_go(context, resource, &waits_for).await,
        Some(remaining) => {
            status::write_deleting(context, resource, &waits_for).await?;
            failure.map_or_else(|| Ok(Action::requeue(AGAIN.min(remaining))), Err)
        }
    }
}

/// Lets a platform go whose spec can't be read, or isn't one that can be built: nobody knows where its topics are.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn let_go_unread(
    context: &Context,
    resource: &impl Resource<DynamicType = ()>,
) -> Result<Action, Error> {
    if !is_held(resource) {
        return Ok(Action::await_change());
    }
    let_go(context, resource, "its spec can't be read, so that nobody knows where they are").await
}

/// Whether the children, and the topics with them, are to outlive the platform. Its finalizer tells until Kubernetes has
/// taken their owner references; after that they do.
fn is_orphaning(context: &Context, resource: &FoodPlatform, platform: &Platform) -> bool {
    let of_kind = |kind: &str, _: &str| kind == Deployment::kind(&());
    let deployments = || context.live.children_of(&platform.namespace, &platform.name, of_kind);
    resource.finalizers().iter().any(|finalizer| finalizer == ORPHAN)
        || deployments().iter().any(|(_, live)| live.owner_references().is_empty())
}

/// What is told of a deletion that something is in the way of.
fn hindrance(context: &Context, resource: &FoodPlatform, why: &dyn Display) -> String {
    let (uid, generation) = (resource.uid().unwrap_or_default(), resource.metadata.generation.unwrap_or_default());
    let obstacle = Obstacle::new(Reason::Deleting, format!("the topics can't be deleted: {why}"));
    let told = context.wordings.told(&uid, generation, vec![obstacle], Instant::now());
    told.into_iter().map(|obstacle| obstacle.message).collect()
}

/// What there is still to do.
enum Left {
    /// All is done, with that as its end.
    Nothing(Deleted),
    /// What is waited for, in a sentence.
    Some(String),
    /// Why the topics can't be deleted.
    Hindered(String),
}

/// Goes on with it as far as it goes in the time that remains.
async fn delete(context: &Context, platform: &Platform, remaining: Option<Duration>) -> Result<Left, Error> {
    let kinds = [Deployment::kind(&()), Job::kind(&())];
    let of_kinds = |kind: &str, _: &str| kinds.contains(&kind.into());
    let mut workloads = context.live.children_of(&platform.namespace, &platform.name, of_kinds);
    workloads.retain(|(_, live)| prune::is_own(platform, live));
    for (kind, live) in workloads.iter().filter(|(_, live)| live.metadata.deletion_timestamp.is_none()) {
        prune::remove(context, kind, live).await?;
    }
    let pods = context.live.pods_of(&platform.namespace, &platform.name).len();
    if pods > 0 {
        return Ok(Left::Some(format!("{pods} pods have yet to end before the topics can be deleted")));
    }
    if !workloads.is_empty() {
        // One that had changed may be an orphan by now: its watch tells.
        return Ok(Left::Some(format!(
            "{} Deployments and Jobs have yet to go before the topics can be deleted",
            workloads.len()
        )));
    }
    let topics = match delete_topics(context, platform, remaining).await? {
        Left::Nothing(topics) => topics,
        left => return Ok(left),
    };
    let record = names::topic_records(&platform.name);
    let kind = kube::api::ApiResource::erase::<ConfigMap>(&());
    if let Some(live) = context.live.child(&kind.kind, &platform.namespace, &record) {
        // Unless it has changed meanwhile, which its watch tells.
        if !prune::remove(context, &kind, &live).await? {
            return Ok(Left::Some(format!("ConfigMap {record} has yet to go")));
        }
    }
    Ok(Left::Nothing(topics))
}

/// Deletes the topics that are the platform's own.
async fn delete_topics(context: &Context, platform: &Platform, remaining: Option<Duration>) -> Result<Left, Error> {
    let hindered = |why: &dyn Display| Ok(Left::Hindered(why.to_string()));
    // It may be about to make some.
    if context.topics.is_checking(&platform.uid) {
        return Ok(Left::Some("a check of the topics has yet to end".to_owned()));
    }
    let kafka_topics = topics::kafka_topics(context, platform);
    if !kafka_topics.is_empty() {
        match strimzi::delete(&context.client, &kafka_topics, Topics::Go).await {
            // There may be some that no KafkaTopic stands for, such as those that were made before Strimzi was asked for them.
            Ok(0) => {}
            Ok(left) => {
                return Ok(Left::Some(format!(
                    "{left} KafkaTopics have yet to go, and Strimzi to delete their topics"
                )));
            }
            Err(sentence) => return hindered(&sentence),
        }
    }
    let mut records = topics::records(context, platform);
    context.topics.add_found(&platform.uid, &mut records);
    if records.is_empty() {
        return Ok(Left::Nothing(Deleted::default()));
    }
    let connection = match dereference::kafka(context, platform).await? {
        Ok(connection) => connection,
        // The Secrets may be deleted together with the platform.
        Err(obstacle) => match dereference::last_kafka(context, platform) {
            Some(connection) => connection,
            None => return hindered(&obstacle.message),
        },
    };
    let (deletions, request) = (&context.topic_deletions, Request { connection, records });
    let outcome = match remaining {
        Some(_) => deletions.go_on(&platform.uid, &request, context.waker(platform)),
        // What begins now would end when nobody waits for it any more.
        None => deletions.outcome(&platform.uid, &request),
    };
    match outcome {
        Some(Ok(topics)) => Ok(Left::Nothing(topics)),
        Some(Err(unreachable)) => hindered(&unreachable),
        None if remaining.is_none() => Ok(Left::Some("Kafka was not asked in time".to_owned())),
        None => Ok(Left::Some("Kafka has yet to delete the topics".to_owned())),
    }
}

/// How long a platform may still be held that is being deleted.
pub(super) fn time_left(resource: &FoodPlatform, now: Timestamp) -> Option<Duration> {
    if resource.metadata.deletion_timestamp.is_none() || !is_held(resource) {
        return None;
    }
    remaining(resource, validate(resource).ok()?.deletion_timeout, now)
}

/// How long the deletion may still wait.
fn remaining(resource: &FoodPlatform, timeout: Duration, now: Timestamp) -> Option<Duration> {
    let Some(Time(began)) = resource.metadata.deletion_timestamp else { return Some(timeout) };
    let waited = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    timeout.checked_sub(waited).filter(|left| !left.is_zero())
}

/// Lets the platform go though its topics are still there.
async fn let_go(context: &Context, resource: &impl Resource<DynamicType = ()>, why: &str) -> Result<Action, Error> {
    context.topic_deletions.stop(&resource.uid().unwrap_or_default());
    warn!(platform = %resource.name_any(), why, "letting go of a platform whose topics are left");
    let note = format!("topics may be left in Kafka, for {why}: delete them by hand if nobody needs them");
    let reference = resource.object_ref(&());
    events::publish(&context.events, &reference, EventType::Warning, "TopicsLeft", "Delete", note).await;
    release(context, resource).await?;
    Ok(Action::await_change())
}

/// Lets it go, unless it has gone already.
async fn release(context: &Context, resource: &impl Resource) -> Result<(), Error> {
    match set_held(context, resource, false).await {
        Err(error) if error.is_gone() => Ok(()),
        released => released,
    }
}

async fn set_held(context: &Context, resource: &impl Resource, held: bool) -> Result<(), Error> {
    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let mut finalizers: Vec<_> = resource.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if held {
        finalizers.push(FINALIZER.to_owned());
    }
    info!(namespace, name, held, "the finalizer");
    // Somebody else's finalizers must not be lost by it.
    let metadata = json!({ "finalizers": finalizers, "resourceVersion": resource.resource_version() });
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let api = context.api::<FoodPlatform>(&namespace);
    let what = || format!("changing the finalizers of FoodPlatform {namespace}/{name}");
    request(Step::Finalize, what, api.patch_metadata(&name, &PatchParams::default(), &patch)).await?;
    metrics::written("FoodPlatform", "patch");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(deleted: Option<&str>, finalizers: &[&str], policy: &str) -> FoodPlatform {
        serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": {
                "name": "q", "namespace": "food", "uid": "u", "finalizers": finalizers, "deletionTimestamp": deleted,
            },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "kafka": { "bootstrapServers": "k:9092", "deletionPolicy": policy },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap()
    }

    #[test]
    fn only_a_platform_whose_topics_go_with_it_is_held() {
        let is_to_change = |finalizers: &[&str], policy: &str| {
            let resource = platform(None, finalizers, policy);
            super::is_to_change(&resource, &Platform::new(&resource).unwrap())
        };
        assert!(is_to_change(&["other/one"], "Delete") && !is_to_change(&[FINALIZER], "Delete"));
        assert!(is_to_change(&[FINALIZER], "Retain") && !is_to_change(&["other/one"], "Retain"));
    }

    #[test]
    fn a_deletion_waits_as_long_as_is_said() {
        let resource = platform(Some("2026-01-01T00:00:00Z"), &[FINALIZER], "Delete");
        let left = |at: &str| remaining(&resource, Duration::from_secs(60), at.parse().unwrap());
        assert_eq!(left("2026-01-01T00:00:20Z"), Some(Duration::from_secs(40)));
        assert_eq!(left("2026-01-01T00:01:00Z"), None);
        assert_eq!(left("2025-12-31T23:59:00Z"), Some(Duration::from_secs(60)), "clocks differ");
    }

    #[test]
    fn time_is_left_to_those_who_are_deleted_and_held() {
        let left = |deleted, finalizers: &[&str], at: &str| {
            time_left(&platform(deleted, finalizers, "Delete"), at.parse().unwrap())
        };
        let deleted = Some("2026-01-01T00:00:00Z");
        assert_eq!(left(deleted, &[FINALIZER], "2026-01-01T00:01:00Z"), Some(Duration::from_secs(240)));
        assert_eq!(left(deleted, &[FINALIZER], "2026-01-01T00:05:00Z"), None);
        assert_eq!(left(deleted, &["other/one"], "2026-01-01T00:01:00Z"), None);
        assert_eq!(left(None, &[FINALIZER], "2026-01-01T00:01:00Z"), None);
    }
}
