//! The resource itself and its spec.

use std::iter;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DatabaseSpec, FoodPlatformStatus, FoodService, GatewaySpec, KafkaSpec, LogsSpec, Mesh, NetworkPolicySpec,
    RolloutSpec, ServicesSpec, rules,
};

/// A food-delivery platform: order, cook, delivery, mypage and gateway, with everything that they need on Kubernetes
/// and their Kafka topics.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "foodplatform.dev",
    version = "v1alpha1",
    kind = "FoodPlatform",
    plural = "foodplatforms",
    shortname = "fp",
    namespaced,
    status = "FoodPlatformStatus",
    derive = "PartialEq",
    doc = "A food-delivery platform: its services with everything that they need on Kubernetes, and their Kafka topics.",
    validation = rules::platform_name(),
    printcolumn(
        name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether everything that the spec asks for is there and ready"
    ),
    printcolumn(name = "Tag", type_ = "string", json_path = ".spec.image.tag", description = "The images' tag"),
    printcolumn(
        name = "Services", type_ = "string", json_path = ".status.servicesReady",
        description = "How many services are ready"
    ),
    printcolumn(
        name = "Endpoint", type_ = "string", json_path = ".status.endpoint",
        description = "Where the gateway is reached"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not, in a word", priority = "1"
    ),
    printcolumn(
        name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "Why it is ready or not, in a sentence", priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::log_claims_keep_their_class(), validation = rules::log_claims_keep_their_access_modes())]
pub struct FoodPlatformSpec {
    /// Leave everything as it is: while this is true the operator creates, changes and deletes nothing, and says so in
    /// the condition Paused. What was changed in the spec meanwhile is brought about afterwards. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Where the services' images come from: `REGISTRY/SERVICE:TAG`.
    pub image: ImageSpec,
    /// Settings of each service. A service that isn't named here runs with the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServicesSpec>,
    /// The Kafka cluster that carries the services' events, and their topics.
    pub kafka: KafkaSpec,
    /// The PostgreSQL database that the services keep their data in, each in a schema of its own. A service may have
    /// another one (`services.X.database`).
    pub database: DatabaseSpec,
    /// What the services log, and where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsSpec>,
    /// How the gateway is reached from outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
    /// The service mesh that the platform's pods are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<Mesh>,
    /// Which traffic the platform's pods may have: what the platform needs, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,
    /// How new versions of the services take the place of old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSpec>,
    /// How long the deletion of the platform may wait for its pods to end and for its topics to be deleted, with
    /// `kafka.deletionPolicy: Delete`; after that they are left, which an event tells. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::positive_duration("deletionTimeout"))]
    pub deletion_timeout: Option<String>,
}

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// Registry and path that hold one image per service, such as `ghcr.io/example/foodplatform`.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = rules::registry())]
    pub registry: String,
    /// The tag of every service's image, such as `1.4.0`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::tag())]
    pub tag: String,
    /// When nodes pull the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Names of Secrets of type `kubernetes.io/dockerconfigjson`, in the platform's namespace, to pull the images
    /// with. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::pull_secrets())]
    pub pull_secrets: Option<Vec<String>>,
}

/// When nodes pull the images: `Always`, `IfNotPresent` or `Never`. Default: what Kubernetes does, `Always` for the tag
/// `latest` and `IfNotPresent` for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// When the node doesn't have it.
    IfNotPresent,
    /// The image has to be on the node.
    Never,
}

impl PullPolicy {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl FoodPlatformSpec {
    /// The names of the Secrets that it refers to, but for those to pull images with; a name may come more than once.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let services = FoodService::ALL.into_iter().filter_map(|service| self.services.as_ref()?.common(service));
        let own = services.filter_map(|service| service.database.as_ref());
        let databases = iter::once(&self.database).chain(own).flat_map(|database| {
            let ca = database.ca_secret_ref.as_ref().map(|ca| &ca.name);
            iter::once(&database.secret_ref.name).chain(ca)
        });
        let tls = self.kafka.tls.iter().flat_map(|tls| {
            let ca = tls.ca_secret_ref.as_ref().map(|ca| &ca.name);
            ca.into_iter().chain(tls.client_secret_ref.as_ref().map(|client| &client.name))
        });
        let sasl = self.kafka.sasl.as_ref().map(|sasl| &sasl.secret_ref.name);
        databases.chain(tls).chain(sasl).map(String::as_str)
    }
}
