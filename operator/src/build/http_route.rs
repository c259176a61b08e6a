//! The HTTPRoute (Gateway API) that leads to the gateway, where one is asked for.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
    pod,
};
use crate::api::{HttpRouteSpec, ParentRef};

/// The kind.
pub(super) fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"))
}

pub(super) fn build(platform: &Platform, settings: &ServiceSettings, wanted: &HttpRouteSpec) -> DynamicObject {
    let name = names::child(&platform.name, settings.service);
    let parents: Vec<Value> = wanted.parent_refs.iter().map(parent).collect();
    let mut spec = json!({
        "parentRefs": parents,
        "rules": [{
            "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }],
            "backendRefs": [{ "name": name, "port": pod::HTTP_PORT }],
        }],
    });
    if let Some(hostnames) = &wanted.hostnames {
        spec["hostnames"] = json!(hostnames);
    }
    let mut object = DynamicObject::new(&name, &resource()).data(json!({ "spec": spec }));
    object.metadata = labels::metadata(platform, settings, name);
    object
}

fn parent(wanted: &ParentRef) -> Value {
    let mut parent = json!({ "name": wanted.name });
    if let Some(namespace) = &wanted.namespace {
        parent["namespace"] = json!(namespace);
    }
    if let Some(section) = &wanted.section_name {
        parent["sectionName"] = json!(section);
    }
    parent
}
