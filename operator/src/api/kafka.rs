//! Kafka and the database: what the platform needs from outside.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{
    kafka_security::{CaSecretRef, KafkaSaslSpec, KafkaTlsSpec},
    rules,
};

/// The Kafka cluster and the topics on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::topic_prefix_is_immutable(),
    validation = rules::whose_topics_these_are(),
    validation = rules::plain_takes_tls(),
    validation = rules::strimzi_goes_with_its_management()
)]
pub struct KafkaSpec {
    /// `host:port` of the brokers to ask first, divided by commas. They have to be reachable from the platform's pods
    /// and from the operator's.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rules::bootstrap_servers())]
    pub bootstrap_servers: String,
    /// Encrypted connections, and certificates; `{}` is enough where the brokers' certificates come from a well-known
    /// authority. Without it connections are open to whoever listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<KafkaTlsSpec>,
    /// A name and a password for the brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<KafkaSaslSpec>,
    /// What the names of topics begin with. Immutable: other topics would be other data. Default:
    /// `NAMESPACE.NAME.`, so that platforms can share a Kafka cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::topic_prefix())]
    pub topic_prefix: Option<String>,
    /// Settings of each topic: PREFIX`menu`, `cook`, `delivery` and `order-requests`, each of which has a dead-letter topic
    /// beside it, `NAME.dlq`, with one partition. What isn't set here is taken from `topicDefaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<TopicsSpec>,
    /// Settings of the topics that don't say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_defaults: Option<TopicSpec>,
    /// Who makes the topics and changes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_management: Option<TopicManagement>,
    /// The Strimzi cluster whose Topic Operator makes the topics; required with `topicManagement: Strimzi`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strimzi: Option<StrimziSpec>,
    /// What becomes of the topics when the platform is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Take topics of the platform's names that somebody else made, as if they had been made for it. Without it they are
    /// left alone, for another platform may use them, and the condition TopicsReady says so. A platform that is deleted
    /// and created again takes up its own topics as long as the ConfigMap `NAME-topics` is there, which goes with its
    /// namespace only. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<bool>,
}

/// Who makes the topics and changes them: with `Direct` the operator, by Kafka's admin protocol; with `Strimzi` Strimzi's
/// Topic Operator, for which the operator writes KafkaTopic resources; with `External` somebody else: the operator changes
/// nothing, and TopicsReady says what differs. Default: `Direct`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TopicManagement {
    /// The operator.
    #[default]
    Direct,
    /// Strimzi's Topic Operator.
    Strimzi,
    /// Somebody else.
    External,
}

/// A Kafka cluster that Strimzi runs, with its Topic Operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StrimziSpec {
    /// The name of its Kafka resource.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::strimzi_cluster())]
    pub cluster: String,
    /// The namespace that its Topic Operator watches: mostly the one of the Kafka resource. The operator has to be allowed
    /// KafkaTopics in it. Default: the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::namespace_name())]
    pub namespace: Option<String>,
}

/// What becomes of the topics when the platform is deleted: `Retain` keeps them, `Delete` deletes those that were made or
/// adopted for it, once its last pod is gone. Default: `Retain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, and are taken up again by a platform of the same name in the same namespace.
    #[default]
    Retain,
    /// They go.
    Delete,
}

/// The topics. Each has a dead-letter topic beside it, `NAME.dlq`, with one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicsSpec {
    /// What order says to the kitchen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<TopicSpec>,
    /// What the kitchen says to delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cook: Option<TopicSpec>,
    /// What delivery tells order and mypage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<TopicSpec>,
    /// What the gateway took in for order while order was away (`order-requests`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_requests: Option<TopicSpec>,
}

/// Settings of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicSpec {
    /// Partitions: how many pods of one service can work on the topic at once. They can be added to, never taken
    /// away: a smaller number leaves the topic as it is. Default: 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: Option<i32>,
    /// Copies of each partition. It is used when the topic is created; a later change is reported and not carried
    /// out. Default: the brokers' `default.replication.factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub replication_factor: Option<i32>,
    /// How long messages are kept, such as `7d`, `36h` or `forever`. Dead letters are kept for 30 days at least.
    /// Default: `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = rules::retention())]
    pub retention: Option<String>,
    /// Any other topic setting of Kafka, such as `min.insync.replicas: "2"`. On a topic it is laid over that of
    /// `topicDefaults`, key by key. One that is taken out here goes back to the brokers' default; what others have set on a
    /// topic stays. Default: the brokers' settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "topic_config")]
    #[x_kube(validation = rules::config_without_retention(), validation = rules::config_keys())]
    pub config: Option<BTreeMap<String, String>>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSpec {
    /// The Secret in the platform's namespace that holds the database's URL, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`,
    /// with special characters percent-encoded. The host has to be reachable under that name from the platform's pods and
    /// from the operator's: `SERVICE.NAMESPACE`, not `SERVICE`. The user has to be allowed to create schemas, or they have
    /// to be there: `NAMESPACE__NAME__SERVICE`, with `_` for `-`.
    pub secret_ref: SecretKeyRef,
    /// The Secret in the platform's namespace with the certificates (PEM) of who vouches for the server, such as
    /// CloudNativePG's `CLUSTER-ca`. Connections are then always encrypted, and the server's certificate has to be for the
    /// host of the URL (`sslmode=verify-full`), unless the URL says `sslmode=verify-ca`. Default: what the URL's `sslmode`
    /// says, with the well-known authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// A key of a Secret in the platform's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_name())]
    pub name: String,
    /// The key in the Secret's data. Default: `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub key: Option<String>,
}

fn topic_config(_: &mut SchemaGenerator) -> Schema {
    rules::bounded_map(32, 1024)
}
