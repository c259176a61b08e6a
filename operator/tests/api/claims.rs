//! The claims for log files.

use foodplatform_operator::api::{FoodPlatform, condition::READY};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PersistentVolumeClaim};
use kube::{ResourceExt as _, api::ListParams};
use serde_json::json;

use crate::world::{World, eventually, message};

#[tokio::test]
async fn a_claim_that_cannot_grow_is_told_and_stops_nothing() {
    let world = World::start("grow").await;
    world.shop(json!({ "logs": { "volume": { "size": "64Mi" } } })).await;
    world.ready().await;

    // No volume is bound to it, so that Kubernetes refuses.
    let spec = json!({ "logs": { "volume": { "size": "128Mi" } }, "services": { "cook": { "replicas": 2 } } });
    world.patch::<FoodPlatform>("shop", json!({ "spec": spec })).await;
    let shop = world.ready().await;
    let expected = "claim shop-order-logs keeps its 64Mi, since it can't grow to the 128Mi asked for";
    let told = message(&shop, READY);
    assert!(told.contains(expected), "{told}");
    assert_eq!(world.get::<Deployment>("shop-cook").await.unwrap().spec.unwrap().replicas, Some(2));
    world.end().await;
}

#[tokio::test]
async fn claims_that_may_go_are_removed_with_the_volume() {
    let world = World::start("claims").await;
    world.shop(json!({ "logs": { "volume": { "size": "64Mi", "retention": "Delete" } } })).await;
    world.ready().await;
    let claim = world.get::<PersistentVolumeClaim>("shop-cook-logs").await.unwrap();
    assert_eq!(claim.owner_references().len(), 1);

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "logs": { "volume": null } } })).await;
    eventually("the claims to be removed", || async {
        let claims = world.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap();
        claims.items.iter().all(|claim| claim.metadata.deletion_timestamp.is_some()).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_claim_of_another_time_keeps_its_class_and_its_modes() {
    let world = World::start("other-class").await;
    let volume = json!({ "size": "64Mi", "storageClassName": "efs", "accessModes": ["ReadWriteOnce"] });
    world.shop(json!({ "logs": { "volume": volume } })).await;
    world.ready().await;
    let claim = async || world.get::<PersistentVolumeClaim>("shop-order-logs").await.unwrap();
    let before = claim().await;

    // They may not change, and could not; but the claims outlive the wish for them.
    let with = async |volume: serde_json::Value| {
        world.patch::<FoodPlatform>("shop", json!({ "spec": { "logs": { "volume": volume } } })).await;
        world.ready().await
    };
    with(json!(null)).await;
    for (volume, told) in [
        (
            json!({ "storageClassName": "gp3", "size": "32Mi" }),
            r#"storage class "efs" and access modes ReadWriteOnce, since claims can't change to the "gp3" and ReadWriteMany"#,
        ),
        (
            json!({ "accessModes": ["ReadWriteOnce"] }),
            r#"storage class "efs", since claims can't change to the default"#,
        ),
    ] {
        let shop = with(volume).await;
        let expected = format!("claim shop-order-logs keeps its {told} asked for: to have that, remove logs.volume, ");
        assert!(message(&shop, READY).contains(&expected), "{}", message(&shop, READY));
        // There is nothing more to do.
        let at_rest = claim().await.resource_version();
        world
            .patch::<FoodPlatform>("shop", json!({ "metadata": { "annotations": { "look": told.len().to_string() } } }))
            .await;
        world.ready().await;
        assert_eq!(claim().await.resource_version(), at_rest);
        with(json!(null)).await;
    }
    let after = claim().await;
    assert_eq!(after.uid(), before.uid());
    let kept = |claim: PersistentVolumeClaim| claim.spec.map(|spec| (spec.storage_class_name, spec.access_modes));
    assert_eq!(kept(after), kept(before));

    let shop = with(json!({ "size": "64Mi", "storageClassName": "efs", "accessModes": ["ReadWriteOnce"] })).await;
    assert!(!message(&shop, READY).contains("keeps"), "{}", message(&shop, READY));
    world.end().await;
}
