//! The service mesh that a platform is in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The service mesh that the platform's pods are in: with `Istio` each service behind the gateway gets a DestinationRule
/// that says its circuit breaker to the mesh as well, and the pods that migrate databases have no proxy. Default: `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mesh {
    /// None that is to be told anything. The services keep to the circuit breakers by themselves in any case.
    #[default]
    None,
    /// Istio.
    Istio,
}
