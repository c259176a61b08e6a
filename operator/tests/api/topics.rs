//! Topics in the real Kafka.

use std::{collections::HashMap, time::Duration};

use foodplatform_operator::api::{FoodPlatform, TopicState, condition::TOPICS_READY};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::json;

use crate::world::{World, is, kafka, message};

#[tokio::test]
async fn topics_are_made_and_grown_and_keep_what_others_set() {
    let world = World::start("topics").await;
    world.shop(json!({ "kafka": { "topics": { "menu": { "retention": "2h" } } } })).await;
    world.ready().await;
    let menu = format!("{}.shop.menu", world.namespace);
    let kafka = Kafka::connect();
    assert_eq!(kafka.partitions(&menu), 3);
    assert_eq!(kafka.settings(&menu).await["retention.ms"], "7200000");

    kafka.set(&menu, &[("retention.ms", "7200000"), ("segment.bytes", "2097152")]).await;
    world
        .patch::<FoodPlatform>(
            "shop",
            json!({ "spec": { "kafka": { "topics": { "menu": {
        "partitions": 6, "retention": "3h",
    } } } } }),
        )
        .await;
    let partitions = |shop: &FoodPlatform| {
        let topics = shop.status.clone().unwrap_or_default().topics;
        topics.into_iter().find(|topic| topic.name == menu).map(|topic| (topic.partitions, topic.state))
    };
    world.shop_when("grown", |shop| partitions(shop) == Some((Some(6), TopicState::Ready))).await;
    assert_eq!(kafka.partitions(&menu), 6);
    let settings = kafka.settings(&menu).await;
    assert_eq!(settings["retention.ms"], "10800000");
    assert_eq!(settings["segment.bytes"], "2097152", "somebody else's setting stays");

    world
        .patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "topics": { "menu": { "partitions": 2 } } } } }))
        .await;
    let shop = world.shop_when("told to shrink", |shop| is(shop, TOPICS_READY, "True", "TopicsDiffer")).await;
    assert!(message(&shop, TOPICS_READY).contains("keeps its 6 partitions"), "{}", message(&shop, TOPICS_READY));
    assert_eq!(partitions(&shop), Some((Some(6), TopicState::Differs)));
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_topic_that_kafka_refuses_is_named() {
    let world = World::start("refused").await;
    world.shop(json!({ "kafka": { "topics": { "cook": { "replicationFactor": 9 } } } })).await;
    let shop = world.shop_when("refused", |shop| is(shop, TOPICS_READY, "False", "TopicRefused")).await;
    let text = message(&shop, TOPICS_READY);
    assert!(
        text.contains(&format!("{}.shop.cook ", world.namespace)) && text.contains("replication factor 9"),
        "{text}"
    );
    let missing = |topic: &&foodplatform_operator::api::TopicStatus| topic.state == TopicState::Missing;
    assert_eq!(shop.status.unwrap().topics.iter().filter(missing).count(), 2, "the topic and its dead letters");

    world
        .patch::<FoodPlatform>(
            "shop",
            json!({ "spec": { "kafka": { "topics": { "cook": { "replicationFactor": 1 } } } } }),
        )
        .await;
    world.ready().await;
    world.end().await;
}

struct Kafka(AdminClient<DefaultClientContext>);

impl Kafka {
    fn connect() -> Self {
        Self(ClientConfig::new().set("bootstrap.servers", kafka()).create().unwrap())
    }

    fn partitions(&self, topic: &str) -> usize {
        let metadata = self.0.inner().fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        metadata.topics()[0].partitions().len()
    }

    async fn settings(&self, topic: &str) -> HashMap<String, String> {
        let described =
            self.0.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await.unwrap();
        let entries = described.into_iter().flat_map(|resource| resource.unwrap().entries);
        entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }

    async fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let change =
            AlterConfig { specifier: ResourceSpecifier::Topic(topic), entries: settings.iter().copied().collect() };
        let results = self.0.alter_configs(&[change], &AdminOptions::new()).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}
