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
    assert!(matches!(difference(&built(), &live, MANAGER), Some(Difference::Field(path)) if path.ends_with("args")));
}

#[test]
fn one_more_label_in_a_selector_differs() {
    let built = json!({ "spec": { "selector": { "app": "order" } } });
    let live = json!({ "spec": { "selector": { "app": "order", "version": "2" } } });
    assert_eq!(difference(&built, &live, MANAGER), Some(Difference::Field("spec.selector.version".into())));
}

/// The path of the first difference of two specs.
fn in_spec(built: &Value, live: &Value) -> Option<String> {
    match difference(&json!({ "spec": built }), &json!({ "spec": live }), MANAGER)? {
        Difference::Field(path) => Some(path),
        Difference::Leftover(_) | Difference::Unowned => None,
    }
}

#[test]
fn what_is_replaced_as_a_whole_has_nothing_more_than_was_built() {
    let built = json!({
        "podSelector": {},
        "ingress": [{ "from": [{ "podSelector": {} }], "ports": [{ "port": 8080, "protocol": "TCP" }] }],
        "tolerations": [{ "key": "spot" }],
    });
    for (of, path) in [
        ("/podSelector", "spec.podSelector.more"),
        ("/ingress/0/from/0", "spec.ingress[0].from[0].more"),
        ("/ingress/0/from/0/podSelector", "spec.ingress[0].from[0].podSelector.more"),
        ("/ingress/0/ports/0", "spec.ingress[0].ports[0].more"),
        ("/tolerations/0", "spec.tolerations[0].more"),
    ] {
        let mut live = built.clone();
        assert_eq!(in_spec(&built, &live), None);
        live.pointer_mut(of).unwrap()["more"] = json!({});
        assert_eq!(in_spec(&built, &live).as_deref(), Some(path));
    }
    let mut live = built.clone();
    live["ingress"][0]["ports"].as_array_mut().unwrap().push(json!({ "port": 5432, "protocol": "TCP" }));
    assert_eq!(in_spec(&built, &live).as_deref(), Some("spec.ingress[0].ports"));
}

#[test]
fn the_ports_of_a_service_may_have_more() {
    let built = json!({ "ports": [{ "port": 8080, "protocol": "TCP" }] });
    let live = json!({ "ports": [{ "port": 1 }, { "port": 8080, "protocol": "TCP", "nodePort": 30080 }] });
    assert_eq!(in_spec(&built, &live), None);
}

#[test]
fn defaults_in_what_is_replaced_as_a_whole_are_the_same() {
    let built = json!({
        "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
        "parentRefs": [{ "name": "web" }],
        "rules": [{ "backendRefs": [{ "name": "shop-gateway", "port": 8080 }] }],
    });
    let mut live = json!({
        "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name", "apiVersion": "v1" } } }],
        "parentRefs": [{ "name": "web", "group": "gateway.networking.k8s.io", "kind": "Gateway" }],
        "rules": [{ "backendRefs": [{
            "name": "shop-gateway", "port": 8080, "group": "", "kind": "Service", "weight": 1,
        }] }],
    });
    assert_eq!(in_spec(&built, &live), None);
    live["rules"][0]["backendRefs"][0]["weight"] = json!(0);
    assert_eq!(in_spec(&built, &live).as_deref(), Some("spec.rules[0].backendRefs[0].weight"));
}

#[test]
fn an_empty_value_is_left_out_of_a_variable_or_toleration_and_of_nothing_else() {
    let built = json!({ "env": [{ "name": "A", "value": "" }], "tolerations": [{ "key": "spot", "value": "" }] });
    assert_eq!(in_spec(&built, &json!({ "env": [{ "name": "A" }], "tolerations": [{ "key": "spot" }] })), None);
    for map in ["labels", "annotations", "nodeSelector", "matchLabels", "selector", "data", "config"] {
        for key in ["a", "a.value"] {
            let path = format!("spec.{map}.{key}");
            let (built, other) = (json!({ map: { key: "" } }), json!({ map: { "other": "x" } }));
            assert_eq!(in_spec(&built, &built), None);
            assert_eq!(in_spec(&built, &other), Some(path.clone()));
            assert_eq!(in_spec(&built, &json!({ map: {} })), Some(path));
        }
    }
    // All that we build of these the API server keeps as they are.
    for zero in [json!(false), json!(0)] {
        assert_eq!(in_spec(&json!({ "a": zero }), &json!({})).as_deref(), Some("spec.a"));
    }
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
