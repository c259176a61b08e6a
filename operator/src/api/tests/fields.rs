//! What each field may be.

use serde_json::{Value, json};

use super::{accepts, complaints, refuses, smallest};
use crate::api::FoodPlatform;

/// All of them, for [`super::definition`] to see that no rule is without a test.
pub(super) const TESTS: &[fn()] = &[
    takes_the_smallest_platform,
    name,
    images,
    replicas_or_autoscaling,
    min_and_max_replicas,
    cooking_and_delivery_times,
    time_outs,
    circuit_breakers,
    databases,
    pods,
    resources,
    bootstrap_servers,
    topics,
    kafka_security,
    database,
    logs,
    access_modes,
    node_port,
    ways_to_the_gateway,
    whose_topics_these_are,
    rollouts,
    network_policies,
];

#[test]
fn takes_the_smallest_platform() {
    assert_eq!(complaints(&smallest(), None), Vec::<String>::new());
    let platform: FoodPlatform = serde_json::from_value(smallest()).unwrap();
    assert_eq!(serde_json::to_value(platform).unwrap(), smallest(), "reading and writing adds nothing");
}

#[test]
fn name() {
    accepts("metadata.name", &[json!("a"), json!("a-1"), json!("a".repeat(40))]);
    let bad = [json!("a".repeat(41)), json!("1a"), json!("a.b"), json!("a-")];
    refuses("metadata.name", &bad, "metadata.name: at most 40");
}

#[test]
fn images() {
    let good = [json!("docker.io"), json!("localhost:5000"), json!("ghcr.io/a/b-c_d"), json!("localhost/food")];
    accepts("spec.image.registry", &good);
    let bad = [
        json!("https://ghcr.io"),
        json!("ghcr.io/"),
        json!("ghcr.io/A"),
        json!("ghcr.io/a:1"),
        json!("a:65536"),
        json!(""),
    ];
    refuses("spec.image.registry", &bad, "registry: ");
    accepts("spec.image.tag", &[json!("latest"), json!("1.4.0-rc.1_x")]);
    refuses("spec.image.tag", &[json!("-1"), json!("a b"), json!("a:b"), json!("")], "tag: ");
    let image = |image: &str| json!({ "order": { "image": image } });
    let digest = format!("ghcr.io/a/order@sha256:{}", "0a".repeat(32));
    accepts("spec.services", &[image("order"), image("localhost:5000/order:dev"), image(&digest)]);
    let bad = ["a order", "order@sha256:1", "/order", "ghcr.io/order:1:2", "ghcr.io/Order:1", "order:", "a//b"];
    refuses("spec.services", &bad.map(image), "image: ");
}

#[test]
fn replicas_or_autoscaling() {
    for service in ["order", "cook", "delivery", "mypage", "gateway"] {
        let path = format!("spec.services.{service}");
        let autoscaling = json!({ "maxReplicas": 3 });
        accepts(&path, &[json!({}), json!({ "replicas": 0 }), json!({ "autoscaling": autoscaling })]);
        let both = json!({ "replicas": 1, "autoscaling": autoscaling });
        refuses(&path, &[both], "replicas and autoscaling exclude each other");
    }
}

#[test]
fn min_and_max_replicas() {
    let path = "spec.services.order.autoscaling";
    accepts(path, &[json!({ "maxReplicas": 1 }), json!({ "minReplicas": 2, "maxReplicas": 2 })]);
    refuses(path, &[json!({ "minReplicas": 3, "maxReplicas": 2 })], "minReplicas must not be above maxReplicas");
}

#[test]
fn cooking_and_delivery_times() {
    for (service, field) in [("cook", "cookingTime"), ("delivery", "deliveryTime")] {
        let path = format!("spec.services.{service}.config.{field}");
        accepts(&path, &["0s", "1s..3s", "500ms..2m", "24h", "2s..2s", "manual"].map(|time| json!(time)));
        let bad = ["3s..1s", "1", "1s..", "1s-3s", "-1s", "1d", "Manual", "2m..90s", "25h", "1s..1441m", ""]
            .map(|time| json!(time));
        refuses(&path, &bad, &format!("{field}: "));
    }
}

#[test]
fn time_outs() {
    for (service, field, most) in [
        ("order", "connectTimeout", 5),
        ("order", "responseTimeout", 5),
        ("gateway", "connectTimeout", 5),
        ("gateway", "responseTimeout", 9),
    ] {
        let path = format!("spec.services.{service}.config.{field}");
        accepts(&path, &["1ms", "500ms", "1s", &format!("{most}s")].map(|time| json!(time)));
        let bad = ["0s", "1m", "1.5s", "5001ms0", "", &format!("{}001ms", most), &format!("{}s", most + 1)];
        refuses(&path, &bad.map(|time| json!(time)), &format!("{field}: a time above 0 and up to {most}s"));
    }
}

#[test]
fn circuit_breakers() {
    for service in ["order", "cook", "delivery", "mypage"] {
        let path = format!("spec.services.{service}.circuitBreaker");
        let whole = json!({
            "maxPendingRequests": 1, "maxRequestsPerConnection": 1, "consecutive5xxErrors": 1, "interval": "1s",
            "baseEjectionTime": "10m", "maxEjectionPercent": 100,
        });
        accepts(&path, &[json!({}), whole]);
        for field in ["interval", "baseEjectionTime"] {
            let times = |times: [&str; 4]| times.map(|time| json!({ field: time }));
            accepts(&path, &times(["1ms", "500ms", "10m", "24h"]));
            refuses(&path, &times(["0s", "25h", "1.5s", "soon"]), &format!("{field}: "));
        }
    }
    let path = "spec.services.gateway";
    accepts(path, &[json!({ "replicas": 2 })]);
    refuses("spec.services", &[json!({ "gateway": { "circuitBreaker": {} } })], "gateway.circuitBreaker: no service");
}

#[test]
fn databases() {
    let secret = json!({ "name": "db" });
    let whole =
        json!({ "secretRef": { "name": "db", "key": "uri" }, "caSecretRef": { "name": "ca", "key": "root.pem" } });
    for path in ["spec.database", "spec.services.order.database", "spec.services.mypage.database"] {
        accepts(path, &[json!({ "secretRef": secret }), whole.clone()]);
        refuses(path, &[json!({ "secretRef": secret, "caSecretRef": { "name": "No!" } })], "name: ");
    }
    let gateway = json!({ "gateway": { "database": { "secretRef": secret } } });
    refuses("spec.services", &[gateway], "gateway.database: the gateway keeps nothing");
}

#[test]
fn pods() {
    let path = "spec.services.order";
    let good = json!({
        "labels": { "team": "kitchen" }, "annotations": { "example.com/note": "a" },
        "nodeSelector": { "kubernetes.io/arch": "amd64" }, "priorityClassName": "high",
        "tolerations": [{ "operator": "Exists" }, { "key": "a", "value": "b", "effect": "NoSchedule" },
                        { "key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 }],
        "env": [{ "name": "RUST_BACKTRACE", "value": "1" }, { "name": "LOG_LEVEL", "value": "" }],
    });
    accepts(path, &[good]);
    for field in ["labels", "annotations"] {
        for key in ["app.kubernetes.io/name", "foodplatform.dev/role"] {
            refuses(path, &[json!({ field: { key: "a" } })], &format!("{field}: those that begin"));
        }
    }
    let toleration = |toleration: Value| json!({ "tolerations": [toleration] });
    refuses(path, &[json!({}), json!({ "value": "a" })].map(toleration), "tolerations: without a key");
    let any = json!({ "key": "a", "operator": "Exists", "value": "b" });
    refuses(path, &[toleration(any)], "tolerations: with operator Exists");
    let for_a_time = json!({ "key": "a", "effect": "NoSchedule", "tolerationSeconds": 1 });
    refuses(path, &[toleration(for_a_time)], "tolerations: tolerationSeconds");
    let env = |name: &str| json!({ "env": [{ "name": name, "value": "a" }] });
    refuses(path, &["1A", "A-B", "A B"].map(env), "env: a name");
    refuses(
        path,
        &["DATABASE_URL", "DATABASE_CA_FILE", "LOG_DIR", "POD_NAME", "KAFKA_PASSWORD"].map(env),
        "env: DATABASE_URL",
    );
}

#[test]
fn resources() {
    let path = "spec.services.cook.resources";
    let cpu = |cpu: &str| json!({ "requests": { "cpu": cpu } });
    accepts(path, &["1", "0.5", "50m", "1500m"].map(cpu));
    refuses(path, &["1Gi", "50 m", "-1", "1e3", ""].map(cpu), "cpu: ");
    let memory = |memory: &str| json!({ "limits": { "memory": memory } });
    accepts(path, &["128Mi", "1.5Gi", "128000000"].map(memory));
    refuses(path, &["128m", "128mb", "1E", "1025Ti", "999999999999Ti", ""].map(memory), "memory: ");
    for (resource, low, high) in [("cpu", "500m", "1"), ("memory", "1023Mi", "1Gi")] {
        let both =
            |request: &str, limit: &str| json!({ "requests": { resource: request }, "limits": { resource: limit } });
        accepts(path, &[both(low, high), both(high, high)]);
        refuses(path, &[both(high, low)], &format!("requests.{resource} must not be above limits.{resource}"));
    }
}

#[test]
fn bootstrap_servers() {
    let path = "spec.kafka.bootstrapServers";
    accepts(path, &["kafka:9092", "a.b.svc.cluster.local:9092,10.0.0.1:9093", "[::1]:9092"].map(|s| json!(s)));
    accepts(path, &["a:1,b:65535,c:65499,d:59999"].map(|s| json!(s)));
    let bad = [
        "kafka",
        "kafka:9092,",
        "a:1, b:2",
        "PLAINTEXT://a:9092",
        "",
        "a:0",
        "a:65536",
        "a:99999",
        "b:1,a:0",
        "a:09092",
        "a:70000,b:1",
    ]
    .map(|s| json!(s));
    refuses(path, &bad, "bootstrapServers: ");
}

#[test]
fn topics() {
    accepts("spec.kafka.topicPrefix", &["shop.", "shop-eu_1."].map(|s| json!(s)));
    refuses("spec.kafka.topicPrefix", &[".shop", "sh op", "shop/", ""].map(|s| json!(s)), "topicPrefix: ");
    for path in ["spec.kafka.topicDefaults", "spec.kafka.topics.orderRequests"] {
        let retention = |retention: &str| json!({ "retention": retention });
        accepts(path, &["7d", "36h", "30m", "10s", "500ms", "forever"].map(retention));
        refuses(path, &["7", "0d", "-1", "1w", "7 d", ""].map(retention), "retention: ");
        accepts(path, &[json!({ "config": { "min.insync.replicas": "2" } })]);
        refuses(path, &[json!({ "config": { "retention.ms": "1" } })], "config: set retention instead");
    }
}

#[test]
fn kafka_security() {
    let sasl = |mechanism: &str| json!({ "mechanism": mechanism, "secretRef": { "name": "user" } });
    let kafka = |tls: Value, mechanism: &str| {
        let sasl = sasl(mechanism);
        json!({ "bootstrapServers": "k:9092", "sasl": sasl, "tls": tls })
    };
    let full = json!({ "caSecretRef": { "name": "ca", "key": "ca.pem" }, "clientSecretRef": { "name": "client" } });
    accepts("spec.kafka.tls", &[json!({}), full]);
    accepts("spec.kafka", &[kafka(json!({}), "PLAIN"), kafka(json!({}), "SCRAM-SHA-256")]);
    accepts("spec.kafka.sasl", &[sasl("SCRAM-SHA-256"), sasl("SCRAM-SHA-512")]);
    refuses("spec.kafka.sasl", &[sasl("PLAIN")], "sasl.mechanism PLAIN sends the password as it is: set tls");
    let named =
        |username: &str| json!({ "mechanism": "SCRAM-SHA-512", "username": username, "secretRef": { "name": "user" } });
    accepts("spec.kafka.sasl", &[named("food"), named("CN=food,O=Example")]);
    refuses("spec.kafka.sasl", &[named("a\nb")], "username: ");
    for (path, field) in [("spec.kafka.tls.caSecretRef", "key"), ("spec.kafka.sasl.secretRef", "passwordKey")] {
        let base = |name: &str, key: &str| {
            let mut spec = json!({ "mechanism": "SCRAM-SHA-512", "secretRef": { "name": name, field: key } });
            if path.contains("caSecretRef") {
                spec = json!({ "caSecretRef": { "name": name, field: key } });
            }
            spec
        };
        let parent = path.rsplit_once('.').unwrap().0;
        refuses(parent, &[base("A", "k")], "name: ");
        refuses(parent, &[base("a", "a b")], "key: ");
    }
}

#[test]
fn database() {
    let path = "spec.database.secretRef";
    accepts(path, &[json!({ "name": "a-b.c", "key": "DATABASE_URL" })]);
    refuses(path, &["A", "-a", "a_b", ""].map(|name| json!({ "name": name })), "name: ");
    refuses(path, &["a/b", "a b", ""].map(|key| json!({ "name": "a", "key": key })), "key: ");
}

#[test]
fn logs() {
    accepts("spec.logs.level", &["info", "off", "info,sqlx=warn", "order::store=debug,warn"].map(|s| json!(s)));
    let bad = ["in fo", "info;", "", "inof", "info,", "sqlx=loud", "=warn", "sqlx"];
    refuses("spec.logs.level", &bad.map(|s| json!(s)), "level: ");
    accepts("spec.logs.maxTotalSize", &["1Mi", "104857600", "1.5Gi"].map(|s| json!(s)));
    refuses(
        "spec.logs.maxTotalSize",
        &["1Ki", "1000Ti1", "2000Ti", "5m", "-1Mi", ""].map(|s| json!(s)),
        "maxTotalSize: ",
    );
    accepts("spec.logs.volume.size", &["1Mi", "10Gi"].map(|s| json!(s)));
    refuses("spec.logs.volume.size", &["0", "10GB", ""].map(|s| json!(s)), "size: ");
    let total = |total: &str, volume: Value| json!({ "maxTotalSize": total, "volume": volume });
    accepts("spec.logs", &[total("1Gi", json!({})), total("2Gi", json!({ "size": "2Gi" }))]);
    let bad = [total("1025Mi", json!({})), total("2Gi", json!({ "size": "1Gi" }))];
    refuses("spec.logs", &bad, "maxTotalSize must not be above volume.size");
}

#[test]
fn access_modes() {
    let path = "spec.logs.volume.accessModes";
    accepts(path, &[json!(["ReadWriteMany"]), json!(["ReadWriteOnce", "ReadWriteMany"])]);
    refuses(
        path,
        &[json!(["ReadWriteOncePod"]), json!(["ReadOnlyMany"])],
        "accessModes: ReadWriteMany or ReadWriteOnce",
    );
}

#[test]
fn node_port() {
    let of = |type_: &str, port: i32| json!({ "type": type_, "nodePort": port });
    accepts("spec.gateway", &[of("NodePort", 30000), of("NodePort", 32767), json!({ "type": "NodePort" }), json!({})]);
    refuses("spec.gateway", &[of("NodePort", 29999), of("NodePort", 32768)], "nodePort: from 30000 to 32767");
    let bad = [of("ClusterIP", 30080), of("LoadBalancer", 30080), json!({ "nodePort": 30080 })];
    refuses("spec.gateway", &bad, "nodePort is for type NodePort only");
}

#[test]
fn ways_to_the_gateway() {
    let ingress = |field: &str, value: &str| {
        let mut ingress = json!({ "host": "shop.example.com" });
        ingress[field] = json!(value);
        json!({ "ingress": ingress })
    };
    let route = |parent: Value, host: &str| json!({ "httpRoute": { "parentRefs": [parent], "hostnames": [host] } });
    let path = "spec.gateway";
    accepts(path, &[ingress("host", "*.example.com"), ingress("className", "nginx"), ingress("tlsSecretName", "a.b")]);
    accepts(path, &[route(json!({ "name": "web", "namespace": "edge", "sectionName": "https" }), "*.example.com")]);
    for host in ["https://shop", "shop:80", "Shop", "a.*.b", "a_b", "-a", ""] {
        refuses(path, &[ingress("host", host)], "host: ");
        refuses(path, &[route(json!({ "name": "web" }), host)], "hostnames: ");
    }
    refuses(path, &[ingress("className", "Nginx")], "className: ");
    refuses(path, &[ingress("tlsSecretName", "a b")], "tlsSecretName: ");
    for field in ["name", "namespace", "sectionName"] {
        let mut parent = json!({ "name": "web" });
        parent[field] = json!("a b");
        refuses(path, &[route(parent, "a")], &format!("{field}: "));
    }
}

#[test]
fn whose_topics_these_are() {
    let external = |field: &str, value: Value| {
        let mut kafka = json!({ "bootstrapServers": "k:9092", "topicManagement": "External" });
        kafka[field] = value;
        kafka
    };
    let path = "spec.kafka";
    accepts(path, &[external("deletionPolicy", json!("Retain")), external("adopt", json!(false))]);
    let bad = [external("deletionPolicy", json!("Delete")), external("adopt", json!(true))];
    refuses(path, &bad, "topicManagement External");
    accepts("spec.deletionTimeout", &[json!("5m")]);
    refuses("spec.deletionTimeout", &[json!("0s"), json!("5")], "deletionTimeout: ");
}

#[test]
fn rollouts() {
    accepts("spec.rollout", &[json!({}), json!({ "progressDeadline": "90s", "onFailure": "Rollback" })]);
    for deadline in ["0s", "10", "25h", "-1m", ""] {
        refuses("spec.rollout.progressDeadline", &[json!(deadline)], "progressDeadline: ");
    }
}

#[test]
fn network_policies() {
    let path = "spec.networkPolicy";
    accepts(path, &[json!({}), json!({ "enabled": false })]);
    let egress = |peer: Value| json!({ "egress": [peer] });
    let labels = json!({ "kubernetes.io/metadata.name": "kafka" });
    let good = [
        json!({ "cidr": "10.20.0.0/16" }),
        json!({ "cidr": "2001:db8::/32", "ports": [9092, 9093] }),
        json!({ "namespaceLabels": labels }),
        json!({ "podLabels": {}, "ports": [1] }),
        json!({ "namespaceLabels": {}, "podLabels": labels }),
    ];
    accepts(path, &good.map(egress));
    for cidr in ["10.20.0.7", "10.20.0.0/33", "kafka", "::/129"] {
        refuses(path, &[egress(json!({ "cidr": cidr }))], "cidr: ");
    }
    let neither_or_both = [
        json!({ "ports": [9092] }),
        json!({ "cidr": "10.0.0.0/8", "podLabels": labels }),
        json!({ "cidr": "10.0.0.0/8", "namespaceLabels": {} }),
    ];
    refuses(path, &neither_or_both.map(egress), "egress: a peer is either");
    let metrics_from = |peer: Value| json!({ "metricsFrom": [peer] });
    let readers = [json!({ "podLabels": {} }), json!({ "namespaceLabels": labels }), json!({ "cidr": "10.0.0.1/32" })];
    accepts(path, &readers.map(metrics_from));
    let neither_or_both = [json!({}), json!({ "cidr": "10.0.0.1/32", "podLabels": {} })];
    refuses(path, &neither_or_both.map(metrics_from), "metricsFrom: a peer is either");
}
