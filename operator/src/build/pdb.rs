//! The PodDisruptionBudget of a service: one pod at a time, so that a drain works with one replica too.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
};

pub(super) fn build(platform: &Platform, settings: &ServiceSettings) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: labels::metadata(platform, settings, names::child(&platform.name, settings.service)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::label_selector(platform, settings.service)),
            // A pod that doesn't run serves nobody: it never stands in the way of a drain.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}
