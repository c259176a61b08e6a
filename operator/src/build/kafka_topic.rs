//! The KafkaTopics by which Strimzi's Topic Operator is asked for topics.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::{labels, names, platform::Platform, topics::WantedTopic};

/// The versions of the kind, the newest first: Strimzi serves `v1` since 0.49, and `v1beta2` up to 0.51.
const VERSIONS: [&str; 2] = ["v1", "v1beta2"];
/// The label by which the Topic Operator of a cluster knows its KafkaTopics.
const CLUSTER: &str = "strimzi.io/cluster";
/// The label that says of which namespace the platform is.
const NAMESPACE: &str = "foodplatform.dev/namespace";

/// The kind, in each of its versions.
pub(crate) fn resources() -> [ApiResource; 2] {
    VERSIONS.map(|version| ApiResource::from_gvk(&GroupVersionKind::gvk("kafka.strimzi.io", version, "KafkaTopic")))
}

/// The KafkaTopics of a platform, in the order of its topics; none where somebody else makes them.
pub(crate) fn all(platform: &Platform) -> Vec<DynamicObject> {
    namespace(platform).map(|namespace| all_in(platform, namespace)).unwrap_or_default()
}

/// The namespace in which they are to be; none where somebody else makes the topics.
pub(crate) fn namespace(platform: &Platform) -> Option<&str> {
    let cluster = platform.strimzi.as_ref()?;
    Some(cluster.namespace.as_deref().unwrap_or(&platform.namespace))
}

/// The KafkaTopics that a platform has in a namespace, be it one in which they were only formerly to be.
pub(crate) fn all_in(platform: &Platform, namespace: &str) -> Vec<DynamicObject> {
    platform.topics.iter().map(|topic| build(platform, namespace, topic)).collect()
}

fn build(platform: &Platform, namespace: &str, wanted: &WantedTopic) -> DynamicObject {
    let suffix = wanted.name.strip_prefix(&platform.topic_prefix).unwrap_or(&wanted.name);
    let mut metadata = labels::metadata_of_platform(platform, names::kafka_topic(platform, suffix));
    let all = metadata.labels.get_or_insert_default();
    if let Some(strimzi) = &platform.strimzi {
        all.insert(CLUSTER.to_owned(), strimzi.cluster.clone());
    }
    all.insert(NAMESPACE.to_owned(), platform.namespace.clone());
    metadata.namespace = Some(namespace.to_owned());
    let mut spec = json!({
        "topicName": wanted.name,
        "partitions": wanted.partitions,
        "config": wanted.config,
    });
    if let Some(factor) = wanted.replication_factor {
        spec["replicas"] = json!(factor);
    }
    let mut object = DynamicObject::new("", &resources()[0]).data(json!({ "spec": spec }));
    object.metadata = metadata;
    object
}

/// Whether a live KafkaTopic was made for the platform of a built one.
pub(crate) fn is_ours(live: &DynamicObject, built: &DynamicObject) -> bool {
    let of = |object: &DynamicObject| {
        let all = object.metadata.labels.clone().unwrap_or_default();
        [labels::MANAGED_BY, labels::INSTANCE, NAMESPACE].map(|label| all.get(label).cloned())
    };
    of(live) == of(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FoodPlatform;

    fn platform(namespace: &str) -> Platform {
        let platform: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "shop", "namespace": namespace, "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" }, "database": { "secretRef": { "name": "db" } },
                "kafka": {
                    "bootstrapServers": "k:9092", "topicPrefix": "EU_", "topicManagement": "Strimzi",
                    "strimzi": { "cluster": "main", "namespace": "kafka" },
                    "topicDefaults": { "partitions": 3, "replicationFactor": 2, "config": { "min.insync.replicas": "2" } },
                },
            },
        }))
        .unwrap();
        Platform::new(&platform).unwrap()
    }

    #[test]
    fn each_topic_has_one_beside_its_kafka_whatever_the_topic_is_called() {
        let all = all(&platform("food"));
        assert_eq!(all.len(), 8);
        let menu = all.iter().find(|object| object.data["spec"]["topicName"] == "EU_menu").unwrap();
        assert_eq!(menu.metadata.name.as_deref(), Some("food.shop.menu"));
        assert_eq!(menu.metadata.namespace.as_deref(), Some("kafka"));
        assert_eq!(menu.metadata.labels.as_ref().unwrap()[CLUSTER], "main");
        assert_eq!(menu.metadata.owner_references, None, "an owner in another namespace would be collected");
        let spec = &menu.data["spec"];
        assert_eq!((&spec["partitions"], &spec["replicas"]), (&json!(3), &json!(2)));
        assert_eq!(spec["config"]["min.insync.replicas"], "2");
    }

    #[test]
    fn platforms_of_one_name_in_two_namespaces_have_their_own() {
        let (mine, yours) = (all(&platform("food")), all(&platform("drinks")));
        assert!(is_ours(&mine[0], &mine[0]) && !is_ours(&mine[0], &yours[0]));
        assert_ne!(mine[0].metadata.name, yours[0].metadata.name);
    }

    #[test]
    fn former_ones_are_known_again_whoever_makes_the_topics_now() {
        let before = platform("food");
        let now = Platform { strimzi: None, ..before.clone() };
        assert_eq!((namespace(&before), namespace(&now)), (Some("kafka"), None));
        assert_eq!(all(&now), []);
        for (former, before) in all_in(&now, "kafka").iter().zip(&all(&before)) {
            let place = |object: &DynamicObject| (object.metadata.namespace.clone(), object.metadata.name.clone());
            assert!(is_ours(before, former) && place(before) == place(former));
        }
    }
}
