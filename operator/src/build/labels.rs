//! Labels, and the metadata that every child has.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::platform::{Platform, ServiceSettings};
use crate::api::FoodService;

/// The service, by Kubernetes' recommended labels.
pub const NAME: &str = "app.kubernetes.io/name";
/// The platform.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The service again, as the part that it plays.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The platform again, as the whole that it belongs to.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Who made it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The image's tag.
pub const VERSION: &str = "app.kubernetes.io/version";
/// The value of [`MANAGED_BY`].
pub const MANAGER: &str = "foodplatform-operator";
/// What a pod is there for: [`ROLE_SERVE`] or [`ROLE_MIGRATE`].
pub const ROLE: &str = "foodplatform.dev/role";
/// A pod that serves.
pub const ROLE_SERVE: &str = "serve";
/// A pod that migrates the database.
pub const ROLE_MIGRATE: &str = "migrate";

/// The selector of everything that belongs to the platform, as the API takes it in a list's query.
pub fn platform_selector(platform: &str) -> String {
    format!("{MANAGED_BY}={MANAGER},{PART_OF}={platform}")
}

/// The labels of a child.
pub(super) fn of(platform: &Platform, settings: &ServiceSettings) -> BTreeMap<String, String> {
    let mut labels = owned([
        (NAME, settings.service.as_str()),
        (INSTANCE, &platform.name),
        (COMPONENT, settings.service.as_str()),
        (PART_OF, &platform.name),
        (MANAGED_BY, MANAGER),
    ]);
    if let Some(version) = version(&settings.image) {
        labels.insert(VERSION.to_owned(), version);
    }
    labels
}

/// The labels of a pod with a role: those that are asked for, and ours.
pub(super) fn of_pod(platform: &Platform, settings: &ServiceSettings, role: &str) -> BTreeMap<String, String> {
    let mut labels = settings.pods.labels.clone().unwrap_or_default();
    labels.extend(of(platform, settings));
    labels.insert(ROLE.to_owned(), role.to_owned());
    labels
}

/// What selects the serving pods of a service. Deployments can't change it: it names only what never changes.
pub(super) fn selector(platform: &Platform, service: FoodService) -> BTreeMap<String, String> {
    selector_of(platform, service, ROLE_SERVE)
}

/// What selects the pods of a service with a role.
pub(super) fn selector_of(platform: &Platform, service: FoodService, role: &str) -> BTreeMap<String, String> {
    owned([(NAME, service.as_str()), (INSTANCE, &platform.name), (ROLE, role)])
}

/// [`selector`] in the form of Deployments and budgets.
pub(super) fn label_selector(platform: &Platform, service: FoodService) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(platform, service)), ..Default::default() }
}

/// The metadata of what belongs to no one service and outlives the platform.
pub(super) fn metadata_of_platform(platform: &Platform, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(platform.namespace.clone()),
        labels: Some(owned([(INSTANCE, &platform.name), (PART_OF, &platform.name), (MANAGED_BY, MANAGER)])),
        ..Default::default()
    }
}

/// The metadata of a child that goes with the platform.
pub(super) fn metadata(platform: &Platform, settings: &ServiceSettings, name: String) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![platform.owner_reference()]),
        ..metadata_without_owner(platform, settings, name)
    }
}

/// The metadata of a child that outlives the platform.
pub(super) fn metadata_without_owner(platform: &Platform, settings: &ServiceSettings, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(platform.namespace.clone()),
        labels: Some(of(platform, settings)),
        ..Default::default()
    }
}

/// The tag of an image as a label's value: at most 63 of letters, digits, '-', '_' and '.', with a letter or digit at
/// both ends. None where the image has no tag or nothing of it is left.
fn version(image: &str) -> Option<String> {
    let without_digest = image.split('@').next().unwrap_or(image);
    // A colon before the last slash belongs to the registry's port.
    let (_, tag) = without_digest.rsplit('/').next()?.split_once(':')?;
    let tag = tag.get(..tag.len().min(63)).unwrap_or_default();
    let tag = tag.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!tag.is_empty()).then(|| tag.to_owned())
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_image_s_tag() {
        for (image, expected) in [
            ("ghcr.io/example/order:1.4.0", Some("1.4.0")),
            ("localhost:5000/order", None),
            ("localhost:5000/order:dev", Some("dev")),
            ("order:1.2@sha256:abc", Some("1.2")),
            ("order@sha256:abc", None),
            ("order:_1_", Some("1")),
        ] {
            assert_eq!(version(image).as_deref(), expected, "{image}");
        }
        assert_eq!(version(&format!("order:{}", "a".repeat(128))).map(|v| v.len()), Some(63));
    }
}
