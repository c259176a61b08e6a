//! Rollouts: how new versions take the place of old ones.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// How a new version of a service takes the place of an old one. Its pods are started one by one, and an old pod ends only
/// when a new one is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// How long it may take until the next new pod is ready, such as `5m`, the pulling of its image included. After that
    /// the rollout has failed. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::positive_duration("progressDeadline"))]
    pub progress_deadline: Option<String>,
    /// What becomes of a service whose rollout has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// What becomes of a service whose rollout has failed: with `Hold` it stays as it is, old pods beside new ones that are
/// not ready; with `Rollback` its last image that was ready is run again. Either way the condition Stalled says why, and
/// another image in the spec is tried at once. Default: `Hold`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// It stays as it is.
    #[default]
    Hold,
    /// Its last image that was ready is run again.
    Rollback,
}
