//! A Kafka at which everybody has to prove who they are: TLS, both ways, and SCRAM.

use std::{env, fs, path::PathBuf};

use foodplatform_operator::api::{
    FoodPlatform,
    condition::{READY, STALLED, TOPICS_READY},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    kafka::Kafka,
    world::{World, eventually, is, message},
};

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is about the tests' Kafka: run them by cargo xtask test"))
}

fn certificate(name: &str) -> String {
    fs::read_to_string(PathBuf::from(variable("TEST_KAFKA_CERTIFICATES")).join(name)).unwrap()
}

/// Makes a Secret, or changes it.
async fn secret(world: &World, name: &str, data: Value) {
    let patch = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    world.api::<Secret>().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(patch)).await.unwrap();
}

fn spec() -> Value {
    json!({ "kafka": {
        "bootstrapServers": variable("TEST_KAFKA_SECURE"),
        "tls": { "caSecretRef": { "name": "kafka-ca" }, "clientSecretRef": { "name": "kafka-client" } },
        "sasl": { "mechanism": "SCRAM-SHA-512", "secretRef": { "name": "kafka-user" } },
        "deletionPolicy": "Delete",
    } })
}

fn user(password: &str) -> Value {
    json!({ "username": variable("TEST_KAFKA_USERNAME"), "password": password })
}

async fn secrets(world: &World) {
    secret(world, "kafka-ca", json!({ "ca.crt": certificate("ca.crt") })).await;
    let client = json!({ "tls.crt": certificate("client.crt"), "tls.key": certificate("client.key") });
    secret(world, "kafka-client", client).await;
    secret(world, "kafka-user", user(&variable("TEST_KAFKA_PASSWORD"))).await;
}

/// A certificate that vouches for nobody here, and its key.
fn stranger() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn checksum(world: &World, deployment: &str) -> Option<String> {
    let template = world.get::<Deployment>(deployment).await?.spec?.template.metadata?;
    template.annotations?.get("foodplatform.dev/kafka-checksum").cloned()
}

#[tokio::test]
async fn topics_are_made_and_deleted_where_kafka_asks_who_is_there() {
    let world = World::start("secure").await;
    world.shop(spec()).await;
    let shop = world.shop_when("waiting", |shop| is(shop, STALLED, "True", "SecretNotFound")).await;
    let told = format!("Secret {}/kafka-ca is not there: create it with key ca.crt", world.namespace);
    assert!(message(&shop, STALLED).contains(&told), "{}", message(&shop, STALLED));
    assert!(world.get::<Deployment>("shop-order").await.is_none(), "its pods could not start");
    secrets(&world).await;
    world.ready().await;

    let prefix = format!("{}.shop.", world.namespace);
    assert_eq!(Kafka::connect().topics(&prefix).len(), 8);
    // Pods read what they show to Kafka once: they are replaced when it changes.
    let before = checksum(&world, "shop-gateway").await.unwrap();
    let twice = certificate("ca.crt").repeat(2);
    secret(&world, "kafka-ca", json!({ "ca.crt": twice })).await;
    eventually("another checksum", || async {
        (checksum(&world, "shop-gateway").await.unwrap() != before).then_some(())
    })
    .await;
    world.ready().await;

    // Together with what it shows to Kafka, and that first.
    world.delete::<Secret>("kafka-user").await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!(Kafka::connect().topics(&prefix), []);
    world.end().await;
}

#[tokio::test]
async fn why_kafka_lets_nobody_in_is_told() {
    let world = World::start("strangers").await;
    secrets(&world).await;
    world.shop(spec()).await;
    world.ready().await;
    let kafka = variable("TEST_KAFKA_SECURE");
    let refused = |shop: &FoodPlatform| is(shop, TOPICS_READY, "False", "KafkaUnreachable");

    secret(&world, "kafka-user", user("a wrong one")).await;
    let shop = world.shop_when("without the password", refused).await;
    let told = format!("Kafka at {kafka} doesn't take the user: SASL authentication error: Authentication failed");
    assert!(message(&shop, TOPICS_READY).starts_with(&told), "{}", message(&shop, TOPICS_READY));
    assert!(!format!("{shop:?}").contains("a wrong one"));

    secrets(&world).await;
    world.ready().await;
    let (certificate, key) = stranger();
    secret(&world, "kafka-ca", json!({ "ca.crt": certificate })).await;
    let shop = world.shop_when("without trust", refused).await;
    let told = format!("Kafka at {kafka} and the operator don't agree on TLS: SSL handshake failed");
    assert!(message(&shop, TOPICS_READY).starts_with(&told), "{}", message(&shop, TOPICS_READY));

    secrets(&world).await;
    world.ready().await;
    // The brokers ask for a certificate, too.
    secret(&world, "kafka-client", json!({ "tls.crt": certificate, "tls.key": key })).await;
    let shop = world.shop_when("a stranger", refused).await;
    assert!(message(&shop, TOPICS_READY).contains("check kafka.tls"), "{}", message(&shop, TOPICS_READY));

    secret(&world, "kafka-ca", json!({ "ca.crt": "rubbish" })).await;
    let told = "what kafka.tls and kafka.sasl refer to can't be used: ";
    world.shop_when("rubbish", |shop| message(shop, TOPICS_READY).starts_with(told)).await;
    secrets(&world).await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_platform_whose_way_to_kafka_is_gone_is_let_go_after_a_while() {
    let world = World::start("forgotten").await;
    secrets(&world).await;
    let mut spec = spec();
    // Kafka's no takes a while.
    spec["deletionTimeout"] = json!("25s");
    world.shop(spec).await;
    world.ready().await;
    // What it showed last is of no use, and then it has nothing to show.
    secret(&world, "kafka-user", user("a wrong one")).await;
    world.shop_when("without the password", |shop| is(shop, TOPICS_READY, "False", "KafkaUnreachable")).await;
    world.delete::<Secret>("kafka-user").await;
    world.delete::<FoodPlatform>("shop").await;
    let kafka = variable("TEST_KAFKA_SECURE");
    let told = format!("the topics can't be deleted: Kafka at {kafka} doesn't take the user");
    let shop = world.shop_when("being deleted", |shop| message(shop, READY).contains(&told)).await;
    assert!(is(&shop, READY, "False", "Deleting"));
    world.gone().await;
    world.event("TopicsLeft").await;
    world.end().await;
}
