//! Topics that bear a platform's names and that somebody else made: whatever happens, they stay theirs.

use foodplatform_operator::api::{
    FoodPlatform, TopicState,
    condition::{PAUSED, TOPICS_READY},
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::{
    door::Door,
    interference::{Interference, Plan},
    kafka::Kafka,
    world::{World, eventually, is, kafka, message},
};

/// Waits until the platform says that `topic` is somebody else's.
async fn in_conflict(world: &World, topic: &str) -> FoodPlatform {
    let told = format!("topic {topic} is there already and was not made for this platform");
    let is_told = |shop: &FoodPlatform| {
        is(shop, TOPICS_READY, "False", "TopicConflict") && message(shop, TOPICS_READY).contains(&told)
    };
    world.shop_when("in conflict", is_told).await
}

/// Deletes the platform, whose topics are to go with it, and then the one that has to be left.
async fn leaves(world: World, topic: &str) {
    let recorded = world.get::<ConfigMap>("shop-topics").await.unwrap().data.unwrap_or_default();
    assert!(!recorded.contains_key(topic), "{recorded:?}");
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    let kafka = Kafka::connect();
    assert_eq!(kafka.topics(&format!("{}.", world.namespace)), [(topic.to_owned(), 1)]);
    kafka.delete(topic).await;
    world.end().await;
}

#[tokio::test]
async fn they_stay_theirs_while_kafka_is_away() {
    let mut door = Door::shut_before(kafka());
    door.open();
    let world = World::start("stranger").await;
    let cook = format!("{}.shop.cook", world.namespace);
    Kafka::connect().create(&cook, 1).await;
    let servers = door.address().to_string();
    world.shop(json!({ "kafka": { "bootstrapServers": servers, "deletionPolicy": "Delete" } })).await;
    in_conflict(&world, &cook).await;

    door.shut().await;
    let wish = json!({ "spec": { "kafka": { "topics": { "cook": { "partitions": 5, "retention": "2h" } } } } });
    world.patch::<FoodPlatform>("shop", wish).await;
    world.shop_when("without Kafka", |shop| is(shop, TOPICS_READY, "False", "KafkaUnreachable")).await;
    door.open();
    in_conflict(&world, &cook).await;
    leaves(world, &cook).await;
}

#[tokio::test]
async fn those_that_were_looked_at_only_have_to_be_adopted() {
    let world = World::start("former").await;
    let kafka = Kafka::connect();
    let topic = |name: &str| format!("{}.shop.{name}", world.namespace);
    for name in ["menu", "cook", "delivery", "order-requests"] {
        kafka.create(&topic(name), 3).await;
        kafka.create(&topic(&format!("{name}.dlq")), 1).await;
    }
    world.shop(json!({ "kafka": { "topicManagement": "External" } })).await;
    world.ready().await;
    let direct = json!({ "spec": { "kafka": { "topicManagement": Value::Null, "deletionPolicy": "Delete" } } });
    world.patch::<FoodPlatform>("shop", direct).await;
    let shop = in_conflict(&world, &topic("menu")).await;
    assert!(shop.status.unwrap().topics.iter().all(|topic| topic.state == TopicState::Foreign));

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "adopt": true } } })).await;
    world.ready().await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!(kafka.topics(&topic("")), []);
    world.end().await;
}

#[tokio::test]
async fn those_that_somebody_else_looks_after_now_stay() {
    let world = World::start("handed").await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    world.ready().await;
    // It is held still, since a paused one is left as it is.
    let kafka = json!({ "topicManagement": "External", "deletionPolicy": Value::Null });
    let external = json!({ "spec": { "paused": true, "kafka": kafka } });
    world.patch::<FoodPlatform>("shop", external).await;
    world.shop_when("paused", |shop| is(shop, PAUSED, "True", "Paused")).await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    let kafka = Kafka::connect();
    let topics = kafka.topics(&format!("{}.", world.namespace));
    assert_eq!(topics.len(), 8);
    for (topic, _) in topics {
        kafka.delete(&topic).await;
    }
    world.end().await;
}

#[tokio::test]
async fn one_that_kafka_refused_to_make_is_whose_makes_it_by_hand() {
    let world = World::start("byhand").await;
    let cook = format!("{}.shop.cook", world.namespace);
    let topics = json!({ "cook": { "replicationFactor": 9 } });
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete", "topics": topics } })).await;
    world.shop_when("refused", |shop| is(shop, TOPICS_READY, "False", "TopicRefused")).await;
    Kafka::connect().create(&cook, 1).await;
    in_conflict(&world, &cook).await;
    leaves(world, &cook).await;
}

#[tokio::test]
async fn one_that_was_announced_and_not_tried_is_whose_makes_it() {
    let mut door = Door::shut_before(kafka());
    door.open();
    let interference = Interference::new(Plan::Delay { resource: "configmaps".to_owned() });
    let world = World::disturbed("untried", &interference).await;
    let cook = format!("{}.shop.cook", world.namespace);
    // Of what it has recorded it hears when Kafka is away.
    interference.hold_back(true);
    let servers = door.address().to_string();
    world.shop(json!({ "kafka": { "bootstrapServers": servers, "deletionPolicy": "Delete" } })).await;
    eventually("the announcement", || world.get::<ConfigMap>("shop-topics")).await;
    door.shut().await;
    interference.hold_back(false);
    world.shop_when("without Kafka", |shop| is(shop, TOPICS_READY, "False", "KafkaUnreachable")).await;
    Kafka::connect().create(&cook, 1).await;
    door.open();
    in_conflict(&world, &cook).await;
    leaves(world, &cook).await;
}
