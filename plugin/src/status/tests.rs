//! Platforms that stand well and ill, as people and machines see them.

use std::collections::BTreeMap;

use foodplatform_operator::api::{FoodPlatform, FoodService};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{
    lag::Lag,
    show::show,
    view::{View, view},
};
use crate::paint::plain;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn platform(status: &Value) -> FoodPlatform {
    serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": {
            "name": "shop", "namespace": "food", "uid": "u", "generation": 4,
            "creationTimestamp": "2025-12-27T10:00:00Z",
        },
        "spec": {
            "image": { "registry": "r", "tag": "2" },
            "kafka": { "bootstrapServers": "k:9092" },
            "database": { "secretRef": { "name": "db" } },
        },
        "status": status,
    }))
    .unwrap()
}

fn condition(type_: &str, status: &str, reason: &str, message: &str, since: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since })
}

fn pod(service: &str, role: &str, name: &str, created: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "creationTimestamp": created,
            "labels": { "app.kubernetes.io/name": service, "foodplatform.dev/role": role },
        },
        "spec": { "nodeName": "node-1", "containers": [] },
        "status": status,
    }))
    .unwrap()
}

fn ready_pod(service: &str, name: &str, restarts: i32) -> Pod {
    let container = json!({ "name": service, "image": "i", "imageID": "", "ready": true, "restartCount": restarts });
    let conditions = json!([{ "type": "Ready", "status": "True" }]);
    let status = json!({ "phase": "Running", "conditions": conditions, "containerStatuses": [container] });
    pod(service, "serve", name, "2026-01-01T11:45:00Z", &status)
}

fn lag(topics: &[(&str, u64)], untold: &[&str]) -> Lag {
    Lag {
        total: (!topics.is_empty()).then(|| topics.iter().map(|(_, messages)| messages).sum()),
        topics: topics.iter().map(|(topic, messages)| (format!("food.shop.{topic}"), *messages)).collect(),
        untold: untold.iter().map(ToString::to_string).collect(),
    }
}

/// Everything is well.
fn ready() -> View {
    let platform = platform(&json!({
        "observedGeneration": 4,
        "conditions": [
            condition("Ready", "True", "Ready", "all services are ready", "2026-01-01T11:50:00Z"),
            condition("Reconciling", "False", "Ready", "all services are ready", "2026-01-01T11:50:00Z"),
            condition("Stalled", "False", "Ready", "nothing is in the way", "2025-12-27T10:00:00Z"),
        ],
        "servicesReady": "2/2",
        "services": [
            { "name": "order", "image": "r/order:2", "lastReadyImage": "r/order:2", "desired": 2, "updated": 2, "ready": 2,
              "autoscaling": { "current": 2, "min": 1, "max": 3 } },
            { "name": "gateway", "image": "r/gateway:2", "desired": 1, "updated": 1, "ready": 1 },
        ],
        "topics": [
            { "name": "food.shop.menu", "partitions": 12, "state": "Ready" },
            { "name": "food.shop.menu.dlq", "partitions": 1, "state": "Ready" },
        ],
        "volumes": [{ "name": "shop-order-logs", "phase": "Bound", "capacity": "1Gi" }],
        "endpoint": "http://192.0.2.7:30080",
    }));
    let ended = json!({ "phase": "Succeeded" });
    let pods = vec![
        ready_pod("order", "shop-order-b", 1),
        ready_pod("order", "shop-order-a", 0),
        ready_pod("gateway", "shop-gateway-a", 0),
        pod("order", "migrate", "shop-order-migrate-1-x", "2026-01-01T11:00:00Z", &ended),
    ];
    let lags = [(FoodService::Order, lag(&[("cook", 2), ("delivery", 0), ("menu", 10)], &[]))].into();
    view(&platform, Ok(pods), lags)
}

/// A new image does not become ready, a migration fails, and the operator has yet to see the newest spec.
fn stuck() -> View {
    let platform = platform(&json!({
        "observedGeneration": 3,
        "conditions": [
            condition("Ready", "False", "ImagePullBackOff", "order: image r/order:2 can't be pulled", "2026-01-01T11:59:15Z"),
            condition("Stalled", "True", "ImagePullBackOff", "order: image r/order:2 can't be pulled", "2026-01-01T08:50:00Z"),
            condition("TopicsReady", "Unknown", "Progressing", "not asked yet", "2026-01-01T11:55:30Z"),
        ],
        "servicesReady": "0/2",
        "services": [
            { "name": "order", "image": "r/order:2", "lastReadyImage": "r/order:1", "desired": 1, "updated": 1, "ready": 0,
              "failedRollout": { "image": "r/order:3", "message": "no such table" } },
            { "name": "cook", "image": "r/cook:1", "desired": 1, "updated": 0, "ready": 1 },
        ],
        "topics": [{ "name": "food.shop.menu", "state": "Missing" }],
        "volumes": [{ "name": "shop-order-logs", "phase": "Pending" }],
    }));
    let container = |fields: &Value| {
        let mut container =
            json!({ "name": "c", "image": "r/order:2", "imageID": "", "ready": false, "restartCount": 0 });
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!([container])
    };
    let waiting = container(&json!({ "state": { "waiting": { "reason": "ErrImagePull" } } }));
    let failed = container(&json!({
        "restartCount": 1, "lastState": { "terminated": { "exitCode": 1, "message": "relation is missing" } },
    }));
    let pods = vec![
        pod(
            "order",
            "serve",
            "shop-order-b",
            "2026-01-01T11:57:00Z",
            &json!({ "phase": "Pending", "containerStatuses": waiting }),
        ),
        pod(
            "cook",
            "migrate",
            "shop-cook-migrate-1-x",
            "2026-01-01T11:00:00Z",
            &json!({ "phase": "Running", "containerStatuses": failed }),
        ),
        ready_pod("cook", "shop-cook-a", 0),
    ];
    let lags = [
        (FoodService::Order, Lag::default()),
        (FoodService::Cook, lag(&[("menu", 3)], &["pod shop-cook-b doesn't tell: no answer within 5 s"])),
    ];
    view(&platform, Ok(pods), lags.into())
}

#[test]
fn a_platform_that_is_ready() {
    let view = ready();
    assert!(view.ready);
    insta::assert_snapshot!(plain(&show(&view, now())));
}

#[test]
fn a_platform_that_is_stuck() {
    let view = stuck();
    assert!(!view.ready);
    insta::assert_snapshot!(plain(&show(&view, now())));
}

#[test]
fn colours_say_what_is_well() {
    let (ready, stuck) = (show(&ready(), now()), show(&stuck(), now()));
    let (green, red) = ("\u{1b}[32m", "\u{1b}[1m\u{1b}[31m");
    assert!(ready.contains(&format!("{green}True")) && !ready.contains(red), "{ready:?}");
    assert!(stuck.contains(&format!("{red}False")) && stuck.contains(&format!("{red}True")), "{stuck:?}");
}

#[test]
fn machines_get_all_of_it() {
    insta::assert_yaml_snapshot!(stuck());
}

#[test]
fn a_ready_condition_of_an_older_spec_is_not_ready() {
    let ready = condition("Ready", "True", "Ready", "all services are ready", "2026-01-01T11:50:00Z");
    let is_ready = |generation: i64| {
        let platform = platform(&json!({ "observedGeneration": generation, "conditions": [ready] }));
        view(&platform, Ok(Vec::new()), BTreeMap::new()).ready
    };
    assert!(is_ready(4));
    assert!(!is_ready(3));
}

#[test]
fn a_platform_that_nobody_has_looked_at_and_pods_that_nobody_may_see() {
    let platform = FoodPlatform { status: None, ..platform(&json!({})) };
    let view = view(&platform, Err("pods is forbidden".to_owned()), BTreeMap::new());
    insta::assert_snapshot!(plain(&show(&view, now())));
}
