//! Being deleted, and coming back.

use foodplatform_operator::api::{FoodPlatform, condition};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, Service},
};
use kube::{ResourceExt as _, api::ListParams};
use serde_json::json;

use crate::world::{World, eventually, is};

/// How many ConfigMaps there are that go with the platform; the record of its topics stays as these do.
async fn config_maps(world: &World) -> usize {
    let ours = ListParams::default().labels("app.kubernetes.io/part-of=shop");
    let of_services = world.api::<ConfigMap>().list(&ours).await.unwrap();
    of_services.iter().filter(|config_map| config_map.name_any() != "shop-topics").count()
}

#[tokio::test]
async fn children_go_with_the_platform_and_retained_claims_come_back() {
    let world = World::start("delete").await;
    let volume = json!({ "logs": { "volume": { "size": "64Mi" } } });
    world.shop(volume.clone()).await;
    world.ready().await;
    let claim = world.get::<PersistentVolumeClaim>("shop-order-logs").await.unwrap().uid();

    world.delete::<FoodPlatform>("shop").await;
    eventually("every child to be gone", || async {
        let ours = ListParams::default().labels("app.kubernetes.io/part-of=shop");
        let count = world.api::<Deployment>().list(&ours).await.unwrap().items.len()
            + world.api::<Service>().list(&ours).await.unwrap().items.len()
            + config_maps(&world).await
            + world.api::<Job>().list(&ours).await.unwrap().items.len();
        (count == 0).then_some(())
    })
    .await;
    let kept = world.get::<PersistentVolumeClaim>("shop-order-logs").await.unwrap();
    assert_eq!(kept.uid(), claim);
    assert!(kept.metadata.deletion_timestamp.is_none());

    world.shop(volume).await;
    world.ready().await;
    let adopted = world.get::<PersistentVolumeClaim>("shop-order-logs").await.unwrap();
    assert_eq!(adopted.uid(), claim);
    world.end().await;
}

#[tokio::test]
async fn a_platform_that_is_recreated_at_once_takes_nothing_of_the_former() {
    let world = World::start("recreate").await;
    world.shop(json!({})).await;
    world.ready().await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    world.shop(json!({})).await;
    let shop = world.ready().await;
    eventually("all children to be the new platform's", || async {
        let deployments = world.api::<Deployment>().list(&ListParams::default()).await.unwrap();
        let ours = |d: &Deployment| d.owner_references().iter().all(|owner| Some(&owner.uid) == shop.uid().as_ref());
        (deployments.items.len() == 5 && deployments.iter().all(ours)).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_paused_platform_is_left_alone_and_goes_on_afterwards() {
    let world = World::start("paused").await;
    world.shop(json!({})).await;
    world.ready().await;
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "paused": true } })).await;
    world.shop_when("paused", |shop| is(shop, condition::PAUSED, "True", "Paused")).await;

    // Neither a change of the spec nor one of a child, nor what is missing, moves it.
    world.delete::<ConfigMap>("shop-cook").await;
    world.patch::<Deployment>("shop-order", json!({ "spec": { "replicas": 3 } })).await;
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "services": { "order": { "replicas": 2 } } } })).await;
    eventually("the status to be of the last spec", || async {
        let shop = world.get::<FoodPlatform>("shop").await.unwrap();
        let observed = shop.status.as_ref().and_then(|status| status.observed_generation);
        (observed == shop.metadata.generation).then_some(())
    })
    .await;
    assert!(world.get::<ConfigMap>("shop-cook").await.is_none());
    let replicas = |order: Deployment| order.spec.unwrap().replicas;
    assert_eq!(replicas(world.get("shop-order").await.unwrap()), Some(3));

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "paused": null } })).await;
    world.shop_when("going on", |shop| is(shop, condition::PAUSED, "False", "NotPaused")).await;
    world.ready().await;
    assert!(world.get::<ConfigMap>("shop-cook").await.is_some());
    assert_eq!(replicas(world.get("shop-order").await.unwrap()), Some(2));
    world.end().await;
}

#[tokio::test]
async fn a_paused_platform_can_be_deleted() {
    let world = World::start("paused-delete").await;
    world.shop(json!({})).await;
    world.ready().await;
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "paused": true } })).await;
    world.shop_when("paused", |shop| is(shop, condition::PAUSED, "True", "Paused")).await;
    world.delete::<FoodPlatform>("shop").await;
    eventually("every child to be gone", || async {
        let ours = ListParams::default().labels("app.kubernetes.io/part-of=shop");
        let left = world.api::<Deployment>().list(&ours).await.unwrap().items.len();
        (left == 0 && world.get::<FoodPlatform>("shop").await.is_none()).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn nothing_is_applied_any_more_to_a_platform_that_is_being_deleted() {
    let world = World::start("going").await;
    world.shop(json!({})).await;
    world.ready().await;
    world.patch::<FoodPlatform>("shop", json!({ "metadata": { "finalizers": ["test/holds-it"] } })).await;
    world.delete::<FoodPlatform>("shop").await;

    // The change to a child reaches the operator after the deletion does.
    world.delete::<ConfigMap>("shop-cook").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(world.get::<ConfigMap>("shop-cook").await.is_none());

    world.patch::<FoodPlatform>("shop", json!({ "metadata": { "finalizers": null } })).await;
    world.end().await;
}
