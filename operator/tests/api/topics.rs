//! Topics in the real Kafka.

use std::{pin::pin, time::Duration};

use foodplatform_operator::api::{
    FoodPlatform, TopicState, TopicStatus,
    condition::{READY, STALLED, TOPICS_READY},
};
use futures::TryStreamExt as _;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::{
    door::Door,
    interference::{Interference, Plan},
    kafka::Kafka,
    kubelet::Fate,
    world::{World, eventually, is, is_current, kafka, message},
};

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
async fn a_setting_that_is_no_longer_asked_for_is_taken_back() {
    const KEY: &str = "max.message.bytes";
    let world = World::start("reset").await;
    world.shop(json!({ "kafka": { "topics": { "menu": { "config": { KEY: "70000" } } } } })).await;
    world.ready().await;
    let (menu, cook) = (format!("{}.shop.menu", world.namespace), format!("{}.shop.cook", world.namespace));
    let kafka = Kafka::connect();
    let setting = async |topic: &str, key: &str| kafka.settings(topic).await[key].clone();
    let default = setting(&cook, KEY).await;
    assert_eq!(setting(&menu, KEY).await, "70000");

    let until = async |topic: &str, wanted: &str| {
        eventually(&format!("{topic} with {KEY}={wanted}"), || async {
            (setting(topic, KEY).await == wanted).then_some(())
        })
        .await;
    };
    kafka.set(&menu, &[("segment.bytes", "2097152"), (KEY, "70000")]).await;
    let config = |menu: Value, cook: Value| {
        let topics = json!({ "menu": { "config": { KEY: menu } }, "cook": { "config": { KEY: cook } } });
        json!({ "spec": { "kafka": { "topics": topics } } })
    };
    // One that was made with the topic, and one that came later.
    world.patch::<FoodPlatform>("shop", config(Value::Null, json!("80000"))).await;
    until(&menu, &default).await;
    until(&cook, "80000").await;
    world.patch::<FoodPlatform>("shop", config(json!("90000"), Value::Null)).await;
    until(&menu, "90000").await;
    until(&cook, &default).await;
    assert_eq!(setting(&menu, "segment.bytes").await, "2097152", "somebody else's setting stays");
    let shop = world.ready().await;
    assert!(is(&shop, TOPICS_READY, "True", "TopicsReady"), "{shop:?}");
    world.end().await;
}

/// As the operator of another cluster does that has a platform of the same name.
#[tokio::test]
async fn a_topic_that_somebody_else_makes_after_it_was_announced_is_theirs() {
    let interference = Interference::new(Plan::Delay { resource: "configmaps".to_owned() });
    let world = World::disturbed("overtaken", &interference).await;
    // What it has recorded it doesn't hear of, and waits.
    interference.hold_back(true);
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    eventually("the announcement", || world.get::<ConfigMap>("shop-topics")).await;
    let (menu, cook) = (format!("{}.shop.menu", world.namespace), format!("{}.shop.cook", world.namespace));
    let kafka = Kafka::connect();
    kafka.create(&menu, 1).await;
    interference.hold_back(false);
    let shop = world.shop_when("told", |shop| is(shop, TOPICS_READY, "False", "TopicConflict")).await;
    assert!(message(&shop, TOPICS_READY).contains(&menu), "{}", message(&shop, TOPICS_READY));
    assert_eq!((kafka.partitions(&menu), kafka.partitions(&cook)), (1, 3));

    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!((kafka.partitions(&menu), kafka.partitions(&cook)), (1, 0));
    kafka.delete(&menu).await;
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
    let missing = |topic: &&TopicStatus| topic.state == TopicState::Missing;
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

#[tokio::test]
async fn a_platform_is_not_ready_before_a_new_setting_is_made() {
    let world = World::start("setting").await;
    world.shop(json!({})).await;
    let shop = world.ready().await;
    let version = shop.resource_version().unwrap();
    let config = json!({ "segment.bytes": "nonsense" });
    let wish = json!({ "spec": { "kafka": { "topics": { "menu": { "config": config } } } } });
    let wished = world.patch::<FoodPlatform>("shop", wish).await.metadata.generation;
    let shops = world.api::<FoodPlatform>();
    let mut news = pin!(shops.watch(&WatchParams::default().timeout(60), &version).await.unwrap());
    loop {
        let event = news.try_next().await.unwrap().expect("the watch goes on until it is refused");
        let shop = match event {
            WatchEvent::Modified(shop) => shop,
            WatchEvent::Error(error) => panic!("{error:?}"),
            _ => continue,
        };
        if is_current(&shop) && shop.metadata.generation == wished {
            assert!(!is(&shop, READY, "True", "Ready"), "{:?}", shop.status);
            if is(&shop, TOPICS_READY, "False", "TopicRefused") {
                break;
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_topic_of_somebody_else_is_left_alone_until_it_is_to_be_adopted() {
    let world = World::start("foreign").await;
    let cook = format!("{}.shop.cook", world.namespace);
    let kafka = Kafka::connect();
    kafka.create(&cook, 1).await;
    world.shop(json!({})).await;
    let shop = world.shop_when("in conflict", |shop| is(shop, TOPICS_READY, "False", "TopicConflict")).await;
    let told = format!("topic {cook} is there already and was not made for this platform: set kafka.adopt: true");
    assert!(message(&shop, TOPICS_READY).starts_with(&told), "{}", message(&shop, TOPICS_READY));
    assert!(is(&shop, STALLED, "True", "TopicConflict"));
    assert_eq!(topic(&shop, &cook).state, TopicState::Foreign);
    assert_eq!(kafka.partitions(&cook), 1);
    assert!(world.api::<Deployment>().list(&ListParams::default()).await.unwrap().items.is_empty(), "nobody reads it");

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "adopt": true } } })).await;
    let shop = world.ready().await;
    assert_eq!(topic(&shop, &cook).state, TopicState::Ready);
    assert_eq!(kafka.partitions(&cook), 3);
    // Once adopted it is the platform's own.
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "adopt": null } } })).await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_topic_that_was_made_anew_behind_our_back_is_noticed() {
    let world = World::start("anew").await;
    world.shop(json!({})).await;
    let shop = world.ready().await;
    let menu = format!("{}.shop.menu", world.namespace);
    let id = topic(&shop, &menu).topic_id.unwrap();
    let kafka = Kafka::connect();
    kafka.delete(&menu).await;
    kafka.create(&menu, 3).await;

    // A change of the wish has the topics looked at.
    let wish = |hours: &str| json!({ "spec": { "kafka": { "topics": { "cook": { "retention": hours } } } } });
    world.patch::<FoodPlatform>("shop", wish("2h")).await;
    let shop = world.shop_when("in conflict", |shop| is(shop, TOPICS_READY, "False", "TopicConflict")).await;
    let told = format!("topic {menu} was deleted and made anew by somebody else");
    assert!(message(&shop, TOPICS_READY).starts_with(&told), "{}", message(&shop, TOPICS_READY));
    assert!(shop.status.as_ref().unwrap().services.iter().all(|service| service.ready == 1), "what runs goes on");

    // Gone without a successor it is made again, and the loss is told.
    kafka.delete(&menu).await;
    world.patch::<FoodPlatform>("shop", wish("3h")).await;
    let shop = world.shop_when("made anew", |shop| is(shop, TOPICS_READY, "True", "TopicsDiffer")).await;
    assert!(message(&shop, TOPICS_READY).contains("the events that it held are gone"));
    assert_ne!(topic(&shop, &menu).topic_id.unwrap(), id);
    world.end().await;
}

#[tokio::test]
async fn retained_topics_are_taken_up_by_the_same_platform_and_by_no_other() {
    let world = World::start("retained").await;
    let prefix = format!("{}.mine.", world.namespace);
    let spec = json!({ "kafka": { "topicPrefix": prefix } });
    world.shop(spec.clone()).await;
    let shop = world.ready().await;
    let menu = format!("{prefix}menu");
    let id = topic(&shop, &menu).topic_id;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    world.shop(spec.clone()).await;
    let shop = world.ready().await;
    assert_eq!(topic(&shop, &menu).topic_id, id);

    // As in another cluster, where nothing is recorded of the first.
    let other = World::start("other").await;
    other.shop(spec).await;
    let shop = other.shop_when("in conflict", |shop| is(shop, TOPICS_READY, "False", "TopicConflict")).await;
    assert_eq!(shop.status.unwrap().topics.iter().filter(|topic| topic.state == TopicState::Foreign).count(), 8);
    // Its end harms nobody else's topics either.
    other.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "deletionPolicy": "Delete" } } })).await;
    other.shop_when("held", |shop| !shop.finalizers().is_empty()).await;
    other.delete::<FoodPlatform>("shop").await;
    eventually("the other to be gone", || async { other.get::<FoodPlatform>("shop").await.is_none().then_some(()) })
        .await;
    assert_eq!(Kafka::connect().partitions(&menu), 3);
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn topics_that_somebody_else_looks_after_are_looked_at_only() {
    let world = World::start("external").await;
    world.shop(json!({ "kafka": { "topicManagement": "External" } })).await;
    let shop = world.shop_when("without topics", |shop| is(shop, TOPICS_READY, "False", "TopicRefused")).await;
    let menu = format!("{}.shop.menu", world.namespace);
    let told = format!("topic {menu} is not there: create it with 3 partitions at least");
    assert!(message(&shop, TOPICS_READY).contains(&told), "{}", message(&shop, TOPICS_READY));
    let kafka = Kafka::connect();
    for name in ["menu", "cook", "delivery", "order-requests"] {
        kafka.create(&format!("{}.shop.{name}", world.namespace), if name == "menu" { 1 } else { 3 }).await;
        kafka.create(&format!("{}.shop.{name}.dlq", world.namespace), 1).await;
    }
    let shop = world.ready().await;
    assert!(is(&shop, TOPICS_READY, "True", "TopicsDiffer"));
    let told = message(&shop, TOPICS_READY);
    assert!(told.contains(&format!("{menu} has 1 partitions, though 3 are asked for")), "{told}");
    assert_eq!(kafka.partitions(&menu), 1);
    assert!(world.get::<ConfigMap>("shop-topics").await.is_none(), "they are not ours");
    world.end().await;
}

#[tokio::test]
async fn topics_go_with_the_platform_when_that_is_asked_for() {
    let world = World::start("goes").await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    let shop = world.ready().await;
    assert_eq!(shop.finalizers(), ["foodplatform.dev/topics"]);
    let (menu, cook) = (format!("{}.shop.menu", world.namespace), format!("{}.shop.cook", world.namespace));
    let kafka = Kafka::connect();
    // Somebody else's by now.
    kafka.delete(&cook).await;
    kafka.create(&cook, 1).await;

    // Pods that don't end hold up the topics.
    world.pods(Fate::Nothing);
    world.hold_pods().await;
    world.delete::<FoodPlatform>("shop").await;
    let shop = world.shop_when("being deleted", |shop| is(shop, READY, "False", "Deleting")).await;
    assert!(message(&shop, READY).contains("pods have yet to end"), "{}", message(&shop, READY));
    assert_eq!(kafka.partitions(&menu), 3);
    world.release_pods().await;
    world.gone().await;
    assert_eq!((kafka.partitions(&menu), kafka.partitions(&cook)), (0, 1));
    assert!(world.get::<ConfigMap>("shop-topics").await.is_none());
    world.end().await;
}

/// A platform whose topics are to go with it within `timeout`, and whose Kafka has gone away since it was ready; with the door
/// that keeps others from its address.
async fn without_its_kafka(name: &str, timeout: &str) -> (World, Door) {
    let mut door = Door::shut_before(kafka());
    door.open();
    let world = World::start(name).await;
    let kafka = json!({ "bootstrapServers": door.address().to_string(), "deletionPolicy": "Delete" });
    world.shop(json!({ "kafka": kafka, "deletionTimeout": timeout })).await;
    // By this address Kafka only tells its own one.
    world.ready().await;
    door.shut().await;
    (world, door)
}

#[tokio::test]
async fn a_platform_whose_kafka_is_gone_is_let_go_after_a_while() {
    let (world, _door) = without_its_kafka("letgo", "8s").await;
    let started = std::time::Instant::now();
    world.delete::<FoodPlatform>("shop").await;
    let shop = world.shop_when("being deleted", |shop| message(shop, READY).contains("can't be deleted: Kafka")).await;
    assert!(is(&shop, READY, "False", "Deleting"));
    world.gone().await;
    assert!(started.elapsed() >= Duration::from_secs(7), "{:?}", started.elapsed());
    world.event("TopicsLeft").await;
    world.end().await;
}

/// Nothing can be made in such a namespace any more, an event neither: the operator's log has it.
#[tokio::test]
async fn a_terminating_namespace_is_held_up_no_longer_than_is_allowed_by_a_kafka_that_is_gone() {
    let (world, _door) = without_its_kafka("leaving", "5s").await;
    world.delete_namespace().await;
    world.gone().await;
    world.end().await;
}

#[tokio::test]
async fn a_terminating_namespace_is_not_held_up() {
    let world = World::start("namespace").await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    world.ready().await;
    let menu = format!("{}.shop.menu", world.namespace);
    world.delete_namespace().await;
    world.gone().await;
    assert_eq!(Kafka::connect().partitions(&menu), 0);
    world.end().await;
}

fn topic(shop: &FoodPlatform, name: &str) -> TopicStatus {
    shop.status.as_ref().unwrap().topics.iter().find(|topic| topic.name == name).cloned().unwrap()
}
