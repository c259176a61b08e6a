//! The conditions of all platforms as metrics: looked up when somebody asks for them, so that a platform that is gone leaves
//! nothing behind, and at rest nobody writes numbers down.

use std::{
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
};

use kube::ResourceExt as _;
use kube_runtime::reflector::Store;

use super::live::Guarded;
use crate::api::condition;

/// 1 where the condition's status is `True`, 0 where it is anything else.
const METRIC: &str = "foodplatform_condition";
const HELP: &str = "Whether a condition of a FoodPlatform is True, by namespace, platform and type.";

/// The platforms that this process looks after. Cheap to clone; empty in one that stands by.
#[derive(Clone, Default)]
pub struct Conditions(Arc<RwLock<Vec<Store<Guarded>>>>);

impl Conditions {
    /// Adds those of a scope.
    pub(super) fn add(&self, platforms: Store<Guarded>) {
        // A list that one is pushed to is never half done.
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(platforms);
    }

    /// The metrics in Prometheus' text format, ordered.
    #[must_use]
    pub fn render(&self) -> String {
        let scopes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<_> = scopes.iter().flat_map(Store::state).flat_map(|platform| lines(&platform)).collect();
        if lines.is_empty() {
            return String::new();
        }
        lines.sort();
        lines.iter().fold(format!("# HELP {METRIC} {HELP}\n# TYPE {METRIC} gauge\n"), |mut text, line| {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

/// A line for each condition. One that nobody has looked at yet isn't ready, and one that can't be read waits for a person.
fn lines(platform: &Guarded) -> Vec<String> {
    let (namespace, name) = (platform.namespace().unwrap_or_default(), platform.name_any());
    let line = |type_: &str, is_true: bool| {
        // None of these needs to be escaped: the API server takes names and words only.
        format!("{METRIC}{{namespace=\"{namespace}\",platform=\"{name}\",type=\"{type_}\"}} {}", u8::from(is_true))
    };
    let Ok(read) = &platform.0 else { return vec![line(condition::READY, false), line(condition::STALLED, true)] };
    let conditions = read.status.iter().flat_map(|status| &status.conditions);
    let known: Vec<_> = conditions.map(|condition| line(&condition.type_, condition.status == "True")).collect();
    if known.is_empty() { vec![line(condition::READY, false)] } else { known }
}

#[cfg(test)]
mod tests {
    use kube_runtime::{reflector::store::Writer, watcher::Event};
    use serde_json::{Value, json};

    use super::*;

    fn platform(name: &str, tag: Value, conditions: &[(&str, &str)]) -> Guarded {
        let conditions = conditions.iter().map(|(type_, status)| {
            json!({
                "type": type_, "status": status, "reason": "Ready", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        });
        serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": name, "namespace": "food" },
            "spec": {
                "image": { "registry": "registry.test", "tag": tag },
                "kafka": { "bootstrapServers": "kafka:9092" },
                "database": { "secretRef": { "name": "database" } },
            },
            "status": { "conditions": conditions.collect::<Vec<_>>() },
        }))
        .unwrap()
    }

    #[test]
    fn every_platform_has_its_conditions_for_as_long_as_it_is_there() {
        let conditions = Conditions::default();
        assert_eq!(conditions.render(), "", "one that stands by knows of none");
        let mut writer = Writer::default();
        conditions.add(writer.as_reader());
        let shop = platform("shop", json!("1"), &[("Stalled", "False"), ("Ready", "True")]);
        let broken = platform("broken", json!({ "not": "a tag" }), &[]);
        for event in [Event::Apply(shop.clone()), Event::Apply(platform("new", json!("1"), &[])), Event::Apply(broken)]
        {
            writer.apply_watcher_event(&event);
        }
        let expected = "# HELP foodplatform_condition Whether a condition of a FoodPlatform is True, by namespace, platform and type.
# TYPE foodplatform_condition gauge
foodplatform_condition{namespace=\"food\",platform=\"broken\",type=\"Ready\"} 0
foodplatform_condition{namespace=\"food\",platform=\"broken\",type=\"Stalled\"} 1
foodplatform_condition{namespace=\"food\",platform=\"new\",type=\"Ready\"} 0
foodplatform_condition{namespace=\"food\",platform=\"shop\",type=\"Ready\"} 1
foodplatform_condition{namespace=\"food\",platform=\"shop\",type=\"Stalled\"} 0
";
        assert_eq!(conditions.render(), expected);
        writer.apply_watcher_event(&Event::Delete(shop));
        assert!(!conditions.render().contains("shop"));
    }
}
