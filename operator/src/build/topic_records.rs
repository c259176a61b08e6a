//! Which of Kafka's topics are a platform's own, recorded in a ConfigMap that outlives it.
//!
//! Two platforms of one name, in two clusters, may meet on one Kafka. So a topic is a platform's own only when the
//! platform made it, which Kafka's id of the topic tells; and that a topic is about to be made, or a setting of it, is
//! recorded before.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{ResourceExt as _, core::DynamicObject};

use super::{child, kafka_topic, labels, names, platform::Platform};

/// The annotation with the namespace of the KafkaTopics, as long as there may be any.
const KAFKA_TOPICS: &str = "foodplatform.dev/kafka-topics-namespace";

/// What is recorded of a topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// Kafka's id of it, once it was made or adopted; `None` for one that was not there, and is about to be made.
    pub id: Option<String>,
    /// The settings that were made for the platform: those of others are never taken back.
    pub settings: BTreeSet<String>,
}

/// Records by the topics' names.
pub type Records = BTreeMap<String, Record>;

/// The ConfigMap that holds `records`: for each topic's name its id, none for one that is about to be made, and the names
/// of the settings, separated by spaces. Where Strimzi is asked for them, it says where.
pub fn build(platform: &Platform, records: &Records) -> DynamicObject {
    let text = |Record { id, settings }: &Record| {
        let id = id.as_deref().unwrap_or_default();
        std::iter::once(id).chain(settings.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    };
    let mut metadata = labels::metadata_of_platform(platform, names::topic_records(&platform.name));
    metadata.annotations =
        kafka_topic::namespace(platform).map(|namespace| [(KAFKA_TOPICS.to_owned(), namespace.to_owned())].into());
    child::dynamic(&ConfigMap {
        metadata,
        data: Some(records.iter().map(|(name, record)| (name.clone(), text(record))).collect()),
        ..Default::default()
    })
}

/// What a live ConfigMap records.
pub fn read(live: &DynamicObject) -> Records {
    let data = live.data.get("data").and_then(serde_json::Value::as_object);
    data.into_iter()
        .flatten()
        .filter_map(|(name, text)| {
            let text = text.as_str()?;
            let (id, settings) = text.split_once(' ').unwrap_or((text, ""));
            let id = (!id.is_empty()).then(|| id.to_owned());
            Some((name.clone(), Record { id, settings: settings.split_whitespace().map(str::to_owned).collect() }))
        })
        .collect()
}

/// The namespace in which there may be KafkaTopics, as a live ConfigMap has it.
pub(crate) fn kafka_topics(live: &DynamicObject) -> Option<&str> {
    live.annotations().get(KAFKA_TOPICS).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::FoodPlatform;

    #[test]
    fn what_is_written_is_read_again_and_outlives_the_platform() {
        let platform: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "shop", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap();
        let settings = BTreeSet::from(["retention.ms".to_owned(), "segment.bytes".to_owned()]);
        let id = Some("abc".to_owned());
        let records = Records::from([
            ("food.shop.menu".to_owned(), Record { id: id.clone(), settings: settings.clone() }),
            ("food.shop.cook".to_owned(), Record { id, ..Record::default() }),
            ("food.shop.menu.dlq".to_owned(), Record { settings, ..Record::default() }),
            ("food.shop.cook.dlq".to_owned(), Record::default()),
        ]);
        let written = build(&Platform::new(&platform).unwrap(), &records);
        assert_eq!(written.metadata.owner_references, None);
        assert_eq!(read(&written), records);
        assert_eq!(kafka_topics(&written), None);
    }

    #[test]
    fn it_says_where_there_may_be_kafka_topics() {
        let written = |strimzi: serde_json::Value| {
            let platform: FoodPlatform = serde_json::from_value(json!({
                "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
                "metadata": { "name": "shop", "namespace": "food", "uid": "u" },
                "spec": {
                    "image": { "registry": "r", "tag": "1" },
                    "kafka": { "bootstrapServers": "k:9092", "topicManagement": "Strimzi", "strimzi": strimzi },
                    "database": { "secretRef": { "name": "db" } },
                },
            }))
            .unwrap();
            build(&Platform::new(&platform).unwrap(), &Records::new())
        };
        let namespace = |strimzi| kafka_topics(&written(strimzi)).map(str::to_owned);
        assert_eq!(namespace(json!({ "cluster": "main", "namespace": "kafka" })).as_deref(), Some("kafka"));
        assert_eq!(namespace(json!({ "cluster": "main" })).as_deref(), Some("food"));
    }
}
