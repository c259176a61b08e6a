//! The DestinationRules of a platform in a mesh, before Istio's own check: the one that its admission webhook makes.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use foodplatform_operator::{
    api::FoodPlatform,
    build::{Dereferenced, Platform, children},
};
use serde_json::{Value, json};

/// The rules of a platform whose services all have that circuit breaker.
fn rules(breaker: &Value) -> Vec<Value> {
    let service = json!({ "circuitBreaker": breaker });
    let platform: FoodPlatform = serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": { "name": "shop", "namespace": "food", "uid": "uid" },
        "spec": {
            "image": { "registry": "registry.test/food", "tag": "1.0.0" },
            "kafka": { "bootstrapServers": "kafka:9092" },
            "database": { "secretRef": { "name": "database" } },
            "mesh": "Istio",
            "services": { "order": service, "cook": service, "delivery": service, "mypage": service },
        },
    }))
    .unwrap();
    let children = children(&Platform::new(&platform).unwrap(), &Dereferenced::default());
    let rules = children.iter().filter(|child| child.kind() == "DestinationRule");
    rules.map(|rule| serde_json::to_value(&rule.object).unwrap()).collect()
}

/// What Istio says of each rule: an error, a warning, or nothing.
fn verdicts(rules: &[Value]) -> Vec<Value> {
    let program = std::env::var("TEST_ISTIO").expect("TEST_ISTIO names the program that asks Istio");
    let mut validator =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    validator.stdin.take().unwrap().write_all(json!(rules).to_string().as_bytes()).unwrap();
    let output = validator.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn complaints(rules: &[Value]) -> Vec<Value> {
    let verdicts = verdicts(rules);
    assert_eq!(verdicts.len(), rules.len());
    verdicts.into_iter().filter(|verdict| verdict.get("error").is_some() || verdict.get("warning").is_some()).collect()
}

#[test]
fn istio_accepts_every_circuit_breaker_that_the_definition_lets_through() {
    for breaker in [
        json!({}),
        json!({
            "maxPendingRequests": 1, "maxRequestsPerConnection": 1, "consecutive5xxErrors": 1, "interval": "1s",
            "baseEjectionTime": "10m", "maxEjectionPercent": 100,
        }),
        json!({ "maxPendingRequests": 0, "maxRequestsPerConnection": 0, "consecutive5xxErrors": 0 }),
        json!({ "maxEjectionPercent": 0, "consecutive5xxErrors": 5 }),
        json!({ "maxPendingRequests": 1_000_000, "maxRequestsPerConnection": 1_000_000, "consecutive5xxErrors": 1000 }),
        json!({ "interval": "1ms", "baseEjectionTime": "1ms" }),
        json!({ "interval": "500ms", "baseEjectionTime": "1500ms" }),
        json!({ "interval": "24h", "baseEjectionTime": "24h" }),
    ] {
        let rules = rules(&breaker);
        assert_eq!(rules.len(), 4, "one for each service behind the gateway");
        assert_eq!(complaints(&rules), Vec::<Value>::new(), "{breaker}");
    }
}

#[test]
fn what_istio_does_not_take_is_found() {
    let broken = |pointer: &str, value: Value| {
        let mut rule = rules(&json!({})).remove(0);
        *rule.pointer_mut(pointer).unwrap() = value;
        complaints(&[rule])
    };
    let outliers = "/spec/trafficPolicy/outlierDetection";
    assert_eq!(broken("/spec/host", json!("")).len(), 1);
    assert_eq!(broken(&format!("{outliers}/interval"), json!("0s")).len(), 1);
    assert_eq!(broken(&format!("{outliers}/maxEjectionPercent"), json!(101)).len(), 1);
    assert_eq!(broken(outliers, json!({ "consecutiveErrorsOfAnyKind": 1 })).len(), 1);
}
