//! The services: how many pods, of which image, with which settings.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CircuitBreakerSpec, DatabaseSpec, FoodService, PodsSpec, ProbesSpec, rules};

/// Settings of each service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::nobody_calls_the_gateway(), validation = rules::the_gateway_keeps_nothing())]
pub struct ServicesSpec {
    /// Takes orders and knows how they stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ConfiguredSpec<OrderConfig>>,
    /// The kitchen: menu, stock and cooking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cook: Option<ConfiguredSpec<CookConfig>>,
    /// Brings what was cooked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<ConfiguredSpec<DeliveryConfig>>,
    /// Shows customers their orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mypage: Option<ServiceSpec>,
    /// The one way in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<ConfiguredSpec<GatewayConfig>>,
}

impl ServicesSpec {
    /// What is set for `service` of the settings that all services have.
    pub fn common(&self, service: FoodService) -> Option<&ServiceSpec> {
        match service {
            FoodService::Order => self.order.as_ref().map(|order| &order.common),
            FoodService::Cook => self.cook.as_ref().map(|cook| &cook.common),
            FoodService::Delivery => self.delivery.as_ref().map(|delivery| &delivery.common),
            FoodService::MyPage => self.mypage.as_ref(),
            FoodService::Gateway => self.gateway.as_ref().map(|gateway| &gateway.common),
        }
    }
}

/// Settings that all services have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::replicas_or_autoscaling())]
pub struct ServiceSpec {
    /// An image of its own, instead of `REGISTRY/SERVICE:TAG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::image())]
    pub image: Option<String>,
    /// How many pods run, 0 to 100. Either this or `autoscaling`. Default: 1 to begin with. When it is removed, the number
    /// goes back to 1 if it was set from here, and stays if autoscaling, or somebody who scales the Deployment, had made
    /// it that number already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Let the load decide how many pods run. Either this or `replicas`. When it begins and when it ends, as many pods run
    /// on as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
    /// What each pod asks for and may use. Default: requests of 50m CPU and 32Mi memory, a limit of 128Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// The circuit breaker that callers of this service keep to (the gateway, and order when it calls cook), with Envoy's
    /// meanings: how many requests may wait, and when a failing pod is left out for a while. Each caller counts for itself.
    /// Not for the gateway, which no service calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreakerSpec>,
    /// A PostgreSQL database of its own, instead of the platform's. What it has kept so far isn't moved there. Not for the
    /// gateway, which keeps nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSpec>,
    /// How often its pods are asked how they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbesSpec>,
    /// Where its pods run, and what they carry.
    #[serde(flatten)]
    pub pods: PodsSpec,
}

/// Settings of a service that has some of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredSpec<C> {
    /// The settings that all services have.
    #[serde(flatten)]
    pub common: ServiceSpec,
    /// The service's own settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<C>,
}

/// Order's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderConfig {
    /// How long making a connection to a pod of cook may take, when an order is to be cancelled, before another pod is
    /// tried: up to 5 s. Default: `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::duration_up_to("connectTimeout", 5))]
    pub connect_timeout: Option<String>,
    /// How long cook may take to say whether it could cancel: up to 5 s. After that the customer is told that the
    /// cancellation is under way, and order asks again by itself. Default: `3s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::duration_up_to("responseTimeout", 5))]
    pub response_timeout: Option<String>,
}

/// The gateway's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConfig {
    /// How long making a connection to a pod may take, before another pod is tried: up to 5 s. Default: `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::duration_up_to("connectTimeout", 5))]
    pub connect_timeout: Option<String>,
    /// How long a service may take until its answer begins: up to 9 s, after which the services themselves give up.
    /// Default: `8s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::duration_up_to("responseTimeout", 9))]
    pub response_timeout: Option<String>,
}

/// The kitchen's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CookConfig {
    /// How long cooking takes: a range such as `1s..3s`, a fixed time such as `0s`, or `manual` to wait for
    /// `POST /cooks/{cookId}/complete`. Default: `5s..15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::time_range("cookingTime"))]
    pub cooking_time: Option<String>,
}

/// Delivery's own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryConfig {
    /// How long a delivery takes: a range such as `1s..3s`, a fixed time such as `0s`, or `manual` to wait for
    /// `POST /deliveries/{deliveryId}/complete`. Default: `5s..15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::time_range("deliveryTime"))]
    pub delivery_time: Option<String>,
}

/// How the load decides how many pods run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::min_at_most_max())]
pub struct AutoscalingSpec {
    /// The fewest pods. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: Option<i32>,
    /// The most pods.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// The CPU use to aim at, in percent of what the pods request. Default: 80.
    #[serde(default, rename = "targetCPUUtilizationPercentage", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// How fast pods are added and taken away. Default: what Kubernetes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HpaBehavior>,
}

/// How fast pods are added and taken away, as HorizontalPodAutoscaler means it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HpaBehavior {
    /// When more are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<HpaScalingRules>,
    /// When fewer are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<HpaScalingRules>,
}

/// How fast the number of pods changes in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HpaScalingRules {
    /// For how many past seconds recommendations are kept in mind: scaling down takes the highest of them, scaling up the
    /// lowest. Default: Kubernetes', 300 down and 0 up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which of the policies counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<HpaSelectPolicy>,
    /// How much may change in how much time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub policies: Option<Vec<HpaPolicy>>,
}

/// Which of the policies counts: the one that changes most (`Max`) or least (`Min`), or none (`Disabled`). Default:
/// `Max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HpaSelectPolicy {
    /// The one that changes most.
    Max,
    /// The one that changes least.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// How much may change in how much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HpaPolicy {
    /// What `value` counts: `Pods`, or `Percent` of the pods that run.
    #[serde(rename = "type")]
    pub type_: HpaPolicyType,
    /// How much may change.
    #[schemars(range(min = 1, max = 10000))]
    pub value: i32,
    /// In how many seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HpaPolicyType {
    /// Pods.
    Pods,
    /// Percent of the pods that run.
    Percent,
}

/// What each pod asks for and may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::request_at_most_limit("cpu"), validation = rules::request_at_most_limit("memory"))]
pub struct ResourcesSpec {
    /// What is set aside for each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What each pod may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

/// Amounts of what a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// CPUs, such as `500m` or `2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(validation = rules::cpu())]
    pub cpu: Option<String>,
    /// Memory, such as `128Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(validation = rules::memory())]
    pub memory: Option<String>,
}
