//! The gateway: the one way in.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::rules;

/// How the gateway is reached from outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::node_port_needs_its_type())]
pub struct GatewaySpec {
    /// The type of the gateway's Service.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<GatewayType>,
    /// The port on every node, 30000 to 32767, with type `NodePort` only. Default: Kubernetes chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::node_port())]
    pub node_port: Option<i32>,
    /// Annotations of the gateway's Service, such as those that a cloud's load balancer reads. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "annotations")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// The type of the gateway's Service: `LoadBalancer`, `NodePort`, or `ClusterIP` to be reached from inside the cluster
/// only. Default: `LoadBalancer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GatewayType {
    /// A load balancer of the cluster's provider.
    #[default]
    LoadBalancer,
    /// A port on every node.
    NodePort,
    /// Inside the cluster only.
    ClusterIP,
}

impl GatewayType {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalancer => "LoadBalancer",
            Self::NodePort => "NodePort",
            Self::ClusterIP => "ClusterIP",
        }
    }
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(32, 4096)
}
