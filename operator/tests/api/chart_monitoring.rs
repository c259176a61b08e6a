//! What the operator's chart has for the Prometheus Operator and Grafana, with Helm 3 and 4.

use serde_json::{Value, json};

use crate::helm::{Helm, OPERATOR};

/// The chart's objects of these kinds, by kind and name.
async fn rendered(helm: &Helm, arguments: &[&str], kinds: &[&str]) -> Vec<(String, Value)> {
    let common = ["template", "test", OPERATOR, "--kube-version", "1.35.0", "--set", "crds.install=false"];
    let text = helm.does(&[&common, arguments].concat()).await;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let objects = objects.into_iter().filter(|object| kinds.contains(&object["kind"].as_str().unwrap_or_default()));
    objects
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])), object)
        })
        .collect()
}

const KINDS: [&str; 3] = ["ConfigMap", "PodMonitor", "PrometheusRule"];

#[tokio::test]
async fn it_comes_with_the_prometheus_operator_or_when_it_is_asked_for() {
    for helm in Helm::both("monitoring") {
        let names = async |arguments: &[&str]| {
            let mut names: Vec<_> =
                rendered(&helm, arguments, &KINDS).await.into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        };
        assert!(names(&[]).await.is_empty());
        let monitors = ["PodMonitor foodplatform-operator", "PodMonitor foodplatform-operator-platforms"];
        let dashboards = [
            "ConfigMap foodplatform-operator-dashboard-operator",
            "ConfigMap foodplatform-operator-dashboard-platform",
        ];
        let all = [&dashboards[..], &monitors, &["PrometheusRule foodplatform-operator"]].concat();
        let kinds = ["monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule"];
        assert_eq!(names(&["--api-versions", kinds[0], "--api-versions", kinds[1]]).await, all);
        assert_eq!(names(&["--api-versions", kinds[1]]).await, all[4..], "each has to be there");
        let without = ["--api-versions", kinds[0], "--set", "monitoring.dashboards.enabled=false"];
        assert_eq!(names(&without).await, monitors);
        assert_eq!(names(&["--set", "monitoring.dashboards.enabled=true"]).await, dashboards);
    }
}

#[tokio::test]
async fn alerts_can_be_left_out_and_labelled_and_monitors_follow_the_namespaces() {
    for helm in Helm::both("monitoring") {
        let set = "monitoring.podMonitors.enabled=true,monitoring.rules.enabled=true,monitoring.labels.release=prometheus,\
                   monitoring.rules.labels.team=food,monitoring.rules.labels.severity=page,\
                   monitoring.rules.disabled={FoodPlatformStalled},watchNamespaces={food,drinks}";
        let objects = rendered(&helm, &["--set", set], &KINDS).await;
        assert!(objects.iter().all(|(_, object)| object["metadata"]["labels"]["release"] == "prometheus"));
        let find = |name: &str| &objects.iter().find(|(found, _)| found == name).unwrap().1;

        let written: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(format!("{OPERATOR}/files/alerts.yaml")).unwrap()).unwrap();
        let alerts = |groups: &Value| -> Vec<Value> {
            groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
        };
        let mut expected = alerts(&written["groups"]);
        expected.retain(|rule| rule["alert"] != "FoodPlatformStalled");
        expected.iter_mut().for_each(|rule| rule["labels"] = json!({ "severity": "page", "team": "food" }));
        assert_eq!(alerts(&find("PrometheusRule foodplatform-operator")["spec"]["groups"]), expected);

        let platforms = &find("PodMonitor foodplatform-operator-platforms")["spec"];
        assert_eq!(platforms["namespaceSelector"], json!({ "matchNames": ["food", "drinks"] }));
        let everywhere = rendered(&helm, &["--set", "monitoring.podMonitors.enabled=true"], &["PodMonitor"]).await;
        assert!(everywhere.iter().any(|(_, monitor)| monitor["spec"]["namespaceSelector"] == json!({ "any": true })));
    }
}

/// The monitor of the platforms finds the pods that the operator builds, at a port that they have, and no others.
#[tokio::test]
async fn the_monitor_of_the_platforms_selects_their_pods() {
    let world = crate::world::World::start("monitored").await;
    world.shop(json!({})).await;
    world.ready().await;
    for helm in Helm::both("monitoring") {
        let objects = rendered(&helm, &["--set", "monitoring.podMonitors.enabled=true"], &["PodMonitor"]).await;
        let monitor = objects.iter().find(|(name, _)| name.ends_with("-platforms")).unwrap().1.clone();
        let labels = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let selector: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
        let parameters = kube::api::ListParams::default().labels(&selector.join(","));
        let pods = world.api::<k8s_openapi::api::core::v1::Pod>().list(&parameters).await.unwrap();
        let mut services = Vec::new();
        for pod in pods {
            let labels = pod.metadata.labels.unwrap();
            assert_eq!(labels["app.kubernetes.io/part-of"], "shop");
            services.push(labels["app.kubernetes.io/name"].clone());
            let ports = pod.spec.unwrap().containers[0].ports.clone().unwrap();
            let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
            assert!(ports.iter().any(|p| p.name.as_deref() == port.as_str() && p.container_port == 9090), "{ports:?}");
        }
        services.sort();
        assert_eq!(services, ["cook", "delivery", "gateway", "mypage", "order"]);
    }
    world.end().await;
}
