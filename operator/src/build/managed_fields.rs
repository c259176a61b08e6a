//! Who set what, as the API server keeps it in an object's managed fields.

use kube::api::DynamicObject;
use serde_json::{Map, Value};

/// Whether `manager` owns the field at `path` (names only, such as `["spec", "replicas"]`) by server-side apply.
#[must_use]
pub(crate) fn owns(live: &DynamicObject, manager: &str, path: &[&str]) -> bool {
    let Some(mut fields) = owned_fields(live, manager) else { return false };
    for name in path {
        match fields.get(&format!("f:{name}")).and_then(Value::as_object) {
            Some(inner) => fields = inner,
            None => return false,
        }
    }
    true
}

/// What `manager` owns by server-side apply to the object itself, as Kubernetes' FieldsV1.
pub(crate) fn owned_fields<'a>(live: &'a DynamicObject, manager: &str) -> Option<&'a Map<String, Value>> {
    let entry = live.metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    });
    entry?.fields_v1.as_ref()?.0.as_object()
}
