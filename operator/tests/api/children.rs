//! What is made, kept, and removed.

use std::collections::HashMap;

use foodplatform_operator::{
    api::{FoodPlatform, FoodService},
    build::{self, labels},
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount},
        events::v1::Event,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

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
async fn each_event_tells_what_has_happened() {
    let world = World::start("told").await;
    world.shop(json!({})).await;
    world.ready().await;
    let order = json!({ "config": { "connectTimeout": "2s" } });
    let annotated = json!({ "annotations": { "example.com/note": "a" } });
    for (over, child) in [
        (json!({ "services": { "order": order } }), "ConfigMap shop-order"),
        (json!({ "gateway": annotated }), "Service shop-gateway"),
    ] {
        world.patch::<FoodPlatform>("shop", json!({ "spec": over })).await;
        eventually(child, || async {
            let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
            let mut updated = events.iter().filter(|event| event.reason.as_deref() == Some("Updated"));
            updated.any(|event| event.note.as_ref().is_some_and(|note| note.contains(child))).then_some(())
        })
        .await;
    }
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

    // What Argo CD and the like leave on objects makes the operator look at everything once more.
    let before = applied(&world).await;
    for (kind, name) in before.keys() {
        let mark = marked_by_argo_cd(&world, kind, name, "argocd.argoproj.io/instance");
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(mark)).await.unwrap();
    }
    // An annotation makes another generation of a Deployment, which its controller has to see before it is ready again.
    let version = || async { world.ready().await.resource_version() };
    eventually("the status to stay", || async {
        let last = version().await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        (version().await == last).then_some(())
    })
    .await;
    // An autoscaler is at work.
    let scaled = json!({ "status": { "lastScaleTime": "2026-01-01T00:00:00Z" } });
    let autoscalers = world.api::<HorizontalPodAutoscaler>();
    autoscalers.patch_status("shop-order", &PatchParams::default(), &Patch::Merge(scaled)).await.unwrap();
    let kind = ApiResource::erase::<FoodPlatform>(&());
    let marked: FoodPlatform = world.patch("shop", marked_by_argo_cd(&world, &kind, "shop", labels::INSTANCE)).await;
    let told = events(&world).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(applied(&world).await, before);
    assert_eq!(events(&world).await, told);
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    assert_eq!(shop.resource_version(), marked.resource_version());
    world.end().await;
}

/// What Argo CD does to an object, where it knows its own by annotation and by this label. On children the label of the
/// platform's name is the operator's.
fn marked_by_argo_cd(world: &World, kind: &ApiResource, name: &str, label: &str) -> Value {
    let id = format!("food:{}/{}:{}/{name}", kind.group, kind.kind, world.namespace);
    let annotations = json!({ "argocd.argoproj.io/tracking-id": id, "argocd.argoproj.io/sync-wave": "1" });
    json!({ "metadata": { "labels": { label: "food" }, "annotations": annotations } })
}

/// What the operator has written of each child, and when.
async fn applied(world: &World) -> HashMap<(ApiResource, String), Vec<ManagedFieldsEntry>> {
    let ours = ListParams::default().labels(&labels::platform_selector("shop"));
    let mut applied = HashMap::new();
    for kind in build::kinds().into_iter().chain([ApiResource::erase::<Secret>(&())]) {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
        let children = api.list(&ours).await.unwrap();
        assert!(kind.kind == "Ingress" || !children.items.is_empty(), "no {}", kind.kind);
        for child in children {
            let entries = child.managed_fields().iter();
            let is_ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some("foodplatform-operator");
            applied.insert((kind.clone(), child.name_any()), entries.filter(is_ours).cloned().collect());
        }
    }
    applied
}

/// Versions of the operator's events.
async fn events(world: &World) -> Vec<(String, Option<String>)> {
    let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
    let ours = events.iter().filter(|e| e.reporting_controller.as_deref() == Some("foodplatform-operator"));
    ours.map(|event| (event.name_any(), event.resource_version())).collect()
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
    assert_ne!(part_of(&world.patch::<Job>(&job.name_any(), other.clone()).await), part_of(&job));
    eventually("the Job's label to be restored", || async {
        (part_of(&world.get::<Job>(&job.name_any()).await.unwrap()) == part_of(&job)).then_some(())
    })
    .await;

    // So has what is recorded of the topics, which isn't built from the spec.
    let recorded = world.get::<ConfigMap>("shop-topics").await.unwrap();
    world.patch::<ConfigMap>("shop-topics", other).await;
    eventually("the record's label to be restored", || async {
        let now = world.get::<ConfigMap>("shop-topics").await.unwrap();
        (now.labels() == recorded.labels() && now.data == recorded.data).then_some(())
    })
    .await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_field_that_goes_out_of_an_item_goes_out_of_the_children() {
    let world = World::start("items").await;
    let spec = |toleration: Value| json!({ "services": { "order": { "tolerations": [toleration] } } });
    let mut toleration = json!({ "key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 });
    world.shop(spec(toleration.clone())).await;
    world.ready().await;
    let seconds = || async {
        let pod = world.get::<Deployment>("shop-order").await.unwrap().spec.unwrap().template.spec.unwrap();
        pod.tolerations.unwrap()[0].toleration_seconds
    };
    assert_eq!(seconds().await, Some(60));
    toleration.as_object_mut().unwrap().remove("tolerationSeconds");
    world.patch::<FoodPlatform>("shop", json!({ "spec": spec(toleration) })).await;
    world.ready().await;
    assert_eq!(seconds().await, None);
    world.end().await;
}

#[tokio::test]
async fn values_that_are_empty_or_false_are_values() {
    let world = World::start("empty").await;
    world.shop(json!({ "services": { "order": { "nodeSelector": { "disktype": "ssd" } } } })).await;
    world.ready().await;
    let selector = json!({ "disktype": null, "node-role.kubernetes.io/worker": "" });
    let (labels, annotations) = (json!({ "example.com/label": "" }), json!({ "example.com/note": "" }));
    let order = json!({ "nodeSelector": selector, "labels": labels, "annotations": annotations });
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "services": { "order": order } } })).await;
    world.ready().await;
    let template = || async { world.get::<Deployment>("shop-order").await.unwrap().spec.unwrap().template };
    let made = template().await;
    assert_eq!(json!(made.spec.as_ref().unwrap().node_selector), json!({ "node-role.kubernetes.io/worker": "" }));
    let metadata = made.metadata.as_ref().unwrap();
    assert_eq!(metadata.labels.as_ref().unwrap()["example.com/label"], "");
    assert_eq!(metadata.annotations.as_ref().unwrap()["example.com/note"], "");

    let without = json!({
        "metadata": { "labels": { "example.com/label": null }, "annotations": { "example.com/note": null } },
        "spec": { "nodeSelector": null },
    });
    let patched: Deployment = world.patch("shop-order", json!({ "spec": { "template": without } })).await;
    assert_ne!(patched.spec.unwrap().template, made);
    eventually("them to be restored", || async { (template().await == made).then_some(()) }).await;

    let mounted = json!({ "automountServiceAccountToken": null });
    let patched: ServiceAccount = world.patch("shop-order", mounted).await;
    assert_eq!(patched.automount_service_account_token, None);
    eventually("the token to be unmounted again", || async {
        let account = world.get::<ServiceAccount>("shop-order").await.unwrap();
        (account.automount_service_account_token == Some(false)).then_some(())
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
