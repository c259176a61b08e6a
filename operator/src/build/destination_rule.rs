//! The DestinationRule (Istio) of a service, where the platform is in such a mesh: its circuit breaker in the mesh's
//! words.
//!
//! Source: Istio's reference of `DestinationRule`, `ConnectionPoolSettings` and `OutlierDetection`. Its numbers of 0 mean
//! "not set" where ours mean none; what can't be said in them is left out, and the services keep to it by themselves.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
};
use crate::api::defaults;

/// The kind.
pub(super) fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("networking.istio.io", "v1", "DestinationRule"))
}

pub(super) fn build(platform: &Platform, settings: &ServiceSettings) -> DynamicObject {
    let name = names::child(&platform.name, settings.service);
    let breaker = &settings.circuit_breaker;
    let mut http = json!({
        "maxRequestsPerConnection":
            breaker.max_requests_per_connection.unwrap_or(defaults::MAX_REQUESTS_PER_CONNECTION),
    });
    let pending = breaker.max_pending_requests.unwrap_or(defaults::MAX_PENDING_REQUESTS);
    if pending > 0 {
        http["http1MaxPendingRequests"] = json!(pending);
    }
    let percent = breaker.max_ejection_percent.unwrap_or(defaults::MAX_EJECTION_PERCENT);
    let errors = breaker.consecutive_5xx_errors.unwrap_or(defaults::CONSECUTIVE_5XX_ERRORS);
    let outliers = json!({
        // To eject none is to count none.
        "consecutive5xxErrors": if percent == 0 { 0 } else { errors },
        "interval": breaker.interval.as_deref().unwrap_or(defaults::EJECTION_INTERVAL),
        "baseEjectionTime": breaker.base_ejection_time.as_deref().unwrap_or(defaults::BASE_EJECTION_TIME),
        "maxEjectionPercent": percent,
    });
    let mut object = DynamicObject::new(&name, &resource()).data(json!({ "spec": {
        // Of the rule's own namespace.
        "host": name,
        "trafficPolicy": { "connectionPool": { "http": http }, "outlierDetection": outliers },
    } }));
    object.metadata = labels::metadata(platform, settings, name);
    object
}
