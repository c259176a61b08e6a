//! How a platform stands, put together from the resource, its pods and what they tell. Pure.

use std::collections::BTreeMap;

use foodplatform_operator::{
    api::{FoodPlatform, FoodService, NO_GENERATION, ServiceStatus, TopicStatus, VolumeStatus, condition, defaults},
    build::labels,
    controller::decisions::{failure_of, is_ready, trouble},
};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use kube::ResourceExt as _;
use serde::Serialize;

use super::lag::Lag;

/// How a platform stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Whether everything that the newest spec asks for is there and ready.
    pub(super) ready: bool,
    pub(super) generation: Option<i64>,
    pub(super) observed_generation: Option<i64>,
    pub(super) created: Option<Timestamp>,
    pub(super) services_ready: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) conditions: Vec<Condition>,
    pub(super) services: Vec<ServiceView>,
    pub(super) volumes: Vec<VolumeStatus>,
    pub(super) topics: Vec<TopicStatus>,
    /// What the topics' names begin with.
    #[serde(skip)]
    pub(super) topic_prefix: String,
    /// Why no pods are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pods_unknown: Option<String>,
}

/// How a service stands.
#[derive(Debug, Serialize)]
pub(super) struct ServiceView {
    #[serde(flatten)]
    pub(super) status: ServiceStatus,
    /// What it has still to read, if it reads at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lag: Option<Lag>,
    pub(super) pods: Vec<PodView>,
}

/// How a pod fares.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodView {
    pub(super) name: String,
    /// `serve` or `migrate`.
    pub(super) role: String,
    /// Kubernetes' phase of it, or `Terminating`.
    pub(super) phase: String,
    pub(super) ready: bool,
    pub(super) restarts: i32,
    pub(super) created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<String>,
}

/// Puts it together.
pub(super) fn view(
    platform: &FoodPlatform,
    pods: Result<Vec<Pod>, String>,
    mut lags: BTreeMap<FoodService, Lag>,
) -> View {
    let (pods, pods_unknown) = match pods {
        Ok(pods) => (pods, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let (namespace, name) = (platform.namespace().unwrap_or_default(), platform.name_any());
    let generation = platform.metadata.generation;
    let status = platform.status.clone().unwrap_or_default();
    let is_ready = status.conditions.iter().any(|c| c.type_ == condition::READY && c.status == "True");
    let services = status.services.into_iter().map(|status| ServiceView {
        pods: pods_of(status.name, &pods),
        lag: lags.remove(&status.name),
        status,
    });
    View {
        ready: is_ready && status.observed_generation == generation,
        generation,
        observed_generation: status.observed_generation.filter(|seen| *seen != NO_GENERATION),
        created: platform.creation_timestamp().map(|time| time.0),
        services_ready: status.services_ready,
        endpoint: status.endpoint,
        conditions: status.conditions,
        services: services.collect(),
        volumes: status.volumes,
        topics: status.topics,
        topic_prefix: platform
            .spec
            .kafka
            .topic_prefix
            .clone()
            .unwrap_or_else(|| defaults::topic_prefix(&namespace, &name)),
        namespace,
        name,
        pods_unknown,
    }
}

/// The service's pods, but for migrations that have ended well; the oldest first.
fn pods_of(service: FoodService, pods: &[Pod]) -> Vec<PodView> {
    let of_service = |pod: &&Pod| pod.labels().get(labels::NAME).is_some_and(|name| name == service.as_str());
    let pods = pods.iter().filter(of_service).map(|pod| pod_view(service, pod));
    let mut pods: Vec<_> = pods.filter(|pod| pod.phase != "Succeeded").collect();
    pods.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    pods
}

fn pod_view(service: FoodService, pod: &Pod) -> PodView {
    let role = pod.labels().get(labels::ROLE).cloned().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let is_leaving = pod.metadata.deletion_timestamp.is_some();
    let phase = if is_leaving { Some("Terminating".to_owned()) } else { status.phase };
    let restarts = status.container_statuses.iter().flatten().map(|container| container.restart_count);
    // A migration that ended with an error is news at once; a service may end while what it needs starts up.
    let failure = || {
        let words = failure_of(pod).filter(|_| role == labels::ROLE_MIGRATE)?;
        Some(format!("the migration ended with an error: {words}"))
    };
    PodView {
        name: pod.name_any(),
        phase: phase.unwrap_or_else(|| "Pending".to_owned()),
        ready: is_ready(pod),
        restarts: restarts.sum(),
        created: pod.creation_timestamp().map(|time| time.0),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        trouble: trouble(service, pod).map(|obstacle| obstacle.message).or_else(failure),
        role,
    }
}
