//! Fifth step: what is so, from what was seen. Pure, but for [`write()`].

mod endpoint;
mod services;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{PersistentVolumeClaim, Pod, Service},
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{
    Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    context::{Context, request},
    error::{Error, Step},
    obstacle::Obstacle,
    server_side_apply,
};
use crate::{
    api::Reason,
    api::{FoodPlatform, FoodPlatformStatus, FoodService, VolumeStatus, condition},
    build::{FIELD_MANAGER, Platform, names},
    database::{Answer, Silent},
    kafka::keeper::Outcome,
    metrics,
};

/// What a reconciliation saw and met.
pub(super) struct Observation<'a> {
    /// The generation of the spec that it is about.
    pub generation: i64,
    /// The platform, when its spec is valid.
    pub platform: Option<&'a Platform>,
    /// Whether everything is left as it is.
    pub paused: bool,
    /// What is in the way, the first step's first.
    pub obstacles: Vec<Obstacle>,
    /// What is still to happen, in sentences.
    pub progress: Vec<String>,
    /// Services that are not brought up to date yet, and why, in a sentence.
    pub held: Vec<(FoodService, String)>,
    /// What stays other than asked for, in sentences.
    pub notes: Vec<String>,
    /// How the last check of the topics ended.
    pub topics: Option<&'a Outcome>,
    /// Whether the database answers, as far as it could be asked.
    pub database: Answer,
    /// The live children.
    pub children: &'a [(ApiResource, DynamicObject)],
    /// The live pods.
    pub pods: &'a [Arc<Pod>],
}

/// Whether a child of that kind and name says something that the status tells.
pub(super) fn is_of_interest(kind: &str, name: &str) -> bool {
    const KINDS: [&str; 3] = ["Deployment", "HorizontalPodAutoscaler", "PersistentVolumeClaim"];
    KINDS.contains(&kind) || (kind == "Service" && name.ends_with(FoodService::Gateway.as_str()))
}

impl Observation<'_> {
    /// The live child of that name as its own type.
    fn child<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let kind = K::kind(&());
        let (_, object) = self
            .children
            .iter()
            .find(|(resource, object)| resource.kind == kind && object.metadata.name.as_deref() == Some(name))?;
        object.clone().try_parse().ok()
    }
}

/// The status after what was seen. Times of conditions whose status stays are kept.
#[must_use]
pub(super) fn status(previous: &FoodPlatformStatus, seen: &Observation<'_>, now: Timestamp) -> FoodPlatformStatus {
    let mut status = FoodPlatformStatus { observed_generation: Some(seen.generation), ..previous.clone() };
    let mut obstacles = seen.obstacles.clone();
    let mut progress = seen.progress.clone();
    let mut conditions = Vec::new();
    if let Some(platform) = seen.platform {
        let topics = topics::view(seen.topics);
        // A restart of the operator is no news: it was good for this very spec.
        let was_good = find(previous, condition::TOPICS_READY)
            .is_some_and(|was| was.status == "True" && was.observed_generation == Some(seen.generation));
        match &topics {
            topics::View::Hindered(obstacle) => obstacles.push(obstacle.clone()),
            topics::View::Unknown if !was_good && !seen.paused => progress.push(TOPICS_CHECKED.to_owned()),
            topics::View::Changing => progress.push(TOPICS_CHANGED.to_owned()),
            topics::View::Unknown | topics::View::Ready(_) => {}
        }
        conditions.push(topics_ready(previous, &topics, seen.generation));
        if let Some(Err(Silent(sentence))) = &seen.database {
            obstacles.push(Obstacle::new(Reason::DatabaseUnreachable, sentence.clone()));
        }
        conditions.push(database_reachable(previous, seen));
        status.topics = topics::list(seen.topics, &platform.topics, &previous.topics);
        let views: Vec<_> = platform
            .services
            .iter()
            .map(|settings| {
                let name = names::child(&platform.name, settings.service);
                let deployment = seen.child::<Deployment>(&name);
                let autoscaler = seen.child::<HorizontalPodAutoscaler>(&name);
                let previous = previous.services.iter().find(|previous| previous.name == settings.service);
                services::view(platform, settings, previous, deployment.as_ref(), autoscaler.as_ref(), seen.pods)
            })
            .collect();
        obstacles.extend(views.iter().filter_map(|view| view.obstacle.clone()));
        let mut ready = 0;
        for view in &views {
            match (seen.held.iter().find(|(service, _)| *service == view.status.name), &view.progress) {
                (Some((_, sentence)), _) | (None, Some(sentence)) => progress.push(sentence.clone()),
                (None, None) => ready += 1,
            }
        }
        status.services_ready = Some(format!("{ready}/{}", views.len()));
        status.services = views.into_iter().map(|view| view.status).collect();
        status.volumes = volumes(seen);
        status.endpoint =
            seen.child::<Service>(&names::child(&platform.name, FoodService::Gateway)).and_then(|service| {
                endpoint::endpoint(&platform.gateway, &service, seen.pods, previous.endpoint.as_deref())
            });
    } else {
        let kept = [condition::TOPICS_READY, condition::DATABASE_REACHABLE];
        conditions.extend(kept.iter().filter_map(|type_| find(previous, type_).cloned()));
    }
    let summary = Summary::new(&obstacles, &progress, seen);
    conditions.splice(0..0, summary.conditions(seen));
    status.conditions = conditions.into_iter().map(|condition| timed(previous, condition, now)).collect();
    status
}

/// The status of a platform that is being deleted and waits for something.
fn deleting(previous: &FoodPlatformStatus, generation: i64, waits_for: &str, now: Timestamp) -> FoodPlatformStatus {
    let told = |type_, status: &'static str, message| {
        timed(previous, new(type_, status, Reason::Deleting, message, generation), now)
    };
    let mut conditions = vec![
        told(condition::READY, "False", waits_for),
        told(condition::RECONCILING, "True", waits_for),
        told(condition::STALLED, "False", ""),
    ];
    let others = previous.conditions.iter().filter(|other| !conditions.iter().any(|new| new.type_ == other.type_));
    let others: Vec<_> = others.cloned().collect();
    conditions.extend(others);
    FoodPlatformStatus { observed_generation: Some(generation), conditions, ..previous.clone() }
}

/// Writes what the deletion of a platform waits for, when that is news.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn write_deleting(context: &Context, resource: &FoodPlatform, waits_for: &str) -> Result<(), Error> {
    let before = resource.status.clone().unwrap_or_default();
    let generation = resource.metadata.generation.unwrap_or_default();
    let after = deleting(&before, generation, waits_for, Timestamp::now());
    if after == before { Ok(()) } else { write(context, resource, &after).await }
}

/// What is said of topics of which nothing is known yet.
const TOPICS_CHECKED: &str = "the topics are being checked";
/// What is said of topics that are about to be other than they are.
const TOPICS_CHANGED: &str = "the topics are being changed";
/// What a paused platform is told to be.
const PAUSED: &str = "paused: nothing is created, changed or deleted until spec.paused is removed";

/// Ready, Reconciling, Stalled and Paused in one.
struct Summary {
    reason: Reason,
    message: String,
}

impl Summary {
    fn new(obstacles: &[Obstacle], progress: &[String], seen: &Observation<'_>) -> Self {
        // What takes a person comes first.
        let first = obstacles.iter().find(|obstacle| obstacle.reason.stalls()).or_else(|| obstacles.first());
        if let Some(first) = first {
            let others = obstacles.iter().filter(|obstacle| *obstacle != first);
            let messages = std::iter::once(first).chain(others).map(|obstacle| obstacle.message.as_str());
            return Self { reason: first.reason, message: join(messages) };
        }
        let paused = seen.paused.then_some(PAUSED);
        if !progress.is_empty() {
            let reason = if seen.paused { Reason::Paused } else { Reason::Progressing };
            return Self { reason, message: join(paused.into_iter().chain(progress.iter().map(String::as_str))) };
        }
        let sentences = std::iter::once("all services are ready").chain(paused);
        Self { reason: Reason::Ready, message: join(sentences.chain(seen.notes.iter().map(String::as_str))) }
    }

    fn conditions(&self, seen: &Observation<'_>) -> [Condition; 4] {
        let (generation, paused) = (seen.generation, seen.paused);
        let ready = self.reason == Reason::Ready;
        let stalled = self.reason.stalls();
        let told = |type_, is: bool| {
            let message = if is { self.message.as_str() } else { "" };
            new(type_, truth(is), self.reason, message, generation)
        };
        [
            new(condition::READY, truth(ready), self.reason, &self.message, generation),
            told(condition::RECONCILING, !ready && !stalled && !paused),
            told(condition::STALLED, stalled),
            match paused {
                true => new(condition::PAUSED, "True", Reason::Paused, PAUSED, generation),
                false => new(condition::PAUSED, "False", Reason::NotPaused, "", generation),
            },
        ]
    }
}

/// The sentences in one, within what a list shows well.
fn join<'a>(sentences: impl Iterator<Item = &'a str>) -> String {
    const LONGEST: usize = 1024;
    let mut distinct: Vec<&str> = Vec::new();
    for sentence in sentences {
        if !distinct.contains(&sentence) {
            distinct.push(sentence);
        }
    }
    distinct.join("; ").chars().take(LONGEST).collect()
}

fn topics_ready(previous: &FoodPlatformStatus, topics: &topics::View, generation: i64) -> Condition {
    match topics {
        topics::View::Ready(differences) if differences.is_empty() => {
            new(condition::TOPICS_READY, "True", Reason::TopicsReady, "all topics are as asked for", generation)
        }
        topics::View::Ready(differences) => {
            let message = join(differences.iter().map(String::as_str));
            new(condition::TOPICS_READY, "True", Reason::TopicsDiffer, &message, generation)
        }
        topics::View::Hindered(Obstacle { reason, message }) => {
            new(condition::TOPICS_READY, "False", *reason, message, generation)
        }
        // They were good, and are being looked at again.
        topics::View::Unknown => match find(previous, condition::TOPICS_READY) {
            Some(condition) if condition.status == "True" => condition.clone(),
            _ => new(condition::TOPICS_READY, "Unknown", Reason::Progressing, TOPICS_CHECKED, generation),
        },
        topics::View::Changing => {
            new(condition::TOPICS_READY, "Unknown", Reason::Progressing, TOPICS_CHANGED, generation)
        }
    }
}

fn database_reachable(previous: &FoodPlatformStatus, seen: &Observation<'_>) -> Condition {
    let type_ = condition::DATABASE_REACHABLE;
    match &seen.database {
        Some(Ok(())) => new(type_, "True", Reason::DatabaseReachable, "the database answers", seen.generation),
        Some(Err(Silent(sentence))) => new(type_, "False", Reason::DatabaseUnreachable, sentence, seen.generation),
        // It answered, and is being asked again; not so when there is no URL to find it by.
        None => match find(previous, type_) {
            Some(condition) if condition.status == "True" && seen.obstacles.is_empty() => condition.clone(),
            _ => new(type_, "Unknown", Reason::Progressing, "the database has not been asked yet", seen.generation),
        },
    }
}

fn volumes(seen: &Observation<'_>) -> Vec<VolumeStatus> {
    let kind = PersistentVolumeClaim::kind(&());
    let mut volumes: Vec<_> = seen
        .children
        .iter()
        .filter(|(resource, _)| resource.kind == kind)
        .filter_map(|(_, object)| object.clone().try_parse::<PersistentVolumeClaim>().ok())
        .map(|claim| {
            let status = claim.status.clone().unwrap_or_default();
            VolumeStatus {
                name: claim.name_any(),
                phase: status.phase.unwrap_or_else(|| "Pending".to_owned()),
                capacity: status.capacity.and_then(|mut capacity| capacity.remove("storage")).map(|size| size.0),
            }
        })
        .collect();
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    volumes
}

const fn truth(is: bool) -> &'static str {
    if is { "True" } else { "False" }
}

fn new(type_: &str, status: &str, reason: Reason, message: &str, generation: i64) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_string(),
        message: message.to_owned(),
        observed_generation: Some(generation),
        // `timed` sets it.
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// The condition with the time at which its status last changed.
fn timed(previous: &FoodPlatformStatus, condition: Condition, now: Timestamp) -> Condition {
    let since = find(previous, &condition.type_)
        .filter(|before| before.status == condition.status)
        .map_or_else(|| Time(now), |before| before.last_transition_time.clone());
    Condition { last_transition_time: since, ..condition }
}

/// A condition by its type.
pub(super) fn find<'a>(status: &'a FoodPlatformStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the platform is ready.
pub(super) fn is_ready(status: &FoodPlatformStatus) -> bool {
    find(status, condition::READY).is_some_and(|ready| ready.status == "True")
}

/// Writes the status of `resource`, which may be one that can't be decoded, and waits until the watch has shown it.
///
/// # Errors
/// When the API server can't be asked, or the resource has changed since it was read.
pub(super) async fn write(
    context: &Context,
    resource: &impl Resource<DynamicType = ()>,
    status: &FoodPlatformStatus,
) -> Result<(), Error> {
    let namespace = resource.namespace().unwrap_or_default();
    let name = resource.name_any();
    let kind = ApiResource::erase::<FoodPlatform>(&());
    let patch = json!({
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": { "name": name, "resourceVersion": resource.resource_version() },
        "status": status,
    });
    let api = context.dynamic_api(&namespace, &kind);
    let parameters = server_side_apply::parameters(FIELD_MANAGER);
    let what = || format!("writing the status of FoodPlatform {namespace}/{name}");
    let written = request(Step::Status, what, api.patch_status(&name, &parameters, &Patch::Apply(&patch))).await?;
    metrics::written("FoodPlatform", "status");
    context.live.catch_up_platform(&written).await;
    Ok(())
}
