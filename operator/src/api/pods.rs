//! What can be said of a service's pods: where they run, and what they carry.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rules;

/// Where a service's pods run, and what they carry besides what the operator gives them. It holds for the pods that
/// migrate the service's schema, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsSpec {
    /// Labels of the pods, for others to find them by. Those of `app.kubernetes.io` and `foodplatform.dev` are the
    /// operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(
        validation = rules::labels("labels"), validation = rules::foreign_keys("labels"),
        validation = rules::labels_of_jobs()
    )]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the pods. Those of `foodplatform.dev` are the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "annotations")]
    #[x_kube(validation = rules::annotations("annotations"), validation = rules::foreign_keys("annotations"))]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels that a node must have to run the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = rules::labels("nodeSelector"))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that the pods put up with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Option<Vec<Toleration>>,
    /// Which nodes and which other pods the pods are to be near to or far from, as in a pod's `spec.affinity`: see
    /// `kubectl explain pod.spec.affinity`. Default: spread over zones and nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "affinity")]
    pub affinity: Option<Value>,
    /// The PriorityClass of the pods. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("priorityClassName"))]
    pub priority_class_name: Option<String>,
    /// Further environment variables. They override those that the operator sets from the spec, such as LOG_LEVEL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<Variable>>,
}

/// A taint that pods put up with, as Kubernetes means it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::toleration_has_a_key(), validation = rules::toleration_of_any_value(),
    validation = rules::toleration_for_a_time()
)]
pub struct Toleration {
    /// The taint's key; without it every taint is meant, which takes the operator `Exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::taint_key())]
    pub key: Option<String>,
    /// How the taint's value is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::taint_value())]
    pub value: Option<String>,
    /// What the taint does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long pods stay on a node that gets such a taint with effect `NoExecute`, in seconds. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// Whether the taint's value has to be `value` (`Equal`), or any will do (`Exists`). Default: `Equal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// It has to be the same.
    Equal,
    /// Any will do.
    Exists,
}

/// What the taint does: no pod comes (`NoSchedule`), pods come when there is no other node (`PreferNoSchedule`), or no pod
/// comes and those that are there go (`NoExecute`). Default: every effect is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// No pod comes.
    NoSchedule,
    /// Pods come when there is no other node.
    PreferNoSchedule,
    /// No pod comes, and those that are there go.
    NoExecute,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::variable_name(), validation = rules::foreign_variable())]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// Written out for each service it would be most of the definition.
fn affinity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "maxProperties": 3, "x-kubernetes-preserve-unknown-fields": true })
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(32, 63)
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(32, 4096)
}
