//! The CustomResourceDefinition, as it is installed.

use anyhow::Context as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::{FoodPlatform, status::NO_GENERATION};

/// The CustomResourceDefinition of FoodPlatform.
///
/// It differs from the derived one in three things. No field is nullable: the apiserver then takes `field: null` as the
/// field being absent, as it does for Kubernetes' own kinds, and no rule meets a null. Descriptions have no line breaks
/// inside a paragraph, since `kubectl explain` wraps them itself. And from its first moment on a platform has a status that
/// is about no generation of its spec: by kstatus' rules, which Flux and others go by, one without a status would be done.
///
/// # Errors
///
/// When the derived definition is none; only a change of the types can bring that about.
pub fn crd() -> anyhow::Result<CustomResourceDefinition> {
    let mut crd = serde_json::to_value(FoodPlatform::crd()).context("the definition can't be written as JSON")?;
    tidy(&mut crd);
    let status = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status");
    status.context("the definition has no status")?["default"] = json!({ "observedGeneration": NO_GENERATION });
    serde_json::from_value(crd).context("the definition, once tidied, isn't one")
}

/// [`crd`] as YAML, as it is committed in `crds/`.
///
/// # Errors
///
/// As [`crd`].
pub fn crd_yaml() -> anyhow::Result<String> {
    serde_saphyr::to_string(&crd()?).context("the definition can't be written as YAML")
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("nullable") == Some(&Value::Bool(true)) {
                object.remove("nullable");
            }
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.split("\n\n").map(|p| p.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
