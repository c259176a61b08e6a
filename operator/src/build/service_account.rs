//! The ServiceAccount of a service: an identity of its own, without a token, for policies and meshes to name.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
};

pub(super) fn build(platform: &Platform, settings: &ServiceSettings) -> ServiceAccount {
    ServiceAccount {
        metadata: labels::metadata(platform, settings, names::child(&platform.name, settings.service)),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}
