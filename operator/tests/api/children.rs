//! What is made, kept, and removed.

use foodplatform_operator::api::{FoodPlatform, FoodService};
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount},
    events::v1::Event,
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{ResourceExt as _, api::ListParams};
use serde_json::json;

use crate::{
    kubelet::NODE,
    world::{World, eventually},
};

#[tokio::test]
async fn a_platform_gets_all_its_children_and_becomes_ready() {
    let world = World::start("children").await;
    world
        .shop(json!({
            "logs": { "volume": { "size": "64Mi" } },
            "services": { "order": { "autoscaling": { "maxReplicas": 3 } }, "cook": { "replicas": 2 } },
        }))
        .await;
    let shop = world.ready().await;

    let uid = shop.uid();
    for service in FoodService::ALL {
        let name = format!("shop-{service}");
        let deployment = world.get::<Deployment>(&name).await.unwrap();
        let owner = &deployment.owner_references()[0];
        assert_eq!(Some(&owner.uid), uid.as_ref());
        assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
        assert!(world.get::<Service>(&name).await.is_some(), "{name}");
        assert!(world.get::<ConfigMap>(&name).await.is_some(), "{name}");
        assert!(world.get::<ServiceAccount>(&name).await.is_some(), "{name}");
        assert!(world.get::<PodDisruptionBudget>(&name).await.is_some(), "{name}");
        let claim = world.get::<PersistentVolumeClaim>(&format!("{name}-logs")).await.unwrap();
        assert!(claim.owner_references().is_empty(), "a retained claim has no owner");
    }
    assert!(world.get::<HorizontalPodAutoscaler>("shop-order").await.is_some());
    assert!(world.get::<HorizontalPodAutoscaler>("shop-cook").await.is_none());
    assert_eq!(world.api::<Job>().list(&ListParams::default()).await.unwrap().items.len(), 4);

    let status = shop.status.unwrap();
    assert_eq!(status.services_ready.as_deref(), Some("5/5"));
    assert_eq!(status.services.iter().map(|s| s.ready).sum::<i32>(), 6);
    assert_eq!(status.topics.len(), 8);
    assert_eq!(status.volumes.len(), 5);
    assert!(status.endpoint.unwrap().starts_with(&format!("http://{NODE}:")));
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let of_shop = |reason: &str| {
        events.iter().any(|e| {
            e.reason.as_deref() == Some(reason) && e.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some("shop")
        })
    };
    assert!(of_shop("Created") && of_shop("Ready"));
    world.end().await;
}

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let world = World::start("rest").await;
    let egress =
        json!([{ "cidr": "10.0.0.0/8", "ports": [9092] }, { "namespaceLabels": {}, "podLabels": { "a": "b" } }]);
    world
        .shop(json!({
            "logs": { "volume": { "size": "64Mi" } },
            "networkPolicy": { "egress": egress, "metricsFrom": [{ "podLabels": {} }] },
            "services": { "order": { "autoscaling": { "maxReplicas": 3 } } },
        }))
        .await;
    world.ready().await;
    // The autoscaler has found its Deployment, and the last event is written.
    world
        .shop_when("settled", |shop| {
            let autoscaling = |s: &foodplatform_operator::api::ServiceStatus| s.autoscaling.as_ref().map(|a| a.current);
            shop.status.as_ref().unwrap().services.iter().filter_map(autoscaling).all(|current| current == 1)
        })
        .await;
    world.event("Ready").await;

    // An annotation that means nothing makes the operator look at everything once more.
    let annotated: FoodPlatform =
        world.patch("shop", json!({ "metadata": { "annotations": { "test": "look" } } })).await;
    let before = snapshot(&world).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(snapshot(&world).await, before);
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    assert_eq!(shop.resource_version(), annotated.resource_version());
    world.end().await;
}

async fn snapshot(world: &World) -> Vec<(String, String)> {
    let mut versions = world.versions::<ConfigMap>().await;
    versions.extend(world.versions::<ServiceAccount>().await);
    versions.extend(world.versions::<Service>().await);
    versions.extend(world.versions::<PersistentVolumeClaim>().await);
    versions.extend(world.versions::<PodDisruptionBudget>().await);
    versions.extend(world.versions::<NetworkPolicy>().await);
    versions.extend(world.versions::<Job>().await);
    versions.extend(world.versions::<Deployment>().await);
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let ours = events.iter().filter(|e| e.reporting_controller.as_deref() == Some("foodplatform-operator"));
    versions.extend(ours.map(|event| (event.name_any(), event.resource_version().unwrap())));
    versions
}

#[tokio::test]
async fn drift_is_undone_and_what_others_add_stays() {
    let world = World::start("drift").await;
    world.shop(json!({})).await;
    world.ready().await;

    world
        .patch::<Deployment>(
            "shop-cook",
            json!({
                "metadata": { "labels": { "theirs": "stays" } },
                "spec": { "template": { "spec": { "containers": [{ "name": "cook", "image": "evil/cook:1" }] } } },
            }),
        )
        .await;
    let image = |deployment: &Deployment| {
        deployment.spec.clone().unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
    };
    let restored = eventually("the image to be restored", || async {
        let deployment = world.get::<Deployment>("shop-cook").await.unwrap();
        (image(&deployment) == "registry.test/food/cook:1.0.0").then_some(deployment)
    })
    .await;
    assert_eq!(restored.labels()["theirs"], "stays");

    world.patch::<ConfigMap>("shop-cook", json!({ "data": { "COOKING_TIME": "9h" } })).await;
    eventually("the setting to be restored", || async {
        let data = world.get::<ConfigMap>("shop-cook").await.unwrap().data.unwrap();
        (data["COOKING_TIME"] != "9h").then_some(())
    })
    .await;

    let old = world.get::<Service>("shop-order").await.unwrap().uid();
    world.delete::<Service>("shop-order").await;
    eventually("the Service to be made again", || async {
        let service = world.get::<Service>("shop-order").await?;
        (service.uid() != old).then_some(())
    })
    .await;

    // Without its labels an object is out of the operator's sight; it finds it again by its name and owner.
    world.patch::<Service>("shop-cook", json!({ "metadata": { "labels": null } })).await;
    eventually("the labels to be restored", || async {
        let service = world.get::<Service>("shop-cook").await.unwrap();
        service.labels().contains_key("app.kubernetes.io/managed-by").then_some(())
    })
    .await;

    // What is made once and never changed has its labels all the same.
    let migrations = ListParams::default().labels("app.kubernetes.io/name=cook");
    let job = world.api::<Job>().list(&migrations).await.unwrap().items.remove(0);
    let part_of = |job: &Job| job.labels().get("app.kubernetes.io/part-of").cloned();
    let other = json!({ "metadata": { "labels": { "app.kubernetes.io/part-of": "somebody" } } });
    assert_ne!(part_of(&world.patch::<Job>(&job.name_any(), other).await), part_of(&job));
    eventually("the Job's label to be restored", || async {
        (part_of(&world.get::<Job>(&job.name_any()).await.unwrap()) == part_of(&job)).then_some(())
    })
    .await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_new_image_is_migrated_before_it_runs() {
    let world = World::start("migrate").await;
    world.shop(json!({})).await;
    world.ready().await;
    let old = world.versions::<Job>().await;

    world.pods(crate::kubelet::Fate::Nothing);
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "image": { "tag": "2.0.0" } } })).await;
    eventually("the new migrations to take the old ones' place", || async {
        let jobs = world.versions::<Job>().await;
        (jobs.len() == 4 && jobs.iter().all(|(name, _)| old.iter().all(|(old, _)| old != name))).then_some(())
    })
    .await;
    let images = || async {
        let deployment = world.get::<Deployment>("shop-order").await.unwrap();
        deployment.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
    };
    assert_eq!(images().await, "registry.test/food/order:1.0.0", "the old version runs on");

    world.pods(crate::kubelet::Fate::Work);
    world.ready().await;
    assert_eq!(images().await, "registry.test/food/order:2.0.0");
    world.end().await;
}
