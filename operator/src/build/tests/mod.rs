//! What is built, as YAML, for the smallest platform and for one that says everything.

mod migrations;
mod network_policies;

use serde_json::{Value, json};

use super::*;
use crate::api::FoodPlatform;

fn resource(spec: Value) -> FoodPlatform {
    serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1",
        "kind": "FoodPlatform",
        "metadata": { "name": "shop", "namespace": "food", "uid": "0b5f4c2e-0000-4000-8000-000000000001" },
        "spec": spec,
    }))
    .unwrap()
}

fn platform(spec: Value) -> Platform {
    Platform::new(&resource(spec)).unwrap()
}

/// Why the spec is refused.
fn refusal(spec: Value) -> String {
    Platform::new(&resource(spec)).unwrap_err().to_string()
}

fn smallest() -> Value {
    json!({
        "image": { "registry": "ghcr.io/example/foodplatform", "tag": "1.4.0" },
        "kafka": { "bootstrapServers": "kafka:9092" },
        "database": { "secretRef": { "name": "database" } },
    })
}

/// A spec that says everything that it can.
fn fullest() -> Value {
    json!({
        "image": {
            "registry": "localhost:5000/food", "tag": "dev", "pullPolicy": "Never", "pullSecrets": ["registry"],
        },
        "services": {
            "gateway": { "config": { "connectTimeout": "500ms", "responseTimeout": "9s" } },
            "order": {
                "config": { "connectTimeout": "2s", "responseTimeout": "5s" },
                "image": "ghcr.io/example/order:2.0.0",
                "autoscaling": {
                    "minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60,
                    "behavior": {
                        "scaleUp": { "stabilizationWindowSeconds": 0 },
                        "scaleDown": {
                            "selectPolicy": "Min",
                            "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }],
                        },
                    },
                },
                "resources": { "requests": { "cpu": "0.1", "memory": "1024Mi" }, "limits": { "cpu": "2000m" } },
            },
            "cook": {
                "replicas": 0, "config": { "cookingTime": "manual" },
                "circuitBreaker": {
                    "maxPendingRequests": 1, "maxRequestsPerConnection": 2, "consecutive5xxErrors": 3,
                    "interval": "10s", "baseEjectionTime": "10m", "maxEjectionPercent": 50,
                },
            },
            "delivery": {
                "database": { "secretRef": { "name": "couriers" } },
                "replicas": 2, "config": { "deliveryTime": "1s..3s" },
                "labels": { "team": "couriers" }, "annotations": { "example.com/note": "a" },
                "nodeSelector": { "kubernetes.io/arch": "amd64" }, "priorityClassName": "high",
                "tolerations": [{ "key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 }],
                "env": [{ "name": "RUST_BACKTRACE", "value": "1" }],
                "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{ "matchExpressions": [
                        { "key": "example.com/couriers", "operator": "Exists" },
                    ] }],
                } } },
                "probes": {
                    "startup": { "failureThreshold": 60 }, "readiness": { "periodSeconds": 2 },
                    "liveness": { "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 5 },
                },
            },
        },
        "kafka": {
            "bootstrapServers": "a:9092,b:9092", "topicPrefix": "eu.",
            "tls": { "caSecretRef": { "name": "kafka-ca", "key": "ca.pem" }, "clientSecretRef": { "name": "kafka-client" } },
            "sasl": { "mechanism": "SCRAM-SHA-512", "secretRef": { "name": "kafka-user", "usernameKey": "user" } },
        },
        "database": {
            "secretRef": { "name": "database", "key": "DATABASE_URL" },
            "caSecretRef": { "name": "database-ca" },
        },
        "logs": {
            "level": "info,sqlx=warn", "maxFiles": 5,
            "volume": { "storageClassName": "efs", "size": "2048Mi", "retention": "Delete" },
        },
        "gateway": {
            "type": "NodePort", "nodePort": 30080, "annotations": { "example.com/scheme": "internal" },
            "ingress": {
                "className": "nginx", "host": "shop.example.com", "tlsSecretName": "shop",
                "annotations": { "example.com/size": "1m" },
            },
            "httpRoute": {
                "parentRefs": [{ "name": "web", "namespace": "edge", "sectionName": "https" }],
                "hostnames": ["shop.example.com"],
            },
        },
        "mesh": "Istio",
        "networkPolicy": {
            "enabled": true,
            "egress": [
                { "cidr": "10.20.0.0/16", "ports": [5432, 6432] },
                { "namespaceLabels": { "kubernetes.io/metadata.name": "kafka" }, "podLabels": { "app": "kafka" } },
            ],
            "metricsFrom": [
                { "namespaceLabels": { "kubernetes.io/metadata.name": "monitoring" } },
                { "cidr": "10.1.2.3/32" },
            ],
        },
        "rollout": { "progressDeadline": "90500ms", "onFailure": "Rollback" },
    })
}

fn with_database(checksum: &str, port: u16) -> Dereferenced {
    Dereferenced::of(&Database { checksum: checksum.to_owned(), port: Some(port) })
}

/// What the Secret says.
fn known() -> Dereferenced {
    with_database("0123456789abcdef", 5432)
}

fn built(spec: Value) -> Children {
    children(&platform(spec), &known())
}

fn find<'a>(children: &'a Children, kind: &str, service: FoodService) -> &'a Child {
    children.iter().find(|child| child.kind() == kind && child.service == service).unwrap()
}

/// The objects of a service, in the order in which they are applied.
fn objects(children: &Children, service: FoodService) -> Vec<&kube::core::DynamicObject> {
    children.iter().filter(|child| child.service == service).map(|child| &child.object).collect()
}

#[test]
fn smallest_platform() {
    let children = built(smallest());
    for service in FoodService::ALL {
        insta::assert_yaml_snapshot!(format!("smallest_{service}"), objects(&children, service));
    }
}

#[test]
fn fullest_platform() {
    let children = built(fullest());
    for service in FoodService::ALL {
        insta::assert_yaml_snapshot!(format!("fullest_{service}"), objects(&children, service));
    }
}

#[test]
fn groups_are_in_the_order_in_which_pods_need_them() {
    let children = built(fullest());
    let kinds = |group: &[Child]| {
        let mut kinds: Vec<_> = group.iter().map(|child| child.kind().to_owned()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(
        kinds(&children.foundations),
        ["ConfigMap", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service", "ServiceAccount"]
    );
    assert_eq!(kinds(&children.migrations), ["Job"]);
    assert_eq!(
        kinds(&children.workloads),
        ["Deployment", "DestinationRule", "HTTPRoute", "HorizontalPodAutoscaler", "Ingress"]
    );
    assert!(children.migration_of(FoodService::Gateway).is_none());
    assert_eq!(children.migration_of(FoodService::Cook).unwrap().service, FoodService::Cook);
}

#[test]
fn every_child_is_of_a_watched_kind_and_is_found_by_the_selector() {
    let selector = labels::platform_selector("shop");
    for child in built(fullest()).iter() {
        assert!(kinds().contains(&child.resource) || optional_kinds().contains(&child.resource), "{}", child.kind());
        let labels = child.object.metadata.labels.clone().unwrap();
        for pair in selector.split(',') {
            let (key, value) = pair.split_once('=').unwrap();
            assert_eq!(labels[key], value);
        }
        assert_eq!(child.object.metadata.namespace.as_deref(), Some("food"));
    }
}

#[test]
fn only_retained_claims_have_no_owner() {
    let mut spec = fullest();
    spec["logs"]["volume"]["retention"] = json!("Retain");
    for child in built(spec).iter() {
        let owned = child.object.metadata.owner_references.is_some();
        assert_eq!(owned, child.kind() != "PersistentVolumeClaim", "{}", child.name());
    }
}

#[test]
fn building_twice_gives_the_same() {
    assert_eq!(built(fullest()), built(fullest()));
}

#[test]
fn pods_roll_when_what_they_read_once_changes() {
    let template_of = |service, spec: Value, secret: &str| {
        let kafka_checksum = spec["kafka"]["sasl"].is_object().then(|| secret.to_owned());
        let known = Dereferenced { kafka_checksum, ..with_database(secret, 5432) };
        let children = children(&platform(spec), &known);
        find(&children, "Deployment", service).object.data["spec"]["template"].clone()
    };
    let template = |spec, secret| template_of(FoodService::Order, spec, secret);
    let before = template(smallest(), "a");
    assert_eq!(before, template(smallest(), "a"));
    assert_ne!(before, template(smallest(), "b"), "another database URL");
    let mut spec = smallest();
    spec["logs"] = json!({ "level": "debug" });
    assert_ne!(before, template(spec, "a"), "another log level");

    // It has no database.
    let gateway = |spec, secret| template_of(FoodService::Gateway, spec, secret);
    assert_eq!(gateway(smallest(), "a"), gateway(smallest(), "b"));
    let mut spec = smallest();
    spec["kafka"]["sasl"] = json!({ "mechanism": "SCRAM-SHA-512", "secretRef": { "name": "kafka" } });
    assert_ne!(gateway(spec.clone(), "a"), gateway(spec, "b"), "another password for Kafka");
}

#[test]
fn nothing_that_the_autoscaler_decides_is_built() {
    let children = built(fullest());
    let deployment = find(&children, "Deployment", FoodService::Order);
    assert_eq!(deployment.object.data["spec"]["replicas"], Value::Null);
    let deployment = find(&children, "Deployment", FoodService::Cook);
    assert_eq!(deployment.object.data["spec"]["replicas"], 0);
}

#[test]
fn a_pod_has_time_to_finish() {
    let children = built(smallest());
    let pod = &find(&children, "Deployment", FoodService::Order).object.data["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace > pre_stop + deployment::DRAIN_SECONDS);
    assert!(container["livenessProbe"]["terminationGracePeriodSeconds"].as_i64().unwrap() < grace);
}

#[test]
fn logs_leave_room_on_their_volume() {
    let claimed = platform(fullest()).logs;
    assert!(claimed.max_total_size < claimed.volume.unwrap().size.ceil());
    assert_eq!(platform(smallest()).logs.max_total_size, 104_857_600);
}

#[test]
fn what_no_apiserver_has_checked_is_refused() {
    let new = |change: fn(&mut FoodPlatform)| {
        let mut platform = resource(fullest());
        change(&mut platform);
        Platform::new(&platform).map_err(|error| error.to_string())
    };
    assert!(new(|_| ()).is_ok());
    for (change, message) in [
        ((|p| p.metadata.uid = None) as fn(&mut FoodPlatform), "metadata.uid is missing"),
        (|p| p.metadata.name = Some("a".repeat(41)), "metadata.name \"aaaa"),
        (
            |p| p.spec.services.as_mut().unwrap().order.as_mut().unwrap().common.replicas = Some(1),
            "spec.services.order: replicas and autoscaling exclude each other",
        ),
        (
            |p| {
                let order = p.spec.services.as_mut().unwrap().order.as_mut().unwrap();
                order.common.autoscaling.as_mut().unwrap().min_replicas = Some(9);
            },
            "spec.services.order.autoscaling: minReplicas is above maxReplicas",
        ),
        (
            |p| p.spec.logs.as_mut().unwrap().max_total_size = Some("much".to_owned()),
            "spec.logs.maxTotalSize: \"much\" is no quantity",
        ),
    ] {
        let error = new(change).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn platforms_that_share_topics_share_no_consumer_group() {
    let group = |name: &str| {
        let renamed = Platform { name: name.to_owned(), ..platform(fullest()) };
        let children = children(&renamed, &known());
        let config = find(&children, "ConfigMap", FoodService::Order);
        config.object.data.pointer("/data/CONSUMER_GROUP").unwrap().clone()
    };
    assert_eq!(group("shop"), "food.shop.order");
    assert_eq!(group("shop-eu"), "food.shop-eu.order");
}

#[test]
fn the_chart_gives_the_operator_rights_on_every_kind() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/foodplatform-operator/templates/rbac.yaml");
    let rules = std::fs::read_to_string(path).unwrap();
    for kind in kinds() {
        let rule = rules.split("  - apiGroups: ").find(|rule| {
            let group = if kind.group.is_empty() { "\"\"" } else { &kind.group };
            rule.starts_with(&format!("[{group}]")) && rule.contains(&kind.plural)
        });
        let verbs = "verbs: [get, list, watch, create, patch, delete]";
        assert!(rule.is_some_and(|rule| rule.contains(verbs)), "{}: {rule:?}", kind.plural);
    }
}

#[test]
fn the_gateway_is_a_load_balancer_unless_something_else_leads_to_it() {
    let type_ = |gateway: Value| {
        let mut spec = smallest();
        spec["gateway"] = gateway;
        find(&built(spec), "Service", FoodService::Gateway).object.data["spec"]["type"].clone()
    };
    assert_eq!(type_(json!({})), "LoadBalancer");
    assert_eq!(type_(json!({ "ingress": { "host": "a" } })), "ClusterIP");
    assert_eq!(type_(json!({ "httpRoute": { "parentRefs": [{ "name": "web" }] } })), "ClusterIP");
    assert_eq!(type_(json!({ "type": "NodePort", "ingress": { "host": "a" } })), "NodePort");
}

#[test]
fn a_mesh_is_told_what_it_has_words_for() {
    let rule = |breaker: Value| {
        let mut spec = smallest();
        spec["mesh"] = json!("Istio");
        spec["services"] = json!({ "cook": { "circuitBreaker": breaker } });
        find(&built(spec), "DestinationRule", FoodService::Cook).object.data["spec"]["trafficPolicy"].clone()
    };
    let whole = rule(json!({}));
    assert_eq!(whole["connectionPool"]["http"]["http1MaxPendingRequests"], 1024);
    assert_eq!(whole["outlierDetection"]["consecutive5xxErrors"], 5);
    // 0 is "not set" there.
    let none_waits = rule(json!({ "maxPendingRequests": 0 }));
    assert_eq!(none_waits["connectionPool"]["http"].get("http1MaxPendingRequests"), None);
    assert_eq!(rule(json!({ "maxEjectionPercent": 0 }))["outlierDetection"]["consecutive5xxErrors"], 0);
}

#[test]
fn an_affinity_that_kubernetes_would_not_understand_is_refused() {
    let refused = |affinity: Value| {
        let mut spec = smallest();
        spec["services"] = json!({ "cook": { "affinity": affinity } });
        refusal(spec)
    };
    let misspelt = refused(json!({ "podAntiAffinity": { "required": [] } }));
    assert!(
        misspelt.starts_with("spec.services.cook.affinity: Kubernetes knows no affinity.podAntiAffinity.required"),
        "{misspelt}"
    );
    let mut with_null = smallest();
    with_null["services"] = json!({ "cook": { "affinity": { "nodeAffinity": null, "podAntiAffinity": {} } } });
    platform(with_null);
    let wrong = refused(json!({ "nodeAffinity": 1 }));
    assert!(wrong.starts_with("spec.services.cook.affinity: invalid type"), "{wrong}");
}

#[test]
fn a_broker_without_a_port_is_refused() {
    let mut spec = smallest();
    spec["kafka"]["bootstrapServers"] = json!("a:9092,b:99999");
    let refused = refusal(spec);
    assert!(refused.starts_with("spec.kafka.bootstrapServers: \"b:99999\" does not end in a port"), "{refused}");
}
