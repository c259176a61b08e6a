//! What is there after `kubectl apply`: the platform, its children, its topics.

use std::fmt::Debug;

use contract::Topic;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service as KubeService, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tests::{
    cluster::{Cluster, Platform, QUICKSTART},
    kafka::Kafka,
    process::Service,
    servers,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_is_ready_and_its_columns_say_so() {
    let cluster = Cluster::connect().await;
    cluster.quickstart().await.until_ready().await;
    let table = cluster.platform_table().await;
    assert_eq!(table.columns(), ["Name", "Ready", "Tag", "Services", "Endpoint", "Age", "Reason", "Message"]);
    let cell = |column| table.cell(QUICKSTART, column);
    assert_eq!((cell("Ready"), cell("Services")), ("True", "5/5"));
    for column in ["Tag", "Endpoint", "Age", "Reason", "Message"] {
        assert!(!cell(column).is_empty() && cell(column) != "null", "{column} in {table:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_child_is_found_by_its_label() {
    async fn expect<K>(platform: &Platform, services: &[Service], suffix: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let names = platform.cluster.names::<K>(&platform.namespace, &platform.selector()).await;
        assert_eq!(names, Ok(platform.children(services, suffix)), "{}", K::kind(&()));
    }
    let platform = Cluster::connect().await.quickstart().await;
    let spec = platform.get().await["spec"].take();
    let scaled: Vec<_> = Service::ALL
        .into_iter()
        .filter(|service| spec["services"][service.name()]["autoscaling"].is_object())
        .collect();
    assert!(!scaled.is_empty(), "the quickstart shows autoscaling: {spec}");
    assert!(spec["logs"]["volume"].is_object(), "the quickstart shows log claims: {spec}");

    expect::<Deployment>(&platform, &Service::ALL, "").await;
    expect::<HorizontalPodAutoscaler>(&platform, &scaled, "").await;
    expect::<PersistentVolumeClaim>(&platform, &Service::ALL, "-logs").await;
    expect::<PodDisruptionBudget>(&platform, &Service::ALL, "").await;
    expect::<KubeService>(&platform, &Service::ALL, "").await;
    expect::<ServiceAccount>(&platform, &Service::ALL, "").await;
    let mut configuration = platform.children(&Service::ALL, "");
    configuration.push(format!("{QUICKSTART}-topics"));
    let names = platform.cluster.names::<ConfigMap>(&platform.namespace, &platform.selector()).await;
    assert_eq!(names, Ok(configuration));
    let names = platform.cluster.names::<Secret>(&platform.namespace, &platform.selector()).await;
    assert_eq!(names, Ok(vec![format!("{QUICKSTART}-cancellation-tokens")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_has_the_topics_that_the_spec_asks_for() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_condition("TopicsReady", |condition| condition.status == "True").await;
    let object = platform.get().await;
    let spec = &object["spec"];
    let (kafka, prefix) = (Kafka::new(servers::kafka()), platform.prefix(spec));
    let reported = object["status"]["topics"].as_array().expect("status.topics");
    for topic in Topic::ALL {
        let wanted = [(topic.name(&prefix), Platform::partitions(spec, *topic)), (topic.dead_letter_name(&prefix), 1)];
        for (name, partitions) in wanted {
            let seen = kafka.describe(&name).await.unwrap_or_else(|| panic!("Kafka has no topic {name}"));
            assert_eq!(i64::try_from(seen.partitions), Ok(partitions), "{name}");
            let retention: i64 = seen.config["retention.ms"].parse().expect("a number");
            assert!(retention == -1 || retention > 0, "{name}: {retention}");
            let status = reported.iter().find(|status| status["name"] == name.as_str());
            let status = status.unwrap_or_else(|| panic!("status.topics lacks {name}: {reported:?}"));
            assert_eq!((&status["state"], &status["partitions"]), (&Value::from("Ready"), &Value::from(partitions)));
        }
    }
    assert_eq!(reported.len(), 2 * Topic::ALL.len(), "{reported:?}");
}
