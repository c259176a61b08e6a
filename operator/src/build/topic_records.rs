//! Which of Kafka's topics are a platform's own, recorded in a ConfigMap that outlives it.
//!
//! Two platforms of one name, in two clusters, may meet on one Kafka. So a topic is a platform's own only when the
//! platform made it, which Kafka's id of the topic tells; and that a topic is about to be made is recorded before.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::DynamicObject;

use super::{child, labels, names, platform::Platform};

/// What is recorded of a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// It was not there, and is about to be made.
    Announced,
    /// It was made or adopted, and has this id.
    Own(String),
}

/// Records by the topics' names.
pub type Records = BTreeMap<String, Record>;

/// The ConfigMap that holds `records`: an id for each topic's name, none for one that is about to be made.
pub fn build(platform: &Platform, records: &Records) -> DynamicObject {
    let id = |record: &Record| match record {
        Record::Announced => String::new(),
        Record::Own(id) => id.clone(),
    };
    child::dynamic(&ConfigMap {
        metadata: labels::metadata_of_platform(platform, names::topic_records(&platform.name)),
        data: Some(records.iter().map(|(name, record)| (name.clone(), id(record))).collect()),
        ..Default::default()
    })
}

/// What a live ConfigMap records.
pub fn read(live: &DynamicObject) -> Records {
    let data = live.data.get("data").and_then(serde_json::Value::as_object);
    data.into_iter()
        .flatten()
        .filter_map(|(name, id)| {
            let record = match id.as_str()? {
                "" => Record::Announced,
                id => Record::Own(id.to_owned()),
            };
            Some((name.clone(), record))
        })
        .collect()
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
        let records = Records::from([
            ("food.shop.menu".to_owned(), Record::Own("abc".to_owned())),
            ("food.shop.cook".to_owned(), Record::Announced),
        ]);
        let written = build(&Platform::new(&platform).unwrap(), &records);
        assert_eq!(written.metadata.owner_references, None);
        assert_eq!(read(&written), records);
    }
}
