//! Which traffic the platform's pods may have.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::rules;

/// Which traffic the platform's pods may have, those of migrations among them: what the platform needs, and nothing
/// else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Whether there are NetworkPolicies. With them anyone reaches the gateway, and nobody the services behind it but
    /// those that call them; pods reach each other along the same paths, and outside of the platform DNS at port 53,
    /// Kafka and PostgreSQL (see `egress`). They have an effect where the cluster's network enforces them, as Calico and
    /// Cilium do. With `mesh: Istio` sidecars reach the control plane at port 15012; in Istio's ambient mode, where all
    /// traffic is at port 15008, set false. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whom pods may reach outside of the platform, besides DNS: Kafka, PostgreSQL, and whatever else they need. It takes
    /// the place of the default, and is needed where that is not enough: where brokers advertise other ports than those
    /// of `kafka.bootstrapServers`, or where Kafka or PostgreSQL are reached by a Service whose pods listen at another
    /// port than its own. When this, Kafka's or the database's ports change, what held before goes on holding until no
    /// pod of an older version runs. Default: any address, at the ports of `kafka.bootstrapServers`, and for services
    /// with a database at the port of its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub egress: Option<Vec<EgressPeer>>,
    /// Who may read metrics, at port 9090: a Prometheus, and for consumer lag in `kubectl foodplatform status` the API
    /// server, which asks pods on people's behalf. Default: nobody; the probes of the node's kubelet need no permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub metrics_from: Option<Vec<MetricsPeer>>,
}

/// Whom pods may reach: addresses, or pods by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::cidr_or_labels())]
pub struct EgressPeer {
    /// Addresses, such as `10.20.0.0/16`; `10.20.0.7/32` is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::cidr())]
    pub cidr: Option<String>,
    /// Labels of the pods' namespaces, such as `kubernetes.io/metadata.name: kafka`; `{}` is every namespace. Default:
    /// the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = rules::labels("namespaceLabels"))]
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// Labels of the pods. Default: all pods of the namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = rules::labels("podLabels"))]
    pub pod_labels: Option<BTreeMap<String, String>>,
    /// TCP ports at which the peers listen: for pods their own, not those of a Service before them. Default: every port of
    /// every protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(range(min = 1, max = 65535)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ports: Option<Vec<i32>>,
}

/// Who may read metrics: addresses, or pods by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::reader_is_cidr_or_labels())]
pub struct MetricsPeer {
    /// Addresses, such as `10.20.0.0/16`; `10.20.0.7/32` is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::cidr())]
    pub cidr: Option<String>,
    /// Labels of the pods' namespaces, such as `kubernetes.io/metadata.name: monitoring`; `{}` is every namespace.
    /// Default: the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = rules::labels("namespaceLabels"))]
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// Labels of the pods. Default: all pods of the namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = rules::labels("podLabels"))]
    pub pod_labels: Option<BTreeMap<String, String>>,
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(16, 63)
}
