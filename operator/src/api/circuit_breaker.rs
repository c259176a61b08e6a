//! Circuit breakers: what callers of a service spare its pods.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// What callers spare the pods of a service, with Envoy's words and meanings. The gateway keeps to it, and order when it
/// calls cook: each caller for itself, and for each pod by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreakerSpec {
    /// How many requests may wait for a connection, over all pods together; one more is answered with 503 at once. With
    /// 0 every request that finds no idle connection is. Default: 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_pending_requests: Option<i32>,
    /// How many requests one connection carries before it is closed; 0 is no limit, 1 a connection for each request.
    /// Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_requests_per_connection: Option<i32>,
    /// How many failures of a pod in a row (an answer of 500 to 599, none, or none in time) eject it: nothing is sent to
    /// it for a while. 0 is never. Default: 5.
    #[serde(default, rename = "consecutive5xxErrors", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub consecutive_5xx_errors: Option<i32>,
    /// How often ejected pods are looked at, such as `1s`: only then do they come back. Default: `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::positive_duration("interval"))]
    pub interval: Option<String>,
    /// How long a pod is ejected, such as `30s`, times the number of its ejections in a row, up to 5 minutes or this
    /// time, whichever is more. Default: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::positive_duration("baseEjectionTime"))]
    pub base_ejection_time: Option<String>,
    /// How many of the pods may be ejected at once, in percent, rounded down: 50 of 3 pods is 1, and less than 100 of a
    /// single one is none. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_ejection_percent: Option<i32>,
}
