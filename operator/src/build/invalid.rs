//! Why a platform can't be built.

use super::{quantity::InvalidQuantity, topics::InvalidRetention};
use crate::api::FoodService;

/// Why a `FoodPlatform` can't be built. The apiserver refuses such a spec already where the definition is the one of
/// this operator; nothing can be done but to change the spec.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidPlatform {
    /// It doesn't come from an apiserver.
    #[error("metadata.{0} is missing, which only an object that no apiserver has seen lacks")]
    MissingMetadata(&'static str),
    /// A name from which children's names can't grow.
    #[error(
        "metadata.name {0:?} is longer than 40 characters, too long for the names of its children: use a shorter one"
    )]
    NameTooLong(String),
    /// A quantity that is none.
    #[error("spec.{field}: {source}")]
    Quantity {
        /// The field, without `spec`.
        field: String,
        /// What is wrong.
        source: InvalidQuantity,
    },
    /// A duration that is none.
    #[error("spec.{field}: {source}")]
    Duration {
        /// The field, without `spec`.
        field: &'static str,
        /// What is wrong.
        source: humantime::DurationError,
    },
    /// A retention that is none.
    #[error("spec.kafka: {0}")]
    Retention(#[from] InvalidRetention),
    /// A broker whose port is none.
    #[error("spec.kafka.bootstrapServers: {0:?} does not end in a port from 1 to 65535, such as kafka:9092")]
    BootstrapServer(String),
    /// An affinity that is none.
    #[error("spec.services.{service}.affinity: {reason}; see kubectl explain pod.spec.affinity")]
    Affinity {
        /// The service.
        service: FoodService,
        /// What is wrong.
        reason: String,
    },
    /// Two fields that exclude each other.
    #[error("spec.services.{0}: replicas and autoscaling exclude each other: remove one of them")]
    ReplicasAndAutoscaling(FoodService),
    /// An autoscaler that can't exist.
    #[error("spec.services.{0}.autoscaling: minReplicas is above maxReplicas")]
    MinAboveMax(FoodService),
}
