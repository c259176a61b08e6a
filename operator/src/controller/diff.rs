//! Whether a live object has to be written: pure comparison of what was built with what is there.
//!
//! A built object is a subset: it holds the fields that we mean. The live one may hold more (defaults, status, other
//! people's fields), which is left alone, unless our own field manager still owns something that is no longer built.

use serde_json::{Map, Value};

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
pub fn difference(built: &Value, live: &Value, manager: &str) -> Option<Difference> {
    for (part, wanted) in built.as_object().into_iter().flatten() {
        // Live objects out of a list don't carry their type, and no builder speaks of the status.
        if !matches!(part.as_str(), "apiVersion" | "kind" | "status")
            && let Some(path) = unequal(part, wanted, live.get(part))
        {
            return Some(Difference::Field(path));
        }
    }
    let Some(owned) = owned_fields(live, manager) else {
        return Some(Difference::Unowned);
    };
    leftover("", owned, built).map(Difference::Leftover)
}

/// Whether `manager` owns the field at `path` (names only, such as `["spec", "replicas"]`) by server-side apply.
#[must_use]
pub(super) fn owns(live: &Value, manager: &str, path: &[&str]) -> bool {
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
fn owned_fields<'a>(live: &'a Value, manager: &str) -> Option<&'a Map<String, Value>> {
    live.pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .find(|entry| {
            let is = |key: &str, value: &str| entry.get(key).and_then(Value::as_str) == Some(value);
            is("manager", manager) && is("operation", "Apply") && entry.get("subresource").is_none()
        })?
        .get("fieldsV1")?
        .as_object()
}

/// The path of the first built field that the live value lacks.
fn unequal(path: &str, built: &Value, live: Option<&Value>) -> Option<String> {
    match (built, live) {
        (Value::Null, _) => None,
        // Kubernetes leaves out fields that have their type's zero value.
        (Value::Bool(false), None) => None,
        (Value::String(text), None) if text.is_empty() => None,
        (Value::Number(number), None) if number.as_f64() == Some(0.0) => None,
        (Value::Object(built), Some(Value::Object(live))) => {
            if is_atomic_map(path) && built.len() != live.len() {
                return Some(path.to_owned());
            }
            built.iter().find_map(|(key, value)| unequal(&format!("{path}.{key}"), value, live.get(key)))
        }
        (Value::Array(built), Some(Value::Array(live))) => unequal_lists(path, built, live),
        (built, Some(live)) if built == live => None,
        _ => Some(path.to_owned()),
    }
}

/// Maps that Kubernetes replaces as a whole; one more key in them changes their meaning.
fn is_atomic_map(path: &str) -> bool {
    ["spec.selector", ".matchLabels", ".nodeSelector"].iter().any(|end| path.ends_with(end))
}

/// Lists are compared as Kubernetes merges them: by key where it does so, else as a whole and in order.
fn unequal_lists(path: &str, built: &[Value], live: &[Value]) -> Option<String> {
    let keys = merge_keys(path);
    if keys.is_empty() {
        if built.len() != live.len() {
            return Some(path.to_owned());
        }
        return built
            .iter()
            .zip(live)
            .enumerate()
            .find_map(|(index, (built, live))| unequal(&format!("{path}[{index}]"), built, Some(live)));
    }
    built.iter().find_map(|item| {
        let name = keys.iter().find_map(|key| item.get(*key)).map(ToString::to_string).unwrap_or_default();
        let counterpart = live
            .iter()
            .find(|other| keys.iter().all(|key| item.get(*key).is_none_or(|value| other.get(*key) == Some(value))));
        unequal(&format!("{path}[{name}]"), item, counterpart)
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

/// The path of the first field in `owned` that `built` doesn't have.
fn leftover(path: &str, owned: &Map<String, Value>, built: &Value) -> Option<String> {
    owned.iter().find_map(|(key, inner)| {
        let (path, found) = if let Some(name) = key.strip_prefix("f:") {
            (format!("{path}.{name}"), built.get(name).filter(|value| !value.is_null()))
        } else if let Some(keys) = key.strip_prefix("k:") {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            (format!("{path}[{}]", Value::Object(keys.clone())), item_with(built, &keys))
        } else if let Some(value) = key.strip_prefix("v:") {
            let value: Value = serde_json::from_str(value).unwrap_or_default();
            let found = built.as_array().and_then(|items| items.iter().find(|item| **item == value));
            (format!("{path}[{value}]"), found)
        } else {
            // "." stands for the field itself.
            return None;
        };
        match (found, inner.as_object()) {
            (None, _) => Some(path.trim_start_matches('.').to_owned()),
            (Some(found), Some(inner)) => leftover(&path, inner, found),
            (Some(_), None) => None,
        }
    })
}

/// The list item with these keys. One that doesn't name a key stands for the key's default.
fn item_with<'a>(built: &'a Value, keys: &Map<String, Value>) -> Option<&'a Value> {
    built.as_array()?.iter().find(|item| keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MANAGER: &str = "foodplatform-operator";

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
