//! What is handed on to Kubernetes: names, keys and values.

use serde_json::{Value, json};

use super::{accepts, refuses};

/// All of them, for [`super::definition`] to see that no rule is without a test.
pub(super) const TESTS: &[fn()] = &[
    labels,
    annotations,
    labels_of_jobs,
    taints,
    names,
    secret_keys,
    parents,
    hosts,
    storage_classes,
    strimzi,
    topic_settings,
];

/// From a map to the value that it is in.
type Nest = fn(Value) -> Value;

/// The maps of labels: where they are, how to get there, and the field's name.
fn maps_of_labels() -> [(&'static str, Nest, &'static str); 6] {
    [
        ("spec.services.order", |map| json!({ "labels": map }), "labels"),
        ("spec.services.mypage", |map| json!({ "nodeSelector": map }), "nodeSelector"),
        ("spec.networkPolicy", |map| json!({ "egress": [{ "podLabels": map }] }), "podLabels"),
        ("spec.networkPolicy", |map| json!({ "egress": [{ "namespaceLabels": map }] }), "namespaceLabels"),
        ("spec.networkPolicy", |map| json!({ "metricsFrom": [{ "podLabels": map }] }), "podLabels"),
        ("spec.networkPolicy", |map| json!({ "metricsFrom": [{ "namespaceLabels": map }] }), "namespaceLabels"),
    ]
}

/// Keys that Kubernetes takes for labels, at their longest too.
fn good_keys() -> Vec<String> {
    let longest =
        format!("{}/{}", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join("."), "e".repeat(63));
    ["a", "Team_1.x-y", "example.com/team", "topology.kubernetes.io/zone"]
        .map(str::to_owned)
        .into_iter()
        .chain([longest])
        .collect()
}

/// Keys that it takes for neither labels nor annotations.
fn bad_keys() -> Vec<String> {
    let long_domain = format!("{}/a", "a".repeat(254));
    let bad = ["", "-a", "a-", "a b", "a/b/c", "/a", "example.com/", "exa_mple.com/a", "a\n"].map(str::to_owned);
    bad.into_iter().chain(["a".repeat(64), long_domain]).collect()
}

#[test]
fn labels() {
    for (path, nest, field) in maps_of_labels() {
        for key in good_keys() {
            accepts(path, &[nest(json!({ key: "a" }))]);
        }
        for value in ["", "1", "a-b_c.D"].map(str::to_owned).into_iter().chain(["v".repeat(63)]) {
            accepts(path, &[nest(json!({ "a": value }))]);
        }
        for key in bad_keys().into_iter().chain(["Example.com/a".to_owned()]) {
            refuses(path, &[nest(json!({ "good": "a", key: "a" }))], &format!("{field}: keys such as"));
        }
        for value in ["a b", "-a", "a-", "a/b", "ä", "a\n"] {
            refuses(path, &[nest(json!({ "a": value }))], &format!("{field}: keys such as"));
        }
    }
}

#[test]
fn annotations() {
    let maps: [(&str, Nest); 3] = [
        ("spec.services.order", |map| json!({ "annotations": map })),
        ("spec.gateway", |map| json!({ "annotations": map })),
        ("spec.gateway", |map| json!({ "ingress": { "host": "a", "annotations": map } })),
    ];
    for (path, nest) in maps {
        for key in good_keys().into_iter().chain(["Example.com/a".to_owned()]) {
            accepts(path, &[nest(json!({ key: "anything: {} ä\n" }))]);
        }
        for key in bad_keys() {
            refuses(path, &[nest(json!({ key: "a" }))], "annotations: keys such as");
        }
    }
}

#[test]
fn labels_of_jobs() {
    for key in ["controller-uid", "job-name", "batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"] {
        refuses("spec.services.cook", &[json!({ "labels": { key: "a" } })], "labels: controller-uid, job-name");
    }
}

#[test]
fn taints() {
    let key = |key: &String| json!({ "tolerations": [{ "key": key }] });
    let path = "spec.services.delivery";
    accepts(path, &good_keys().iter().map(key).collect::<Vec<_>>());
    refuses(path, &bad_keys().iter().map(key).collect::<Vec<_>>(), "key: the key of a taint");
    let value = |value: &str| json!({ "tolerations": [{ "key": "a", "value": value }] });
    accepts(path, &["", "a", "A.b_c-1"].map(value));
    refuses(path, &["a b", "-a", "a/b"].map(value), "value: the value of a taint");
}

#[test]
fn names() {
    let good = ["a", "1", "a-b.c-1"].map(str::to_owned).into_iter().chain(["a".repeat(253)]);
    let good: Vec<_> = good.map(|name| json!(name)).collect();
    let bad = ["", "A", "a_b", "-a", "a.", "a b", "a/b"].map(|name| json!(name));
    for (path, message) in [
        ("spec.services.order.priorityClassName", "priorityClassName: a name"),
        ("spec.gateway.ingress.className", "className: a name"),
        ("spec.gateway.ingress.tlsSecretName", "tlsSecretName: a name"),
        ("spec.database.secretRef.name", "name: the name of a Secret"),
    ] {
        let (parent, field) = path.rsplit_once('.').unwrap();
        let nest = |name: &Value| match parent {
            "spec.gateway.ingress" => json!({ "host": "a", field: name }),
            _ => json!({ field: name }),
        };
        accepts(parent, &good.iter().map(nest).collect::<Vec<_>>());
        refuses(parent, &bad.iter().map(nest).collect::<Vec<_>>(), message);
    }
    let pull_secrets = "spec.image.pullSecrets";
    accepts(pull_secrets, &good.iter().map(|name| json!(["a", name])).collect::<Vec<_>>());
    refuses(pull_secrets, &bad.iter().map(|name| json!(["a", name])).collect::<Vec<_>>(), "pullSecrets: ");
}

#[test]
fn secret_keys() {
    let path = "spec.database.secretRef";
    let key = |key: &str| json!({ "name": "a", "key": key });
    accepts(path, &["url", "DATABASE_URL", ".hidden", "a..b"].map(key));
    refuses(path, &["", ".", "..", "..a", "a/b", "a b"].map(key), "key: a key of a Secret");
}

#[test]
fn parents() {
    let path = "spec.gateway.httpRoute";
    let of = |parents: Value| json!({ "parentRefs": parents });
    let good = [
        json!([{ "name": "a" }, { "name": "b" }, { "name": "a", "namespace": "c" }]),
        json!([{ "name": "a", "sectionName": "http" }, { "name": "a", "sectionName": "https" }]),
    ];
    accepts(path, &good.map(of));
    let twice = [
        json!([{ "name": "a" }, { "name": "a" }]),
        json!([{ "name": "a" }, { "name": "a", "sectionName": "http" }]),
        json!([{ "name": "a", "namespace": "b", "sectionName": "c" }, { "name": "a", "namespace": "b", "sectionName": "c" }]),
    ];
    refuses(path, &twice.map(of), "parentRefs: a Gateway that is named twice");
    for (field, message) in
        [("name", "name: a name"), ("namespace", "namespace: the name of"), ("sectionName", "sectionName: a name")]
    {
        let mut parent = json!({ "name": "a" });
        parent[field] = json!("A b");
        refuses(path, &[of(json!([parent]))], message);
    }
    let dotted = json!([{ "name": "a", "namespace": "a.b" }]);
    refuses(path, &[of(dotted)], "namespace: the name of a namespace");
}

#[test]
fn hosts() {
    let good = ["shop", "shop.example.com", "*.example.com", "1.example.com"];
    let bad = ["", "*", "a.*.com", "Shop", "shop:80", "https://shop", "10.0.0.1", "::1", "a_b"];
    let ingress = |host: &str| json!({ "host": host });
    accepts("spec.gateway.ingress", &good.map(ingress));
    refuses("spec.gateway.ingress", &bad.map(ingress), "host: a host name");
    let route = |host: &str| json!({ "parentRefs": [{ "name": "a" }], "hostnames": ["a", host] });
    accepts("spec.gateway.httpRoute", &good.map(route));
    refuses("spec.gateway.httpRoute", &bad.map(route), "hostnames: host names");
}

#[test]
fn storage_classes() {
    let path = "spec.logs.volume.storageClassName";
    accepts(path, &["", "efs", "gp3.csi-1"].map(|name| json!(name)));
    refuses(path, &["EFS", "a b", "-a", "a_b"].map(|name| json!(name)), "storageClassName: ");
}

#[test]
fn strimzi() {
    let kafka = |management: Option<&str>, strimzi: Option<Value>| {
        let mut kafka = json!({ "bootstrapServers": "k:9092" });
        management.inspect(|management| kafka["topicManagement"] = json!(management));
        strimzi.inspect(|strimzi| kafka["strimzi"] = strimzi.clone());
        kafka
    };
    let cluster = || Some(json!({ "cluster": "events" }));
    accepts("spec.kafka", &[kafka(Some("Strimzi"), cluster()), kafka(Some("Direct"), None), kafka(None, None)]);
    let alone = [
        kafka(Some("Strimzi"), None),
        kafka(Some("Direct"), cluster()),
        kafka(Some("External"), cluster()),
        kafka(None, cluster()),
    ];
    refuses("spec.kafka", &alone, "strimzi goes with topicManagement: Strimzi");
    let named = |fields: Value| kafka(Some("Strimzi"), Some(fields));
    accepts("spec.kafka", &["a", "events-1.eu"].map(|name| named(json!({ "cluster": name, "namespace": "kafka-1" }))));
    refuses("spec.kafka", &["", "A", "a_b", "a-"].map(|name| named(json!({ "cluster": name }))), "cluster: ");
    let in_namespace = |name: &str| named(json!({ "cluster": "a", "namespace": name }));
    refuses("spec.kafka", &["", "A", "a.b", "-a"].map(in_namespace), "namespace: the name of a namespace");
}

#[test]
fn topic_settings() {
    let path = "spec.kafka.topics.menu";
    let setting = |key: &str| json!({ "config": { key: "1" } });
    accepts(path, &["min.insync.replicas", "confluent.value_schema-1"].map(setting));
    refuses(path, &["", "Min.Insync", "segment bytes", ".a", "1"].map(setting), "config: keys are names");
}
