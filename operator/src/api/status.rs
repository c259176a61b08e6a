//! What is so: the status that the controller writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::FoodService;

/// The types of the conditions.
pub mod condition {
    /// Everything that the spec asks for is there and ready.
    pub const READY: &str = "Ready";
    /// The cluster is being brought to what the spec asks for.
    pub const RECONCILING: &str = "Reconciling";
    /// Something that only a person can change is in the way.
    pub const STALLED: &str = "Stalled";
    /// Everything is left as it is, since the spec says so.
    pub const PAUSED: &str = "Paused";
    /// The topics are there as the spec asks for.
    pub const TOPICS_READY: &str = "TopicsReady";
    /// The database answers.
    pub const DATABASE_REACHABLE: &str = "DatabaseReachable";
}

/// The generation that a status is about which the operator hasn't written yet.
pub const NO_GENERATION: i64 = -1;

/// What is so, as the operator last saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoodPlatformStatus {
    /// The generation of the spec that this status is about; -1 until the operator has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: all that the spec asks for is there and ready. Reconciling: it is being brought about, or waits for something
    /// that heals by itself. Stalled: a person has to act. Paused: `spec.paused` is true. TopicsReady, DatabaseReachable:
    /// Kafka's topics are as asked for; the database answers the operator. The reasons are told of in docs/src/reference.md.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions", length(max = 16))]
    pub conditions: Vec<Condition>,
    /// How many of the services are ready, such as `5/5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub services_ready: Option<String>,
    /// The services, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<ServiceStatus>,
    /// The topics, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<TopicStatus>,
    /// The claims for log files, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<VolumeStatus>,
    /// Where the gateway is reached, as far as it is known; Ready doesn't wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub endpoint: Option<String>,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// The service.
    pub name: FoodService,
    /// The image that its Deployment runs.
    #[schemars(length(max = 512))]
    pub image: String,
    /// The image that was last ready with all pods wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub last_ready_image: Option<String>,
    /// The rollout that was given up for `lastReadyImage`, as long as the spec asks for its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_rollout: Option<FailedRollout>,
    /// Pods that are wanted.
    pub desired: i32,
    /// Pods that run the wanted version.
    pub updated: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// What its autoscaler does, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingStatus>,
}

/// A rollout that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedRollout {
    /// The image that did not become ready.
    #[schemars(length(max = 512))]
    pub image: String,
    /// Why, as its pods told it.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// What an autoscaler does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingStatus {
    /// Pods that it last saw.
    pub current: i32,
    /// The fewest that it keeps.
    pub min: i32,
    /// The most that it starts.
    pub max: i32,
}

/// How a topic stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// Its full name in Kafka.
    #[schemars(length(max = 249))]
    pub name: String,
    /// The partitions that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Kafka's id of it: another one under the same name is another topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub topic_id: Option<String>,
    /// Whether it is as asked for.
    pub state: TopicState,
}

/// Whether a topic is as asked for (`Ready`), there but not so (`Differs`; TopicsReady says why), not there yet (`Missing`),
/// not made for this platform (`Foreign`; see `spec.kafka.adopt`), or not known, since Kafka could not be asked
/// (`Unknown`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TopicState {
    /// As asked for.
    Ready,
    /// There, but not as asked for; the condition TopicsReady says why.
    Differs,
    /// Not there yet.
    Missing,
    /// There, but not made for this platform.
    Foreign,
    /// Kafka could not be asked.
    Unknown,
}

/// How a claim stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// The claim's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Kubernetes' phase of it: `Pending`, `Bound` or `Lost`.
    #[schemars(length(max = 32))]
    pub phase: String,
    /// The size that it has, once it is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub capacity: Option<String>,
}

/// Kubernetes' own schema of a list of conditions.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": { "type": "string", "maxLength": 316, "description": "What it is about." },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it is so." },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "description": "Why, in one word for programs.",
                },
                "message": { "type": "string", "maxLength": 32768, "description": "Why, in a sentence for people." },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time", "description": "When the status last changed.",
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The generation of the spec that it is about.",
                },
            },
        },
    })
}
