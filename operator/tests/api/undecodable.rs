//! FoodPlatforms that this version of the operator can't read: another version wrote them, by another definition.

use foodplatform_operator::api::{FoodPlatform, condition::STALLED};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    interference::{Interference, Plan},
    world::{World, eventually, is, message, shop},
};

/// A tag, as the operator is told of it: a number, where it knows a text.
pub(crate) const UNREADABLE: Plan = Plan::Garble { from: "\"tag\":\"unreadable\"", to: "\"tag\":123456789012" };

pub(crate) async fn create(world: &World, name: &str, over: Value) {
    let mut object = shop(over);
    object["metadata"]["name"] = json!(name);
    world.create::<FoodPlatform>(object).await;
}

/// Waits until the platform `broken` is as `wanted`.
pub(crate) async fn broken_when(world: &World, what: &str, wanted: impl Fn(&FoodPlatform) -> bool) -> FoodPlatform {
    eventually(what, || async {
        let broken = world.get::<FoodPlatform>("broken").await?;
        let current = broken.status.as_ref().and_then(|s| s.observed_generation) == broken.metadata.generation;
        (current && wanted(&broken)).then_some(broken)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_can_not_be_read_says_so_and_harms_no_other() {
    let world = World::disturbed("unreadable", &Interference::new(UNREADABLE)).await;
    create(&world, "broken", json!({ "image": { "tag": "unreadable" } })).await;
    world.shop(json!({})).await;
    world.ready().await;
    let broken = broken_when(&world, "told so", |broken| is(broken, STALLED, "True", "InvalidSpec")).await;
    let told = message(&broken, STALLED);
    assert!(told.starts_with("the resource can't be read: ") && told.contains("123456789012"), "{told}");

    // One that is there already runs on.
    let tag = |tag: &str| json!({ "spec": { "image": { "tag": tag } } });
    world.patch::<FoodPlatform>("broken", tag("1.0.0")).await;
    broken_when(&world, "ready", |broken| is(broken, "Ready", "True", "Ready")).await;
    let before = world.get::<Deployment>("broken-cook").await.unwrap().resource_version();
    world.patch::<FoodPlatform>("broken", tag("unreadable")).await;
    broken_when(&world, "told so again", |broken| is(broken, STALLED, "True", "InvalidSpec")).await;
    world.patch::<FoodPlatform>("shop", tag("2.0.0")).await;
    world.ready().await;
    assert_eq!(world.get::<Deployment>("broken-cook").await.unwrap().resource_version(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_can_not_be_read_any_more_can_be_deleted() {
    let world = World::disturbed("farewell", &Interference::new(UNREADABLE)).await;
    create(&world, "broken", json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    let broken = broken_when(&world, "ready", |broken| is(broken, "Ready", "True", "Ready")).await;
    assert_eq!(broken.finalizers(), ["foodplatform.dev/topics"]);
    world.patch::<FoodPlatform>("broken", json!({ "spec": { "image": { "tag": "unreadable" } } })).await;
    world.delete::<FoodPlatform>("broken").await;
    eventually("it to be gone", || async { world.get::<FoodPlatform>("broken").await.is_none().then_some(()) }).await;
    world.event("TopicsLeft").await;
    world.end().await;
}
