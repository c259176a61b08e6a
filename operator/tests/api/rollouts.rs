//! New versions, good and bad ones.

use std::fmt::Debug;

use foodplatform_operator::api::{
    FoodPlatform, ServiceStatus,
    condition::{READY, STALLED},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{ConfigMap, Pod},
    },
};
use kube::{Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    world::{World, eventually, is, message},
};

fn tag(tag: &str) -> Value {
    json!({ "spec": { "image": { "tag": tag } } })
}

fn order(shop: &FoodPlatform) -> ServiceStatus {
    let services = shop.status.as_ref().map(|status| status.services.as_slice()).unwrap_or_default();
    services.iter().find(|service| service.name.as_str() == "order").cloned().unwrap()
}

async fn images(world: &World) -> Vec<String> {
    let deployments = world.api::<Deployment>().list(&ListParams::default()).await.unwrap();
    let image = |deployment: &Deployment| {
        deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
    };
    deployments.iter().map(image).collect()
}

async fn generations(world: &World) -> Vec<Option<i64>> {
    let deployments = world.api::<Deployment>().list(&ListParams::default()).await.unwrap();
    deployments.iter().map(|deployment| deployment.metadata.generation).collect()
}

async fn names<K>(world: &World, labels: &str) -> Vec<String>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let list = world.api::<K>().list(&ListParams::default().labels(labels)).await.unwrap();
    list.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test]
async fn a_stuck_rollout_says_why_and_a_corrected_tag_wins() {
    let world = World::start("stuck").await;
    world.shop(json!({})).await;
    world.ready().await;
    let serving = names::<Pod>(&world, "foodplatform.dev/role=serve").await;

    world.pods(Fate::NoImage(":2.0.0"));
    world.patch::<FoodPlatform>("shop", tag("2.0.0")).await;
    // Those that migrate are not even begun; the gateway's new pod waits beside the old one.
    let shop = world
        .shop_when("stalled everywhere", |shop| {
            is(shop, STALLED, "True", "ImagePullBackOff")
                && ["order", "gateway"]
                    .iter()
                    .all(|s| message(shop, STALLED).contains(&format!("registry.test/food/{s}:2.0.0")))
        })
        .await;
    assert_eq!(order(&shop).image, "registry.test/food/order:1.0.0");
    assert_eq!(order(&shop).last_ready_image.as_deref(), Some("registry.test/food/order:1.0.0"));
    let left = names::<Pod>(&world, "foodplatform.dev/role=serve").await;
    assert!(serving.iter().all(|pod| left.contains(pod)), "{serving:?} {left:?}");

    world.patch::<FoodPlatform>("shop", tag("3.0.0")).await;
    let shop = world.ready().await;
    assert!(is(&shop, STALLED, "False", "Ready"));
    assert_eq!(order(&shop).last_ready_image.as_deref(), Some("registry.test/food/order:3.0.0"));
    assert!(images(&world).await.iter().all(|image| image.ends_with(":3.0.0")));
    let jobs = names::<Job>(&world, "app.kubernetes.io/part-of=shop").await;
    assert_eq!(jobs.len(), 4, "those of other versions are gone: {jobs:?}");
    world.end().await;
}

#[tokio::test]
async fn a_failed_rollout_goes_back_to_what_was_ready_and_a_corrected_tag_wins() {
    let world = World::start("rollback").await;
    let rollout = json!({ "rollout": { "progressDeadline": "3s", "onFailure": "Rollback" } });
    world.shop(rollout).await;
    world.ready().await;

    world.pods(Fate::Crash(":2.0.0", r#"{"level":"ERROR","fields":{"message":"ends","error":"no such table"}}"#));
    world.patch::<FoodPlatform>("shop", tag("2.0.0")).await;
    let back = |shop: &FoodPlatform| {
        let services = &shop.status.as_ref().unwrap().services;
        services.iter().all(|s| s.image.ends_with(":1.0.0") && s.failed_rollout.is_some() && s.ready == 1)
    };
    let shop = world.shop_when("rolled back", |shop| is(shop, STALLED, "True", "RolledBack") && back(shop)).await;
    let failed = order(&shop).failed_rollout.unwrap();
    assert_eq!(failed.image, "registry.test/food/order:2.0.0");
    assert!(failed.message.ends_with("ends again and again: no such table"), "{}", failed.message);
    let said =
        "order: registry.test/food/order:1.0.0 runs again, since registry.test/food/order:2.0.0 did not become ready";
    assert!(message(&shop, STALLED).contains(said), "{}", message(&shop, STALLED));
    assert!(is(&shop, READY, "False", "RolledBack"));
    assert!(images(&world).await.iter().all(|image| image.ends_with(":1.0.0")));

    // It stays so: the image that failed is not tried again by itself.
    let before = generations(&world).await;
    world.delete::<ConfigMap>("shop-cook").await;
    eventually("a reconciliation", || world.get::<ConfigMap>("shop-cook")).await;
    assert_eq!(generations(&world).await, before);

    world.patch::<FoodPlatform>("shop", tag("3.0.0")).await;
    let shop = world.ready().await;
    assert_eq!(order(&shop).failed_rollout, None);
    assert!(images(&world).await.iter().all(|image| image.ends_with(":3.0.0")));

    // What holds is tried until somebody corrects it.
    world.pods(Fate::Crash(":4.0.0", "no"));
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "rollout": { "onFailure": null } } })).await;
    world.patch::<FoodPlatform>("shop", tag("4.0.0")).await;
    world.shop_when("stalled", |shop| is(shop, STALLED, "True", "CrashLoopBackOff")).await;
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "rollout": { "onFailure": "Rollback" } } })).await;
    world.shop_when("rolled back", |shop| is(shop, STALLED, "True", "RolledBack") && order(shop).ready == 1).await;
    world.patch::<FoodPlatform>("shop", tag("3.0.0")).await;
    world.ready().await;
    world.end().await;
}
