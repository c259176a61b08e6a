//! Which policies there are.

use serde_json::{Value, json};

use super::{Child, Dereferenced, children, platform, smallest, with_database};

/// The names of the NetworkPolicies.
fn policies(spec: Value, database_port: Option<u16>) -> Vec<String> {
    let known = database_port.map_or_else(Dereferenced::default, |port| with_database("a", port));
    let children = children(&platform(spec), &known);
    children.iter().filter(|child| child.kind() == "NetworkPolicy").map(Child::name).collect()
}

fn with_policies(network_policy: Value) -> Value {
    let mut spec = smallest();
    spec["networkPolicy"] = network_policy;
    spec
}

#[test]
fn policies_are_there_unless_they_are_switched_off() {
    let all = policies(smallest(), Some(5432));
    assert_eq!(all.len(), 9, "{all:?}");
    assert_eq!(policies(with_policies(json!({ "enabled": true })), Some(5432)), all);
    assert_eq!(policies(with_policies(json!({ "enabled": false })), Some(5432)), Vec::<String>::new());
}

#[test]
fn no_policy_is_built_in_ignorance_of_where_the_database_is() {
    let built = policies(smallest(), None);
    assert!(matches!(built.as_slice(), [gateway] if gateway.starts_with("shop-gateway-serve-")), "{built:?}");
}

#[test]
fn a_policy_is_another_one_where_it_leads_elsewhere() {
    let before = policies(smallest(), Some(5432));
    let differing = |after: Vec<String>| {
        assert_eq!(after.len(), before.len());
        after.into_iter().filter(|name| !before.contains(name)).count()
    };
    assert_eq!(differing(policies(smallest(), Some(5432))), 0);
    assert_eq!(differing(policies(smallest(), Some(6432))), 8, "all but the gateway's");
    let mut spec = smallest();
    spec["kafka"]["bootstrapServers"] = json!("kafka:9093");
    assert_eq!(differing(policies(spec, Some(5432))), 5, "all but the migrations'");
    let egress = json!({ "egress": [{ "cidr": "10.0.0.0/8" }] });
    assert_eq!(differing(policies(with_policies(egress), Some(5432))), 9);
    let readers = json!({ "metricsFrom": [{ "podLabels": {} }] });
    assert_eq!(differing(policies(with_policies(readers), Some(5432))), 0, "who gets in is changed in place");
}
