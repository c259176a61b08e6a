//! A change of one object, as a unified diff of its YAML. Pure.

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use foodplatform_operator::build::Child;
use kube::{
    ResourceExt as _,
    api::{ApiResource, DynamicObject},
};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use crate::paint::{STRONG, harmless, paint};

/// Unchanged lines around each change.
const CONTEXT: usize = 3;
/// The header of a side where there is nothing.
const NOTHING: &str = "/dev/null";

/// What the API server and the controllers keep in an object for themselves.
const BOOKKEEPING: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
/// A copy of the object that `kubectl apply` keeps.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What would become of an object.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    action: Action,
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Update,
    Delete,
}

impl Change {
    /// An object that would be there.
    pub(super) fn created(child: &Child) -> Self {
        let after = said(&child.resource, &child.object);
        Self::new(Action::Create, &child.resource, &child.object, None, Some(after))
    }

    /// An object that would be removed.
    pub(super) fn removed(resource: &ApiResource, live: &DynamicObject) -> Self {
        Self::new(Action::Delete, resource, live, Some(said(resource, live)), None)
    }

    /// An object that would be another; `None` if it would not.
    pub(super) fn updated(resource: &ApiResource, before: &DynamicObject, after: &DynamicObject) -> Option<Self> {
        let (said_before, said_after) = (said(resource, before), said(resource, after));
        let is_other = said_before != said_after;
        is_other.then(|| Self::new(Action::Update, resource, before, Some(said_before), Some(said_after)))
    }

    fn new(
        action: Action,
        resource: &ApiResource,
        object: &DynamicObject,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Self {
        Self { action, kind: resource.kind.clone(), name: object.name_any(), before, after }
    }

    /// The change as a unified diff.
    pub(super) fn show(&self) -> Result<String> {
        let yaml = |side: &Option<Value>| side.as_ref().map(serde_saphyr::to_string).transpose();
        let header = |side: &Option<Value>, title: &str| match side {
            Some(_) => format!("{}/{} ({title})", self.kind, self.name),
            None => NOTHING.to_owned(),
        };
        let (before, after) = (yaml(&self.before)?.unwrap_or_default(), yaml(&self.after)?.unwrap_or_default());
        let diff = TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&header(&self.before, "live"), &header(&self.after, "built"))
            .to_string();
        Ok(diff.lines().map(|line| paint(style_of(line), harmless(line)) + "\n").collect())
    }
}

fn style_of(line: &str) -> Style {
    match line.as_bytes() {
        [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => STRONG,
        [b'@', ..] => AnsiColor::Cyan.on_default(),
        [b'-', ..] => AnsiColor::Red.on_default(),
        [b'+', ..] => AnsiColor::Green.on_default(),
        _ => Style::new(),
    }
}

/// What people and the operator say in an object, with its type.
fn said(resource: &ApiResource, object: &DynamicObject) -> Value {
    // What came from JSON goes back to it.
    let mut object = serde_json::to_value(object).unwrap_or_default();
    let Some(fields) = object.as_object_mut() else { return object };
    fields.remove("status");
    // Objects out of a list don't carry it.
    fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
    fields.insert("kind".to_owned(), resource.kind.clone().into());
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !BOOKKEEPING.contains(&field.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::paint::plain;

    fn resource() -> ApiResource {
        ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&())
    }

    fn object(level: &str, version: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {
                "name": "shop-order", "namespace": "food", "uid": "u", "resourceVersion": version,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{ "manager": "foodplatform-operator", "operation": "Apply" }],
                "annotations": { LAST_APPLIED: "{}" },
            },
            "data": { "A": "1", "B": "2", "C": "3", "LOG_LEVEL": level, "M": "\u{1b}[2J" },
        }))
        .unwrap()
    }

    #[test]
    fn bookkeeping_is_no_change() {
        assert_eq!(Change::updated(&resource(), &object("info", "1"), &object("info", "2")), None);
    }

    #[test]
    fn a_changed_field_is_shown_with_what_is_around_it() {
        let change = Change::updated(&resource(), &object("info", "1"), &object("debug", "2")).unwrap();
        insta::assert_snapshot!(plain(&change.show().unwrap()));
    }

    #[test]
    fn lines_have_the_colours_of_diff() {
        let change = Change::updated(&resource(), &object("info", "1"), &object("debug", "2")).unwrap();
        let shown = change.show().unwrap();
        assert!(shown.contains("\u{1b}[31m-  LOG_LEVEL: info\u{1b}[0m"), "{shown:?}");
        assert!(shown.contains("\u{1b}[32m+  LOG_LEVEL: debug\u{1b}[0m"), "{shown:?}");
    }

    #[test]
    fn what_is_removed_is_shown_as_a_whole() {
        let change = Change::removed(&resource(), &object("info", "1"));
        insta::assert_snapshot!(plain(&change.show().unwrap()));
    }
}
