//! The end of platforms whose Kafka takes connections and says nothing.

use std::time::Duration;

use foodplatform_operator::api::{
    FoodPlatform,
    condition::{READY, TOPICS_READY},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use crate::{
    broker::Broker,
    interference::{Interference, Plan},
    kafka::Kafka,
    world::{World, eventually, is, message, shop},
};

/// Platforms that have nothing but topics behind the broker, for the database's Secret is missing.
async fn with_topics(name: &str, platforms: &[String], over: Value) -> (World, Broker) {
    let broker = Broker::start(&Interference::new(Plan::Nothing)).await;
    let world = World::without_secret(name).await;
    for name in platforms {
        let mut platform = shop(over.clone());
        platform["metadata"]["name"] = json!(name);
        platform["spec"]["kafka"]["bootstrapServers"] = json!(broker.address.to_string());
        platform["spec"]["kafka"]["deletionPolicy"] = json!("Delete");
        world.create::<FoodPlatform>(platform).await;
    }
    eventually("the topics", || all(&world, |platform| is(platform, TOPICS_READY, "True", "TopicsReady"))).await;
    (world, broker)
}

async fn all(world: &World, are: impl Fn(&FoodPlatform) -> bool) -> Option<()> {
    let platforms = world.api::<FoodPlatform>().list(&ListParams::default()).await.unwrap();
    platforms.iter().all(are).then_some(())
}

#[tokio::test]
async fn those_whose_kafka_is_silent_hold_up_no_others() {
    /// More than are reconciled at the same time.
    const COUNT: usize = 10;
    let platforms: Vec<_> = (0..COUNT).map(|number| format!("silent{number}")).collect();
    let (world, broker) = with_topics("silent", &platforms, json!({})).await;
    broker.silent.send_replace(true);
    for name in &platforms {
        world.delete::<FoodPlatform>(name).await;
    }
    // They wait for Kafka, each for longer than the other one may take.
    eventually("the deletions", || all(&world, |platform| is(platform, READY, "False", "Deleting"))).await;
    world.shop(json!({})).await;
    let config = eventually("a ConfigMap", || world.get::<ConfigMap>("shop-cook"));
    tokio::time::timeout(Duration::from_secs(5), config).await.expect("it is held up by no other");
    let topics = world.shop_when("with topics", |shop| is(shop, TOPICS_READY, "True", "TopicsReady"));
    tokio::time::timeout(Duration::from_secs(30), topics).await.expect("one turn at asking Kafka is left to it");

    let is_told = |platform: &FoodPlatform| message(platform, READY).starts_with("the topics can't be deleted: Kafka");
    eventually("a silence that is told", || async {
        world.get::<FoodPlatform>(&platforms[0]).await.as_ref().is_some_and(is_told).then_some(())
    })
    .await;
    broker.silent.send_replace(false);
    eventually("all to be gone", || all(&world, |platform| platform.name_any() == "shop")).await;
    assert_eq!(Kafka::connect().topics(&format!("{}.silent", world.namespace)), []);
    world.end().await;
}

#[tokio::test]
async fn no_topics_are_deleted_after_their_platform_was_let_go() {
    let (world, broker) = with_topics("late", &["shop".to_owned()], json!({ "deletionTimeout": "4s" })).await;
    broker.silent.send_replace(true);
    world.api::<FoodPlatform>().delete("shop", &DeleteParams::background()).await.unwrap();
    world.gone().await;
    world.event("TopicsLeft").await;
    // Kafka tells now what it was asked then.
    broker.silent.send_replace(false);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(Kafka::connect().topics(&format!("{}.shop.", world.namespace)).len(), 8);
    world.end().await;
}
