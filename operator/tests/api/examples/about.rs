//! What each example is about, as it is seen in what the operator made of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{ConfigMap, PersistentVolumeClaim, ResourceQuota, Service},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Example, cluster::Cluster};

pub(super) async fn check(cluster: &Cluster, example: &Example) {
    match example.file.as_str() {
        "minimal.yaml" => minimal(cluster).await,
        "quickstart.yaml" => quickstart(cluster).await,
        "autoscaling.yaml" => autoscaling(cluster).await,
        "circuit-breaker.yaml" => circuit_breaker(cluster).await,
        "production.yaml" => production(cluster).await,
        "efs-logs.yaml" => efs_logs(cluster, example).await,
        "strimzi.yaml" => strimzi(cluster, example).await,
        "istio.yaml" => istio(cluster, example).await,
        "several-platforms.yaml" => several_platforms(cluster).await,
        "argocd/platform/shop.yaml" => pods(cluster, "food", "shop", [1; 5]).await,
        // They bring no platform. What Argo CD makes of its files is in argocd.rs.
        "dependencies.yaml"
        | "argocd/argocd-cm.yaml"
        | "argocd/root.yaml"
        | "argocd/apps/operator.yaml"
        | "argocd/apps/platform.yaml" => assert!(example.documents.iter().all(|d| d["kind"] != "FoodPlatform")),
        other => panic!("say here what {other} is about"),
    }
}

/// A value of an object, by its JSON pointer.
fn at<K: Serialize>(object: &K, pointer: &str) -> Value {
    serde_json::to_value(object).unwrap().pointer(pointer).cloned().unwrap_or_default()
}

async fn one<K>(cluster: &Cluster, namespace: &str, name: &str) -> K
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    cluster.api::<K>(namespace).get(name).await.unwrap()
}

/// So many pods of cook, delivery, gateway, mypage and order are asked for.
async fn pods(cluster: &Cluster, namespace: &str, platform: &str, expected: [i32; 5]) {
    let deployments = cluster.children::<Deployment>(namespace, platform).await;
    let asked: Vec<_> = deployments.iter().map(|deployment| at(deployment, "/spec/replicas")).collect();
    assert_eq!(asked, expected.map(Value::from), "{namespace}/{platform}");
}

async fn minimal(cluster: &Cluster) {
    pods(cluster, "food", "minimal", [1; 5]).await;
    assert_eq!(cluster.children::<HorizontalPodAutoscaler>("food", "minimal").await, []);
    assert_eq!(cluster.children::<PersistentVolumeClaim>("food", "minimal").await, []);
    assert_eq!(at(&one::<Service>(cluster, "food", "minimal-gateway").await, "/spec/type"), "LoadBalancer");
}

async fn quickstart(cluster: &Cluster) {
    let scaler = one::<HorizontalPodAutoscaler>(cluster, "food", "quickstart-order").await;
    assert_eq!(scaled(&scaler), json!([1, 3, 80]));
    let claims = cluster.children::<PersistentVolumeClaim>("food", "quickstart").await;
    let sizes: Vec<_> = claims.iter().map(|claim| at(claim, "/spec/resources/requests/storage")).collect();
    assert_eq!(sizes, ["256Mi"; 5]);
    let port = at(&one::<Service>(cluster, "food", "quickstart-gateway").await, "/spec/ports/0/nodePort");
    assert_eq!(port, 30080);
}

/// The fewest pods, the most, and the target.
fn scaled(scaler: &HorizontalPodAutoscaler) -> Value {
    let target = at(scaler, "/spec/metrics/0/resource/target/averageUtilization");
    json!([at(scaler, "/spec/minReplicas"), at(scaler, "/spec/maxReplicas"), target])
}

async fn autoscaling(cluster: &Cluster) {
    let scaler = one::<HorizontalPodAutoscaler>(cluster, "food", "autoscaling-order").await;
    assert_eq!(scaled(&scaler), json!([3, 5, 10]));
    assert_eq!(at(&scaler, "/spec/behavior/scaleDown/stabilizationWindowSeconds"), 15);
}

async fn circuit_breaker(cluster: &Cluster) {
    pods(cluster, "food", "circuit-breaker", [1, 1, 1, 1, 2]).await;
    let told = one::<ConfigMap>(cluster, "food", "circuit-breaker-gateway").await.data.unwrap();
    assert_eq!((&*told["ORDER_MAX_PENDING_REQUESTS"], &*told["ORDER_CONSECUTIVE_5XX_ERRORS"]), ("1", "1"));
}

async fn production(cluster: &Cluster) {
    const NAMESPACE: &str = "food-production";
    let scalers = cluster.children::<HorizontalPodAutoscaler>(NAMESPACE, "shop").await;
    let numbers: Vec<_> = scalers.iter().map(scaled).collect();
    let (gateway, other) = (json!([3, 10, 70]), json!([2, 8, 70]));
    assert_eq!(numbers, [&other, &other, &gateway, &other, &other].map(Clone::clone));
    assert_eq!(cluster.children::<PodDisruptionBudget>(NAMESPACE, "shop").await.len(), 5);

    let deployments = cluster.children::<Deployment>(NAMESPACE, "shop").await;
    for deployment in &deployments {
        let pod = at(deployment, "/spec/template/spec");
        let environment = pod["containers"][0]["env"].as_array().unwrap();
        let names: BTreeSet<_> = environment.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        assert!(names.is_superset(&["KAFKA_CA_FILE", "KAFKA_SASL_MECHANISM", "KAFKA_PASSWORD"].into()), "{names:?}");
        let keeps_data = deployment.name_any() != "shop-gateway";
        assert_eq!(names.contains("DATABASE_CA_FILE"), keeps_data, "{names:?}");
        assert_eq!(pod["priorityClassName"], "food-production");
        // Over zones and nodes, whatever the affinity says.
        assert_eq!(pod["topologySpreadConstraints"].as_array().unwrap().len(), 2);
        assert!(pod["affinity"].pointer("/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution").is_some());
        assert_eq!(at(deployment, "/spec/progressDeadlineSeconds"), 300);
    }
    quota_has_room(cluster, NAMESPACE, &scalers, &deployments).await;

    let ingress = one::<Ingress>(cluster, NAMESPACE, "shop-gateway").await;
    assert_eq!(at(&ingress, "/spec/tls/0"), json!({ "hosts": ["shop.example.com"], "secretName": "shop-tls" }));
    for policy in cluster.children::<NetworkPolicy>(NAMESPACE, "shop").await {
        let egress = at(&policy, "/spec/egress").to_string();
        assert!(egress.contains("10.20.0.0/24") && egress.contains("10.20.1.7/32"), "{egress}");
    }
}

/// All services at their most, one more of each while it is replaced, and one that migrates its database.
async fn quota_has_room(
    cluster: &Cluster,
    namespace: &str,
    scalers: &[HorizontalPodAutoscaler],
    deployments: &[Deployment],
) {
    let quota = one::<ResourceQuota>(cluster, namespace, "platform").await.spec.unwrap().hard.unwrap();
    let pods: i64 = scalers.iter().map(|scaler| at(scaler, "/spec/maxReplicas").as_i64().unwrap() + 2).sum();
    assert!(pods <= quota["pods"].0.parse().unwrap(), "{pods} pods");
    for (name, pointer) in
        [("requests.cpu", "requests/cpu"), ("requests.memory", "requests/memory"), ("limits.memory", "limits/memory")]
    {
        // The same of all of them.
        let each = at(&deployments[0], &format!("/spec/template/spec/containers/0/resources/{pointer}"));
        let each = thousandths(&serde_json::from_value(each).unwrap());
        assert!(each > 0 && pods * each <= thousandths(&quota[name]), "{name}: {pods} pods of {each}");
    }
}

/// A quantity of those that the example has.
fn thousandths(quantity: &Quantity) -> i64 {
    let split = quantity.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.0.len());
    let (number, unit) = quantity.0.split_at(split);
    let factor = match unit {
        "m" => 1,
        "" => 1000,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        other => panic!("{other} in {quantity:?}"),
    };
    number.parse::<i64>().unwrap() * factor
}

async fn efs_logs(cluster: &Cluster, example: &Example) {
    let class = document(example, "StorageClass");
    let claims = cluster.children::<PersistentVolumeClaim>("food", "efs-logs").await;
    assert_eq!(claims.len(), 5);
    for claim in &claims {
        assert_eq!(at(claim, "/spec/storageClassName"), class["metadata"]["name"]);
        assert_eq!(at(claim, "/spec/accessModes"), json!(["ReadWriteMany"]));
        assert!(claim.owner_references().is_empty(), "it outlives the platform");
    }
    pods(cluster, "food", "efs-logs", [1, 1, 1, 1, 2]).await;
    // The access point's user is the pods'.
    let pod = at(&one::<Deployment>(cluster, "food", "efs-logs-order").await, "/spec/template/spec");
    let security = &pod["securityContext"];
    let user = class["parameters"]["uid"].as_str().unwrap().parse::<i64>().unwrap();
    let group = class["parameters"]["gid"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&json!(user), &json!(group)));
    assert!(pod["volumes"].to_string().contains(r#""claimName":"efs-logs-order-logs""#), "{}", pod["volumes"]);
}

/// The first document of that kind.
fn document<'a>(example: &'a Example, kind: &str) -> &'a Value {
    example.documents.iter().find(|document| document["kind"] == kind).unwrap()
}

async fn strimzi(cluster: &Cluster, example: &Example) {
    const NAMESPACE: &str = "food-strimzi";
    let kafka = document(example, "Kafka");
    let topics = cluster.others(NAMESPACE, "kafka.strimzi.io/v1beta2", "KafkaTopic").await;
    assert_eq!(topics.len(), 8);
    // The user may do with topics and groups what the platform does with its own.
    let rights = document(example, "KafkaUser")["spec"]["authorization"]["acls"].as_array().unwrap();
    let prefix = |type_: &str| {
        let right = rights.iter().find(|right| right["resource"]["type"] == type_).unwrap();
        assert_eq!(right["resource"]["patternType"], "prefix");
        right["resource"]["name"].as_str().unwrap()
    };
    for topic in &topics {
        assert_eq!(topic.labels()["strimzi.io/cluster"], kafka["metadata"]["name"].as_str().unwrap());
        let name = topic.data["spec"]["topicName"].as_str().unwrap();
        assert!(name.starts_with(prefix("topic")), "{name}");
    }
    let menu = topics.iter().find(|topic| topic.name_any().ends_with(".menu")).unwrap();
    assert_eq!(menu.data["spec"]["config"]["min.insync.replicas"], "2");
    for config in cluster.children::<ConfigMap>(NAMESPACE, "strimzi").await {
        let group = config.data.unwrap_or_default().remove("CONSUMER_GROUP");
        assert!(group.as_ref().is_none_or(|group| group.starts_with(prefix("group"))), "{group:?}");
    }
    // What Strimzi calls its Secrets and its Service, and the port of its listener.
    let (cluster_name, platform) = (kafka["metadata"]["name"].as_str().unwrap(), document(example, "FoodPlatform"));
    let of_platform = &platform["spec"]["kafka"];
    assert_eq!(of_platform["tls"]["caSecretRef"]["name"], format!("{cluster_name}-cluster-ca-cert"));
    assert_eq!(of_platform["sasl"]["secretRef"]["name"], document(example, "KafkaUser")["metadata"]["name"]);
    let port = &kafka["spec"]["kafka"]["listeners"][0]["port"];
    let bootstrap = format!("{cluster_name}-kafka-bootstrap.{NAMESPACE}.svc.cluster.local:{port}");
    assert_eq!(of_platform["bootstrapServers"], bootstrap);
    assert_eq!(platform["spec"]["networkPolicy"]["egress"][0]["ports"], json!([port]));
}

async fn istio(cluster: &Cluster, example: &Example) {
    const NAMESPACE: &str = "food-istio";
    let rules = cluster.others(NAMESPACE, "networking.istio.io/v1", "DestinationRule").await;
    let hosts: BTreeSet<_> = rules.iter().map(|rule| rule.data["spec"]["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["istio-cook", "istio-delivery", "istio-mypage", "istio-order"].into());
    // The way in leads to the gateway's Service, …
    let destination = &document(example, "VirtualService")["spec"]["http"][0]["route"][0]["destination"];
    let gateway = one::<Service>(cluster, NAMESPACE, destination["host"].as_str().unwrap()).await;
    assert_eq!(at(&gateway, "/spec/ports/0/port"), destination["port"]["number"]);
    // … and what is said of the platform's pods is said of all of them.
    let selector = document(example, "PeerAuthentication")["spec"]["selector"]["matchLabels"].as_object().unwrap();
    for deployment in cluster.children::<Deployment>(NAMESPACE, "istio").await {
        let labels = at(&deployment, "/spec/template/metadata/labels");
        assert!(selector.iter().all(|(key, value)| labels[key] == *value), "{labels}");
    }
    for policy in cluster.children::<NetworkPolicy>(NAMESPACE, "istio").await {
        let egress = at(&policy, "/spec/egress").to_string();
        assert!(egress.contains("15012"), "sidecars reach the control plane: {egress}");
    }
}

async fn several_platforms(cluster: &Cluster) {
    const PLATFORMS: [(&str, &str); 3] = [("shops", "noodles"), ("shops", "pizza"), ("shops-staging", "noodles")];
    // What is outside of the cluster, by what names it: the platforms that use it.
    let mut users: BTreeMap<String, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (namespace, platform) in PLATFORMS {
        let configs = cluster.children::<ConfigMap>(namespace, platform).await;
        for data in configs.into_iter().filter_map(|config| config.data) {
            for (variable, value) in data {
                if ["TOPIC_PREFIX", "CONSUMER_GROUP", "DATABASE_SCHEMA"].contains(&variable.as_str()) {
                    users.entry(format!("{variable}={value}")).or_default().insert((namespace, platform));
                }
            }
        }
        // A selector that took in another platform's pods would mix up their Services.
        for service in cluster.children::<Service>(namespace, platform).await {
            assert_eq!(at(&service, "/spec/selector")["app.kubernetes.io/instance"], platform);
        }
    }
    // Of each platform one prefix, the groups of four readers and the schemas of four.
    assert_eq!(users.len(), 3 * (1 + 4 + 4), "{users:#?}");
    assert!(users.values().all(|users| users.len() == 1), "{users:#?}");
    pods(cluster, "shops", "noodles", [1, 1, 2, 1, 2]).await;
    pods(cluster, "shops", "pizza", [1; 5]).await;
    let cook = one::<ConfigMap>(cluster, "shops", "pizza-cook").await.data.unwrap();
    assert_eq!(cook["COOKING_TIME"], "60s..120s");
    pods(cluster, "shops-staging", "noodles", [1; 5]).await;
}
