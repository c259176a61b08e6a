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
    #[x_kube(validation = rules::annotations("annotations"))]
    pub annotations: Option<BTreeMap<String, String>>,
    /// An Ingress that leads to the gateway, for an ingress controller that runs in the cluster. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// An HTTPRoute of the Gateway API that leads to the gateway, for a Gateway that is in the cluster. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRouteSpec>,
}

/// The type of the gateway's Service: `LoadBalancer`, `NodePort`, or `ClusterIP` to be reached from inside the cluster
/// only. Default: `ClusterIP` with `ingress` or `httpRoute`, `LoadBalancer` without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GatewayType {
    /// A load balancer of the cluster's provider.
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

/// An Ingress that leads to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    /// The IngressClass, such as `nginx` or `alb`. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("className"))]
    pub class_name: Option<String>,
    /// The host name that the gateway answers to, such as `shop.example.com` or `*.example.com`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::host_name("host"))]
    pub host: String,
    /// The Secret of type `kubernetes.io/tls`, in the platform's namespace, with the certificate of `host`. Default: no
    /// TLS, or what the ingress controller does of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("tlsSecretName"))]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, which ingress controllers and certificate managers read. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "annotations")]
    #[x_kube(validation = rules::annotations("annotations"))]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// An HTTPRoute that leads to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways that it is attached to.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = rules::parents_differ())]
    pub parent_refs: Vec<ParentRef>,
    /// The host names that the gateway answers to, such as `shop.example.com`. Default: those of the Gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = rules::host_names())]
    pub hostnames: Option<Vec<String>>,
}

/// A Gateway of the Gateway API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("name"))]
    pub name: String,
    /// Its namespace. Default: the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::namespace_name())]
    pub namespace: Option<String>,
    /// Its listener. Default: all that take the host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("sectionName"))]
    pub section_name: Option<String>,
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(32, 4096)
}
