//! What is said when something is wrong, and that it heals.

use foodplatform_operator::api::{
    FoodPlatform,
    condition::{DATABASE_REACHABLE, READY, RECONCILING, STALLED, TOPICS_READY},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::api::ListParams;
use serde_json::json;
use url::Url;

use crate::{
    door::Door,
    kstatus,
    kubelet::Fate,
    world::{World, database_url, is, kafka, message, shop},
};

#[tokio::test]
async fn a_missing_secret_is_named_and_waited_for() {
    let world = World::without_secret("secret").await;
    world.shop(json!({})).await;
    let shop = world.shop_when("without its Secret", |shop| is(shop, READY, "False", "SecretNotFound")).await;
    let expected = format!("Secret {}/database is not there: create it with key url", world.namespace);
    assert!(message(&shop, READY).starts_with(&expected), "{}", message(&shop, READY));
    assert!(is(&shop, STALLED, "True", "SecretNotFound"));
    assert!(is(&shop, RECONCILING, "False", "SecretNotFound"));

    world.secret("uri").await;
    let shop = world.shop_when("without the key", |shop| message(shop, READY).contains("no key url")).await;
    assert!(is(&shop, STALLED, "True", "SecretNotFound"));

    world.secret("url").await;
    let shop = world.ready().await;
    assert!(is(&shop, STALLED, "False", "Ready"));
    world.end().await;
}

#[tokio::test]
async fn a_new_secret_rolls_the_pods() {
    let world = World::start("rotate").await;
    world.shop(json!({})).await;
    world.ready().await;
    let before = world.get::<Deployment>("shop-order").await.unwrap().metadata.generation;
    world
        .patch::<k8s_openapi::api::core::v1::Secret>(
            "database",
            json!({ "stringData": { "url": format!("{}?application_name=new", database_url()) } }),
        )
        .await;
    crate::world::eventually("the pods to roll", || async {
        (world.get::<Deployment>("shop-order").await?.metadata.generation > before).then_some(())
    })
    .await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_never_taken() {
    let world = World::start("conflict").await;
    let theirs = json!({ "metadata": { "name": "shop-cook" }, "data": { "mine": "yes" } });
    world.create::<ConfigMap>(theirs).await;
    world.shop(json!({})).await;
    let shop = world.shop_when("in conflict", |shop| is(shop, READY, "False", "NameConflict")).await;
    assert!(message(&shop, READY).contains("ConfigMap"), "{}", message(&shop, READY));
    assert!(message(&shop, READY).contains("shop-cook"));
    let left = world.get::<ConfigMap>("shop-cook").await.unwrap();
    assert_eq!(left.data.unwrap().len(), 1);
    assert!(left.metadata.labels.is_none());

    // Only the service that lacks it waits for it.
    let shop = world
        .shop_when("ready but for one service", |shop| {
            shop.status.as_ref().and_then(|status| status.services_ready.as_deref()) == Some("4/5")
        })
        .await;
    assert!(is(&shop, READY, "False", "NameConflict"));
    assert!(world.get::<Deployment>("shop-cook").await.is_none());
    world.delete::<ConfigMap>("shop-order").await;
    crate::world::eventually("what was removed to be made again", || world.get::<ConfigMap>("shop-order")).await;

    world.delete::<ConfigMap>("shop-cook").await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_circuit_breaker_that_could_eject_nothing_is_told() {
    let world = World::start("breaker").await;
    let cook = |percent: i32| json!({ "services": { "cook": { "replicas": 2, "circuitBreaker": { "maxEjectionPercent": percent } } } });
    world.shop(cook(49)).await;
    let shop = world.ready().await;
    let expected = "services.cook.circuitBreaker ejects no pod, for 49 % of 2, rounded down, are none: raise";
    assert!(message(&shop, READY).contains(expected), "{}", message(&shop, READY));

    world.patch::<FoodPlatform>("shop", json!({ "spec": cook(50) })).await;
    let shop = world.ready().await;
    assert!(!message(&shop, READY).contains("circuitBreaker"), "{}", message(&shop, READY));
    world.end().await;
}

#[tokio::test]
async fn an_unreachable_kafka_is_told_and_waited_for() {
    let mut door = Door::shut_before(kafka());
    let address = door.address();
    let world = World::start("kafka").await;
    world.shop(json!({ "kafka": { "bootstrapServers": address.to_string() } })).await;
    let shop = world.shop_when("without Kafka", |shop| is(shop, TOPICS_READY, "False", "KafkaUnreachable")).await;
    let expected = format!("Kafka at {address} can't be reached: Connection refused; retrying");
    assert_eq!(message(&shop, TOPICS_READY), expected);
    assert!(is(&shop, READY, "False", "KafkaUnreachable"));
    assert!(is(&shop, RECONCILING, "True", "KafkaUnreachable"), "it heals by itself");
    assert!(is(&shop, STALLED, "False", "KafkaUnreachable"));
    assert!(world.api::<Deployment>().list(&ListParams::default()).await.unwrap().items.is_empty());
    assert!(world.get::<ConfigMap>("shop-cook").await.is_some(), "everything else is there already");

    door.open();
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_kafka_that_goes_away_leaves_what_runs() {
    let world = World::start("away").await;
    world.shop(json!({})).await;
    world.ready().await;
    let before = world.versions::<Deployment>().await;
    let door = Door::shut_before(kafka());
    let away = json!({ "spec": { "kafka": { "bootstrapServers": door.address().to_string() }, "services": { "cook": { "replicas": 2 } } } });
    world.patch::<foodplatform_operator::api::FoodPlatform>("shop", away).await;
    let shop = world
        .shop_when("without Kafka", |shop| {
            let ready = shop.status.as_ref().and_then(|status| status.services_ready.as_deref());
            is(shop, TOPICS_READY, "False", "KafkaUnreachable") && ready == Some("5/5")
        })
        .await;
    assert!(is(&shop, READY, "False", "KafkaUnreachable"));
    assert_eq!(world.get::<Deployment>("shop-cook").await.unwrap().spec.unwrap().replicas, Some(2), "changes go on");
    assert_eq!(world.versions::<Deployment>().await.len(), before.len());
    world.end().await;
}

#[tokio::test]
async fn an_unreachable_database_is_told_and_waited_for() {
    let world = World::start("database").await;
    let words =
        r#"{"level":"ERROR","fields":{"message":"ends","error":"cannot connect to 192.0.2.1: Connection refused"}}"#;
    world.pods(Fate::MigrationsFail(words.to_owned()));
    world.shop(json!({})).await;
    let shop = world.shop_when("without a database", |shop| is(shop, READY, "False", "DatabaseUnreachable")).await;
    assert!(message(&shop, READY).contains("order can't reach the database: cannot connect to 192.0.2.1"));
    assert!(is(&shop, STALLED, "False", "DatabaseUnreachable"), "it heals by itself");

    world.pods(Fate::Work);
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_and_waited_for() {
    let mut url: Url = database_url().parse().unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let mut door = Door::shut_before(server);
    door.open();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(door.address().port())).unwrap();
    let world = World::without_secret("outage").await;
    world.secret_with("url", url.as_str()).await;
    world.shop(json!({})).await;
    world.shop_when("with a database", |shop| is(shop, DATABASE_REACHABLE, "True", "DatabaseReachable")).await;
    world.ready().await;
    let before = world.versions::<Deployment>().await;

    door.shut().await;
    let shop = world.shop_when("without", |shop| is(shop, DATABASE_REACHABLE, "False", "DatabaseUnreachable")).await;
    let expected = format!("the database at {} can't be reached: Connection refused", door.address());
    assert!(message(&shop, DATABASE_REACHABLE).starts_with(&expected), "{}", message(&shop, DATABASE_REACHABLE));
    assert!(is(&shop, READY, "False", "DatabaseUnreachable"));
    assert!(is(&shop, STALLED, "False", "DatabaseUnreachable"), "it heals by itself");
    assert_eq!(world.versions::<Deployment>().await, before, "what runs is left as it is");

    door.open();
    let shop = world.ready().await;
    assert!(is(&shop, DATABASE_REACHABLE, "True", "DatabaseReachable"));
    world.end().await;
}

/// Without a status of any kind it would be taken for done.
#[tokio::test]
async fn what_no_operator_has_looked_at_is_in_progress() {
    let world = World::unattended("unseen").await;
    world.shop(json!({})).await;
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    let answers = kstatus::answers(std::slice::from_ref(&shop));
    assert_eq!(answers[0].status, "InProgress", "{answers:?} of {:?}", shop.status);
    world.end().await;
}

#[test]
fn what_kstatus_takes_for_something_else_is_found() {
    let platform = |reason: &str, ready: &str, stalled: &str| -> FoodPlatform {
        let condition = |type_: &str, status: &str| {
            let time = "2026-01-01T00:00:00Z";
            json!({ "type": type_, "status": status, "reason": reason, "message": "so", "lastTransitionTime": time })
        };
        let mut platform = shop(json!({ "kafka": { "bootstrapServers": "kafka:9092" } }));
        platform["metadata"]["generation"] = json!(3);
        platform["status"] = json!({
            "observedGeneration": 3,
            "conditions": [condition("Ready", ready), condition("Reconciling", "False"), condition("Stalled", stalled)],
        });
        serde_json::from_value(platform).unwrap()
    };
    assert_eq!(
        kstatus::misunderstood(&[platform("Ready", "True", "False"), platform("NameConflict", "False", "True")]),
        [""; 0]
    );
    for wrong in [
        platform("NameConflict", "False", "False"),
        platform("Progressing", "False", "True"),
        platform("Progressing", "True", "False"),
    ] {
        assert_eq!(kstatus::misunderstood(&[wrong]).len(), 1);
    }
}
