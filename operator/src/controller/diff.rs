//! Whether a live object has to be written: pure comparison of what was built with what is there.
//!
//! A built object is a subset: it holds the fields that we mean. The live one may hold more (defaults, status, other
//! people's fields), which is left alone, unless our own field manager still owns something that is no longer built.

use std::fmt::Display;

use kube::api::{DynamicObject, ObjectMeta};
use serde_json::{Map, Value};

use crate::build::managed_fields::owned_fields;

/// Why an object has to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Difference {
    /// A built field is missing in the live object or has another value there; its path.
    Field(String),
    /// We own a field that is no longer built; its path.
    Leftover(String),
    /// Nothing differs, but the object doesn't carry our field manager: somebody else wrote it.
    Unowned,
}

/// The first reason to write `built` over `live`, if there is one. `manager` is our field manager.
#[must_use]
pub fn difference(built: &DynamicObject, live: &DynamicObject, manager: &str) -> Option<Difference> {
    let metadata = metadata(&built.metadata);
    if let Some(path) = unequal(&mut "metadata".to_owned(), &metadata, Some(&self::metadata(&live.metadata))) {
        return Some(Difference::Field(path));
    }
    for (part, wanted) in built.data.as_object().into_iter().flatten() {
        // No builder speaks of the status.
        if part != "status"
            && let Some(path) = unequal(&mut part.clone(), wanted, live.data.get(part))
        {
            return Some(Difference::Field(path));
        }
    }
    let Some(owned) = owned_fields(live, manager) else {
        return Some(Difference::Unowned);
    };
    let part = |name: &str| if name == "metadata" { Some(&metadata) } else { built.data.get(name) };
    leftover(&mut String::new(), owned, &part).map(Difference::Leftover)
}

/// Whether live metadata have all that was built of them.
pub(super) fn covers(live: &ObjectMeta, built: &ObjectMeta) -> bool {
    unequal(&mut "metadata".to_owned(), &metadata(built), Some(&metadata(live))).is_none()
}

/// Metadata as Kubernetes writes them, without who owns what.
fn metadata(metadata: &ObjectMeta) -> Value {
    let metadata = ObjectMeta { managed_fields: None, ..metadata.clone() };
    // They came from JSON, or go there when they are applied.
    serde_json::to_value(metadata).unwrap_or_default()
}

/// Does something one step further down, and comes back.
fn at<T>(path: &mut String, step: impl FnOnce(&mut String), then: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    step(path);
    let result = then(path);
    path.truncate(length);
    result
}

/// One step down to a field.
fn field(name: &str) -> impl FnOnce(&mut String) {
    move |path| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    }
}

/// One step down to an item of a list.
fn item(which: impl Display) -> impl FnOnce(&mut String) {
    move |path| *path += &format!("[{which}]")
}

/// The path of the first built field that the live value lacks.
fn unequal(path: &mut String, built: &Value, live: Option<&Value>) -> Option<String> {
    match (built, live) {
        (Value::Null, _) => None,
        // Kubernetes leaves out fields that have their type's zero value.
        (Value::Bool(false), None) => None,
        (Value::String(text), None) if text.is_empty() => None,
        (Value::Number(number), None) if number.as_f64() == Some(0.0) => None,
        (Value::Object(built), Some(Value::Object(live))) => {
            if is_atomic_map(path) && built.len() != live.len() {
                return Some(path.clone());
            }
            built.iter().find_map(|(key, value)| at(path, field(key), |path| unequal(path, value, live.get(key))))
        }
        (Value::Array(built), Some(Value::Array(live))) => unequal_lists(path, built, live),
        (built, Some(live)) if built == live => None,
        _ => Some(path.clone()),
    }
}

/// Maps that Kubernetes replaces as a whole; one more key in them changes their meaning.
fn is_atomic_map(path: &str) -> bool {
    ["spec.selector", ".matchLabels", ".nodeSelector"].iter().any(|end| path.ends_with(end))
}

/// Lists are compared as Kubernetes merges them: by key where it does so, else as a whole and in order.
fn unequal_lists(path: &mut String, built: &[Value], live: &[Value]) -> Option<String> {
    let keys = merge_keys(path);
    if keys.is_empty() {
        if built.len() != live.len() {
            return Some(path.clone());
        }
        return built
            .iter()
            .zip(live)
            .enumerate()
            .find_map(|(index, (built, live))| at(path, item(index), |path| unequal(path, built, Some(live))));
    }
    built.iter().find_map(|wanted| {
        let name = keys.iter().find_map(|key| wanted.get(*key)).map(ToString::to_string).unwrap_or_default();
        let counterpart = live
            .iter()
            .find(|other| keys.iter().all(|key| wanted.get(*key).is_none_or(|value| other.get(*key) == Some(value))));
        at(path, item(name), |path| unequal(path, wanted, counterpart))
    })
}

/// The keys by which Kubernetes merges the list at `path`, for every list that our builders use.
fn merge_keys(path: &str) -> &'static [&'static str] {
    let field = path.rsplit('.').next().unwrap_or(path);
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" if path.contains(".containers[") => &["containerPort", "protocol"],
        "ports" => &["port", "protocol"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "ownerReferences" => &["uid"],
        _ => &[],
    }
}

/// The path of the first field in `owned` that isn't built. `part` finds what is built of a name.
fn leftover<'a>(
    path: &mut String,
    owned: &Map<String, Value>,
    part: &dyn Fn(&str) -> Option<&'a Value>,
) -> Option<String> {
    owned.iter().find_map(|(key, inner)| {
        // "." stands for the field itself.
        let name = key.strip_prefix("f:")?;
        let built = part(name).filter(|value| !value.is_null());
        at(path, field(name), |path| leftover_in(path, inner, built))
    })
}

/// The same of the items of a list.
fn leftover_item(path: &mut String, owned: &Map<String, Value>, built: &Value) -> Option<String> {
    let items = built.as_array().map(Vec::as_slice).unwrap_or_default();
    owned.iter().find_map(|(key, inner)| {
        if let Some(keys) = key.strip_prefix("k:") {
            let built = item_with(items, &serde_json::from_str(keys).unwrap_or_default());
            return at(path, item(keys), |path| leftover_in(path, inner, built));
        }
        let value = key.strip_prefix("v:")?;
        let wanted: Value = serde_json::from_str(value).unwrap_or_default();
        at(path, item(value), |path| leftover_in(path, inner, items.iter().find(|item| **item == wanted)))
    })
}

/// The same of one owned field or item.
fn leftover_in(path: &mut String, owned: &Value, built: Option<&Value>) -> Option<String> {
    let Some(built) = built else { return Some(path.clone()) };
    let owned = owned.as_object()?;
    leftover(path, owned, &|name| built.get(name)).or_else(|| leftover_item(path, owned, built))
}

/// The list item with these keys. One that doesn't name a key stands for the key's default.
fn item_with<'a>(built: &'a [Value], keys: &Map<String, Value>) -> Option<&'a Value> {
    built.iter().find(|item| keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::build::managed_fields;

    const MANAGER: &str = "foodplatform-operator";

    fn object(value: &Value) -> DynamicObject {
        let mut value = value.clone();
        value.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
        serde_json::from_value(value).unwrap()
    }

    fn difference(built: &Value, live: &Value, manager: &str) -> Option<Difference> {
        super::difference(&object(built), &object(live), manager)
    }

    fn owns(live: &Value, manager: &str, path: &[&str]) -> bool {
        managed_fields::owns(&object(live), manager, path)
    }

    fn built() -> Value {
        json!({
            "metadata": { "name": "q-order", "labels": { "app.kubernetes.io/name": "order" } },
            "spec": {
                "replicas": 2,
                "paused": false,
                "template": { "spec": { "containers": [{
                    "name": "order",
                    "image": "r/order:1",
                    "ports": [{ "name": "http", "containerPort": 8080 }],
                    "env": [{ "name": "EMPTY", "value": "" }],
                    "args": ["serve"],
                }] } },
            },
        })
    }

    fn live() -> Value {
        json!({
            "metadata": {
                "name": "q-order",
                "labels": { "app.kubernetes.io/name": "order", "theirs": "stays" },
                "managedFields": [
                    { "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:spec": { "f:minReadySeconds": {} } } },
                    { "manager": MANAGER, "operation": "Apply", "fieldsV1": {
                        "f:metadata": { "f:labels": { "f:app.kubernetes.io/name": {} } },
                        "f:spec": {
                            "f:replicas": {},
                            "f:template": { "f:spec": { "f:containers": {
                                "k:{\"name\":\"order\"}": {
                                    ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                                    "f:env": { "k:{\"name\":\"EMPTY\"}": { ".": {}, "f:name": {}, "f:value": {} } },
                                    "f:ports": { "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {
                                        ".": {}, "f:containerPort": {}, "f:name": {},
                                    } },
                                },
                            } } },
                        },
                    } },
                ],
            },
            "spec": {
                "replicas": 2,
                "minReadySeconds": 5,
                "template": { "spec": {
                    "dnsPolicy": "ClusterFirst",
                    "containers": [
                        { "name": "sidecar", "image": "theirs" },
                        {
                            "name": "order",
                            "image": "r/order:1",
                            "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
                            "env": [{ "name": "EMPTY" }],
                            "args": ["serve"],
                        },
                    ],
                } },
            },
            "status": { "replicas": 2 },
        })
    }

    #[test]
    fn a_live_object_with_more_fields_is_the_same() {
        assert_eq!(difference(&built(), &live(), MANAGER), None);
    }

    #[test]
    fn a_changed_field_differs() {
        let mut live = live();
        live["spec"]["template"]["spec"]["containers"][1]["image"] = json!("r/order:2");
        assert_eq!(
            difference(&built(), &live, MANAGER),
            Some(Difference::Field("spec.template.spec.containers[\"order\"].image".into()))
        );
    }

    #[test]
    fn a_removed_field_differs() {
        let mut live = live();
        live["metadata"]["labels"] = json!({ "theirs": "stays" });
        assert_eq!(
            difference(&built(), &live, MANAGER),
            Some(Difference::Field("metadata.labels.app.kubernetes.io/name".into()))
        );
    }

    #[test]
    fn fields_beside_the_spec_count_too() {
        let mut built = built();
        built["automountServiceAccountToken"] = json!(false);
        let mut live = live();
        live["automountServiceAccountToken"] = json!(true);
        assert_eq!(difference(&built, &live, MANAGER), Some(Difference::Field("automountServiceAccountToken".into())));
    }

    #[test]
    fn lists_without_keys_are_compared_in_order() {
        let mut live = live();
        live["spec"]["template"]["spec"]["containers"][1]["args"] = json!(["serve", "--more"]);
        assert!(
            matches!(difference(&built(), &live, MANAGER), Some(Difference::Field(path)) if path.ends_with("args"))
        );
    }

    #[test]
    fn one_more_label_in_a_selector_differs() {
        let built = json!({ "spec": { "selector": { "app": "order" } } });
        let live = json!({ "spec": { "selector": { "app": "order", "version": "2" } } });
        assert_eq!(difference(&built, &live, MANAGER), Some(Difference::Field("spec.selector".into())));
    }

    #[test]
    fn what_we_own_and_no_longer_build_differs() {
        let mut built = built();
        built["spec"].as_object_mut().unwrap().remove("replicas");
        assert_eq!(difference(&built, &live(), MANAGER), Some(Difference::Leftover("spec.replicas".into())));
        let mut built = self::built();
        built["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
        assert!(matches!(difference(&built, &live(), MANAGER), Some(Difference::Leftover(_))));
    }

    #[test]
    fn an_object_that_we_never_applied_differs() {
        let mut live = live();
        live["metadata"]["managedFields"].as_array_mut().unwrap().pop();
        assert_eq!(difference(&built(), &live, MANAGER), Some(Difference::Unowned));
    }

    #[test]
    fn knows_who_owns_a_field() {
        assert!(owns(&live(), MANAGER, &["spec", "replicas"]));
        assert!(!owns(&live(), MANAGER, &["spec", "minReadySeconds"]));
        assert!(!owns(&live(), "somebody", &["spec", "replicas"]));
    }
}
