//! FoodPlatform v1alpha1: what a user asks for, and what is so.
//!
//! One file per part of the spec. The schema holds the bounds and the rules (CEL), each with a message that names the
//! field and the way out. It holds no defaults: they are applied in memory ([`defaults`]), so that nothing is written
//! into the user's spec.

#![allow(unreachable_pub, reason = "KubeSchema copies each `pub struct` into a function")]

mod circuit_breaker;
mod crd;
pub mod defaults;
mod gateway;
mod kafka;
mod kafka_security;
mod logs;
mod mesh;
mod network_policy;
mod platform;
mod pods;
mod probes;
mod reason;
mod reference;
mod rollout;
mod rules;
mod service;
mod services;
mod status;
mod values_schema;

#[cfg(test)]
mod tests;

pub use circuit_breaker::CircuitBreakerSpec;
pub use crd::{crd, crd_yaml};
pub use gateway::{GatewaySpec, GatewayType, HttpRouteSpec, IngressSpec, ParentRef};
pub use kafka::{
    DatabaseSpec, DeletionPolicy, KafkaSpec, SecretKeyRef, StrimziSpec, TopicManagement, TopicSpec, TopicsSpec,
};
pub use kafka_security::{
    CaSecretRef, CertificateSecretRef, CredentialsSecretRef, KafkaSaslSpec, KafkaTlsSpec, SaslMechanism,
};
pub use logs::{AccessMode, LogVolumeSpec, LogsSpec, Retention};
pub use mesh::Mesh;
pub use network_policy::{EgressPeer, MetricsPeer, NetworkPolicySpec};
pub use platform::{FoodPlatform, FoodPlatformSpec, ImageSpec, PullPolicy};
pub use pods::{PodsSpec, TaintEffect, Toleration, TolerationOperator, Variable};
pub use probes::{ProbeSpec, ProbesSpec};
pub use reason::Reason;
pub use reference::reference;
pub use rollout::{OnFailure, RolloutSpec};
pub use service::FoodService;
pub use services::{
    Amounts, AutoscalingSpec, ConfiguredSpec, CookConfig, DeliveryConfig, GatewayConfig, HpaBehavior, HpaPolicy,
    HpaPolicyType, HpaScalingRules, HpaSelectPolicy, OrderConfig, ResourcesSpec, ServiceSpec, ServicesSpec,
};
pub use status::{
    AutoscalingStatus, FailedRollout, FoodPlatformStatus, NO_GENERATION, ServiceStatus, TopicState, TopicStatus,
    VolumeStatus, condition,
};
pub use values_schema::values_schema;
