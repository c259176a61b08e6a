//! What the caches leave out of the objects that they hold.

use k8s_openapi::{
    api::core::v1 as core,
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry},
};
use kube::{
    ResourceExt as _,
    api::{DynamicObject, PartialObjectMeta},
};

use super::{apply::SCALE_MANAGER, live::Guarded};
use crate::build::FIELD_MANAGER;

/// `kubectl apply` keeps a whole copy of the object in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A platform without what is only bookkeeping.
pub(super) fn platform(platform: &mut Guarded) {
    platform.managed_fields_mut().clear();
    platform.annotations_mut().remove(LAST_APPLIED);
}

/// A child with our own managed fields only: pruning fields needs them, nobody needs the others'.
pub(super) fn child(child: &mut DynamicObject) {
    child.managed_fields_mut().retain(is_ours);
    child.annotations_mut().remove(LAST_APPLIED);
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.operation.as_deref() == Some("Apply")
        && matches!(entry.manager.as_deref(), Some(FIELD_MANAGER | SCALE_MANAGER))
        && matches!(&entry.fields_v1, Some(FieldsV1(fields)) if fields.is_object())
}

/// A pod without its spec: only how it fares is of interest.
pub(super) fn pod(pod: &mut core::Pod) {
    pod.managed_fields_mut().clear();
    pod.annotations_mut().clear();
    pod.spec = None;
}

/// That a Secret is there, and which version of it.
pub(super) fn secret(secret: &mut PartialObjectMeta<core::Secret>) {
    secret.managed_fields_mut().clear();
    secret.annotations_mut().clear();
    secret.labels_mut().clear();
}
