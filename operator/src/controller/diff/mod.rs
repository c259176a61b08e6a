//! Whether a live object has to be written: pure comparison of what was built with what is there.
//!
//! A built object is a subset: it holds the fields that we mean. The live one may hold more (defaults, status, other
//! people's fields), which is left alone, unless our own field manager still owns something that is no longer built.

#[cfg(test)]
mod tests;

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
    if let Some(path) = unequal(&mut "metadata".to_owned(), &metadata, Some(&self::metadata(&live.metadata)), false) {
        return Some(Difference::Field(path));
    }
    for (part, wanted) in built.data.as_object().into_iter().flatten() {
        // No builder speaks of the status.
        if part != "status"
            && let Some(path) = unequal(&mut part.clone(), wanted, live.data.get(part), false)
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
    unequal(&mut "metadata".to_owned(), &metadata(built), Some(&metadata(live)), false).is_none()
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

/// The path of the first built field that the live value lacks, or of the first that it has besides where Kubernetes
/// replaces it as a `whole`: there are no other people's fields in there.
fn unequal(path: &mut String, built: &Value, live: Option<&Value>, whole: bool) -> Option<String> {
    match (built, live) {
        (Value::Null, _) => None,
        // Kubernetes leaves out the value of a variable or toleration that is empty. It keeps all other zero values that
        // we build, and those in maps.
        (Value::String(text), None) if text.is_empty() && path.ends_with("].value") => None,
        (Value::Object(built), Some(Value::Object(live))) => {
            let whole = whole || is_atomic(path);
            let lacking = built
                .iter()
                .find_map(|(key, value)| at(path, field(key), |path| unequal(path, value, live.get(key), whole)));
            lacking.or_else(|| if whole { surplus(path, built, live) } else { None })
        }
        (Value::Array(built), Some(Value::Array(live))) => unequal_lists(path, built, live, whole),
        (built, Some(live)) if built == live => None,
        _ => Some(path.clone()),
    }
}

/// Maps and structures that Kubernetes replaces as a whole, of those that our builders use.
fn is_atomic(path: &str) -> bool {
    matches!(
        path.rsplit('.').next().unwrap_or(path),
        "selector"
            | "podSelector"
            | "namespaceSelector"
            | "labelSelector"
            | "nodeSelector"
            | "fieldRef"
            | "secretKeyRef"
    )
}

/// The path of the first live field that is neither built nor a default.
fn surplus(path: &mut String, built: &Map<String, Value>, live: &Map<String, Value>) -> Option<String> {
    let (name, _) = live.iter().find(|(name, value)| !built.contains_key(*name) && !is_default(path, name, value))?;
    Some(at(path, field(name), |path| path.clone()))
}

/// Whether the API server itself gives that field of what is at `path` that value, for all that our builders leave out
/// of what Kubernetes replaces as a whole.
fn is_default(path: &str, name: &str, value: &Value) -> bool {
    let parent = path.rsplit('.').next().and_then(|last| last.split('[').next()).unwrap_or_default();
    match (parent, name) {
        ("fieldRef", "apiVersion") => value == "v1",
        ("parentRefs", "group") => value == "gateway.networking.k8s.io",
        ("parentRefs", "kind") => value == "Gateway",
        ("backendRefs", "group") => value == "",
        ("backendRefs", "kind") => value == "Service",
        ("backendRefs", "weight") => value == 1,
        _ => false,
    }
}

/// Lists are compared as Kubernetes merges them: by key where it does so, else as a whole and in order.
fn unequal_lists(path: &mut String, built: &[Value], live: &[Value], whole: bool) -> Option<String> {
    let keys = merge_keys(path);
    if keys.is_empty() {
        if built.len() != live.len() {
            return Some(path.clone());
        }
        return built
            .iter()
            .zip(live)
            .enumerate()
            .find_map(|(index, (built, live))| at(path, item(index), |path| unequal(path, built, Some(live), true)));
    }
    built.iter().find_map(|wanted| {
        let name = keys.iter().find_map(|key| wanted.get(*key)).map(ToString::to_string).unwrap_or_default();
        let counterpart = live
            .iter()
            .find(|other| keys.iter().all(|key| wanted.get(*key).is_none_or(|value| other.get(*key) == Some(value))));
        at(path, item(name), |path| unequal(path, wanted, counterpart, whole))
    })
}

/// The keys by which Kubernetes merges the list at `path`, for every list that our builders use.
fn merge_keys(path: &str) -> &'static [&'static str] {
    let field = path.rsplit('.').next().unwrap_or(path);
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" if path.contains(".containers[") => &["containerPort", "protocol"],
        // Of a Service. Those of NetworkPolicies are part of the whole.
        "ports" if path == "spec.ports" => &["port", "protocol"],
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
