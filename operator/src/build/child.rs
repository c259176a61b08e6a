//! A child in the shape in which the controller compares and applies it, whatever its kind.

use kube::{
    Resource, ResourceExt as _,
    core::{ApiResource, DynamicObject, TypeMeta},
};
use serde::Serialize;

use crate::api::FoodService;

/// How a child reaches the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyMode {
    /// Applied whenever the live object differs from the built one.
    Always,
    /// Created when it isn't there, and never changed: its name is a hash of what it is there for, and its pod template
    /// can't be changed. One that hasn't completed is made anew when the template is another.
    CreateOnce,
}

/// One object of a platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The service that it belongs to.
    pub service: FoodService,
    /// Its kind, for the dynamic API.
    pub resource: ApiResource,
    /// The object with `apiVersion`, `kind`, name, namespace, labels and, unless it has to outlive the platform, the
    /// owner reference. It holds the fields that we mean and no others.
    pub object: DynamicObject,
    /// How it reaches the cluster.
    pub mode: ApplyMode,
}

impl Child {
    /// A child that is applied whenever it differs.
    pub(super) fn new<K>(service: FoodService, object: K) -> Self
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        Self { service, resource: ApiResource::erase::<K>(&()), object: dynamic(&object), mode: ApplyMode::Always }
    }

    /// A child of a kind that Kubernetes itself doesn't have, applied whenever it differs.
    pub(super) const fn foreign(service: FoodService, resource: ApiResource, object: DynamicObject) -> Self {
        Self { service, resource, object, mode: ApplyMode::Always }
    }

    /// A child that is created when it isn't there.
    pub(super) fn create_once<K>(service: FoodService, object: K) -> Self
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        Self { mode: ApplyMode::CreateOnce, ..Self::new(service, object) }
    }

    /// The object's name.
    pub fn name(&self) -> String {
        self.object.name_any()
    }

    /// The object's kind, such as `Deployment`.
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }
}

/// The same object for the dynamic API.
#[expect(clippy::expect_used, reason = "a Kubernetes type always is a JSON object with string keys")]
pub(super) fn dynamic<K>(object: &K) -> DynamicObject
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let mut data = serde_json::to_value(object).expect("serialises");
    if let Some(fields) = data.as_object_mut() {
        for field in ["apiVersion", "kind", "metadata"] {
            fields.remove(field);
        }
    }
    DynamicObject { types: Some(TypeMeta::resource::<K>()), metadata: object.meta().clone(), data }
}
