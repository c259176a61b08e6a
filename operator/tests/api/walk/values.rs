//! For each field of the spec another value than none, with what it takes besides.

use serde_json::{Value, json};

/// Merge patches of a small spec. Together they set every field.
pub(crate) fn good() -> Vec<Value> {
    let order = |fields: Value| json!({ "services": { "order": fields } });
    let topic = |name: &str| {
        json!({ "kafka": { "topics": { name: {
            "partitions": 5, "replicationFactor": 1, "retention": "2h", "config": { "segment.bytes": "2097152" },
        } } } })
    };
    let tolerations = json!([{
        "key": "spot", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60,
    }]);
    let labels = json!({ "kubernetes.io/metadata.name": "somewhere" });
    let policies = |kind: &str| {
        json!({
            "stabilizationWindowSeconds": 30, "selectPolicy": "Min",
            "policies": [{ "type": kind, "value": 2, "periodSeconds": 60 }],
        })
    };
    let scaled = |autoscaling: Value| order(json!({ "autoscaling": autoscaling }));
    vec![
        json!({ "image": { "tag": "2.0.0" } }),
        json!({ "image": { "registry": "registry.test/other" } }),
        json!({ "image": { "pullPolicy": "Always", "pullSecrets": ["registry"] } }),
        json!({ "database": { "secretRef": { "name": "other-database", "key": "other" } } }),
        json!({ "database": { "caSecretRef": { "name": "other-database", "key": "authority" } } }),
        json!({ "deletionTimeout": "1m" }),
        json!({ "gateway": { "type": "ClusterIP", "annotations": { "example.com/scheme": "internal" } } }),
        json!({ "gateway": { "type": "LoadBalancer" } }),
        json!({ "gateway": { "nodePort": 30123 } }),
        json!({ "gateway": { "type": null, "ingress": {
            "className": "nginx", "host": "shop.example.com", "tlsSecretName": "shop", "annotations": { "a/b": "c" },
        } } }),
        json!({ "kafka": { "adopt": true } }),
        json!({ "kafka": { "deletionPolicy": "Delete" } }),
        json!({ "kafka": { "topicManagement": "External" } }),
        json!({ "kafka": { "topicDefaults": {
            "partitions": 4, "replicationFactor": 1, "retention": "3h", "config": { "max.message.bytes": "2000000" },
        } } }),
        topic("menu"),
        topic("cook"),
        topic("delivery"),
        topic("orderRequests"),
        json!({ "logs": { "level": "debug" } }),
        json!({ "logs": { "maxFiles": 3, "maxTotalSize": "30Mi" } }),
        json!({ "logs": { "volume": {
            "size": "64Mi", "storageClassName": "efs", "accessModes": ["ReadWriteOnce"], "retention": "Delete",
        } } }),
        json!({ "mesh": "Istio" }),
        json!({ "networkPolicy": { "enabled": false } }),
        json!({ "networkPolicy": {
            "egress": [{ "cidr": "127.0.0.0/8", "ports": [5432] }, { "namespaceLabels": labels, "podLabels": labels }],
            "metricsFrom": [{ "namespaceLabels": labels, "podLabels": labels }, { "cidr": "10.0.0.0/8" }],
        } }),
        json!({ "rollout": { "onFailure": "Rollback", "progressDeadline": "90s" } }),
        json!({ "services": { "cook": { "config": { "cookingTime": "1s..2s" } } } }),
        json!({ "services": { "delivery": { "config": { "deliveryTime": "manual" } } } }),
        order(json!({ "config": { "connectTimeout": "500ms", "responseTimeout": "4s" } })),
        json!({ "services": { "gateway": { "config": { "connectTimeout": "500ms", "responseTimeout": "4s" } } } }),
        order(json!({ "replicas": 2 })),
        order(json!({ "image": "registry.test/food/order:3.0.0" })),
        order(json!({ "database": {
            "secretRef": { "name": "other-database", "key": "other" },
            "caSecretRef": { "name": "other-database", "key": "authority" },
        } })),
        order(json!({ "labels": { "team": "kitchen" }, "annotations": { "example.com/note": "a" } })),
        order(json!({ "nodeSelector": { "kubernetes.io/arch": "amd64" } })),
        order(json!({ "priorityClassName": "system-cluster-critical" })),
        order(json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
            { "topologyKey": "zone", "labelSelector": { "matchLabels": { "a": "b" } } },
        ] } } })),
        order(json!({ "tolerations": tolerations })),
        order(json!({ "env": [{ "name": "RUST_BACKTRACE", "value": "1" }] })),
        order(json!({ "resources": {
            "requests": { "cpu": "70m", "memory": "40Mi" }, "limits": { "cpu": "1", "memory": "200Mi" },
        } })),
        order(json!({ "probes": {
            "startup": { "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 50 },
            "readiness": { "periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 4 },
            "liveness": { "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 6 },
        } })),
        order(json!({ "circuitBreaker": {
            "maxPendingRequests": 1, "maxRequestsPerConnection": 2, "consecutive5xxErrors": 3, "interval": "10s",
            "baseEjectionTime": "10m", "maxEjectionPercent": 50,
        } })),
        // With more than the one pod that runs, more would run on afterwards.
        scaled(json!({ "minReplicas": 1, "maxReplicas": 4, "targetCPUUtilizationPercentage": 30 })),
        scaled(
            json!({ "maxReplicas": 3, "behavior": { "scaleUp": policies("Pods"), "scaleDown": policies("Percent") } }),
        ),
    ]
}

/// Fields with tests of their own: what they take is not there in this one, or leaves something behind by design.
pub(crate) const ELSEWHERE: [(&str, &str); 7] = [
    ("gateway.httpRoute.", "ways_in, rights: a definition that other tests want to be missing"),
    ("kafka.bootstrapServers", "conditions, door: another cluster is another platform's data"),
    ("kafka.tls.", "kafka_security: a listener of its own"),
    ("kafka.sasl.", "kafka_security: a listener of its own"),
    ("kafka.strimzi.", "strimzi: another way to topics"),
    ("kafka.topicPrefix", "admission: it can't be changed"),
    ("paused", "lifecycle: nothing is brought about while it is set"),
];

/// Whether a field has tests of its own.
pub(crate) fn is_elsewhere(path: &str) -> bool {
    ELSEWHERE.iter().any(|(prefix, _)| path.starts_with(prefix))
}

/// Values at the bounds of a field whose bounds aren't those of the schema alone, by its path.
pub(crate) fn at_bounds(path: &str) -> Option<Vec<Value>> {
    let field = path.rsplit('.').next()?;
    let domain = ["d".repeat(63), "d".repeat(63), "d".repeat(63), "d".repeat(61)].join(".");
    let key = format!("{domain}/{}", "k".repeat(63));
    let level = format!("{}=debug", "m".repeat(250));
    let address = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff/128";
    let values: &[&str] = match (path, field) {
        ("services.gateway.config.responseTimeout", _) => &["1ms", "9s"],
        (_, "connectTimeout" | "responseTimeout") => &["1ms", "5s"],
        (_, "cookingTime" | "deliveryTime") => &["0s", "0s..24h", "1439m..1440m"],
        (_, "interval" | "baseEjectionTime" | "deletionTimeout" | "progressDeadline") => &["1ms", "24h", "86400000ms"],
        (_, "retention") if path.starts_with("kafka.") => &["1ms", "999999d", "forever"],
        (_, "maxTotalSize" | "size") => &["1Mi", "1024Ti"],
        (_, "level") => &["off", &level],
        (_, "cidr") => &["0.0.0.0/0", address],
        // The good value's limit is 1, and its request 70m.
        ("services.order.resources.requests.cpu", _) => &["0", "1"],
        ("services.order.resources.limits.cpu", _) => &["70m", "999999"],
        ("services.order.resources.requests.memory", _) => &["0", "200Mi"],
        ("services.order.resources.limits.memory", _) => &["40Mi", "1024Ti"],
        ("services.order.tolerations[].key", _) => &[&key],
        (_, "storageClassName") => &["", &domain],
        // The good value's most are 4.
        (_, "minReplicas") => return Some(vec![json!(1), json!(4)]),
        (_, "accessModes") => return Some(vec![json!(["ReadWriteMany", "ReadWriteOnce"])]),
        _ => return None,
    };
    Some(values.iter().map(|value| json!(value)).collect())
}

/// A tag that the registry doesn't have.
pub(crate) const MISSING: &str = "missing";
/// A port that somebody else has.
pub(crate) const TAKEN: i32 = 30_999;

/// Specs that are taken and can't be brought about: what they are, and why the platform is stalled.
pub(crate) fn futile() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "image": { "tag": MISSING } }), "ImagePullBackOff"),
        (json!({ "database": { "secretRef": { "name": "nowhere" } } }), "SecretNotFound"),
        (json!({ "database": { "caSecretRef": { "name": "other-database", "key": "nothing" } } }), "SecretNotFound"),
        (json!({ "services": { "order": { "database": { "secretRef": { "name": "nowhere" } } } } }), "SecretNotFound"),
        (json!({ "services": { "order": { "affinity": { "nodeAfinity": {} } } } }), "InvalidSpec"),
        (json!({ "kafka": { "topics": { "menu": { "config": { "segment.bytes": "nonsense" } } } } }), "TopicRefused"),
        (json!({ "gateway": { "nodePort": TAKEN } }), "ApplyFailed"),
    ]
}
