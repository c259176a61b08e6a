//! How many pods: autoscalers and people beside the operator.

use std::pin::pin;

use foodplatform_operator::api::FoodPlatform;
use futures::StreamExt as _;
use k8s_openapi::{
    api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler},
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::world::{World, eventually};

/// The Deployment of order, as the operator, an autoscaler and people scale it.
struct Order<'a> {
    world: &'a World,
    /// The version since which it is looked at.
    since: String,
}

impl<'a> Order<'a> {
    async fn new(world: &'a World) -> Self {
        let since = Self::live(world).await.resource_version().unwrap();
        Self { world, since }
    }

    async fn live(world: &World) -> Deployment {
        world.get::<Deployment>("shop-order").await.unwrap()
    }

    /// Changes its settings, and waits until they are brought about and its autoscaler is there or not.
    async fn set(&self, settings: Value) {
        let is_automatic = settings["autoscaling"].is_object();
        self.world.patch::<FoodPlatform>("shop", json!({ "spec": { "services": { "order": settings } } })).await;
        eventually("the autoscaler to come or go", || async {
            let autoscaler = self.world.get::<HorizontalPodAutoscaler>("shop-order").await;
            (autoscaler.is_some() == is_automatic).then_some(())
        })
        .await;
        self.world.ready().await;
    }

    /// Scales it as an autoscaler and `kubectl scale` do.
    async fn scale(&self, replicas: i32) {
        let scale = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        self.world.api::<Deployment>().patch_scale("shop-order", &PatchParams::default(), &scale).await.unwrap();
        self.world.ready().await;
    }

    /// Each number of replicas that it has had since then, one after another: not one that it had for a moment is
    /// missing.
    async fn numbers(&mut self) -> Vec<i32> {
        let last = Self::live(self.world).await;
        let number = |order: &Deployment| order.spec.as_ref().unwrap().replicas.unwrap();
        let mut numbers = Vec::new();
        if last.resource_version().as_ref() == Some(&self.since) {
            return numbers;
        }
        let parameters = WatchParams::default().fields("metadata.name=shop-order");
        let api = self.world.api::<Deployment>();
        let mut events = pin!(api.watch(&parameters, &self.since).await.unwrap());
        while let Some(event) = events.next().await {
            let WatchEvent::Modified(order) = event.unwrap() else { continue };
            numbers.push(number(&order));
            if order.resource_version() == last.resource_version() {
                break;
            }
        }
        self.since = last.resource_version().unwrap();
        numbers.dedup();
        numbers
    }
}

#[tokio::test]
async fn the_number_of_pods_never_jumps_when_autoscaling_begins_or_ends() {
    let world = World::start("scale").await;
    world.shop(json!({ "services": { "order": { "replicas": 3 } } })).await;
    world.ready().await;
    let mut order = Order::new(&world).await;
    // Its fewest are so few that Kubernetes' own autoscaler, which has no metrics here, leaves the number alone.
    let automatic = json!({ "minReplicas": 1, "maxReplicas": 5 });
    order.set(json!({ "replicas": null, "autoscaling": automatic })).await;
    assert_eq!(order.numbers().await, [3]);
    let live = Order::live(&world).await;
    let managers: Vec<_> = live.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert!(managers.contains(&"foodplatform-operator-scale"), "{managers:?}");

    order.set(json!({ "autoscaling": null })).await;
    assert!(order.numbers().await.iter().all(|number| *number == 3), "the autoscaler had not begun yet");
    order.set(json!({ "autoscaling": automatic })).await;
    order.scale(4).await;
    order.set(json!({ "autoscaling": null })).await;
    order.scale(5).await;
    // Nothing else is a reason to touch it, either.
    order.set(json!({ "labels": { "new": "pods" } })).await;
    order.set(json!({ "autoscaling": automatic })).await;
    let numbers = order.numbers().await;
    assert_eq!(numbers.strip_prefix(&[3]).unwrap_or(&numbers), [4, 5]);

    // What the spec says it says at once, and takes back as soon.
    order.set(json!({ "autoscaling": null, "replicas": 2 })).await;
    let numbers = order.numbers().await;
    assert_eq!(numbers.strip_prefix(&[5]).unwrap_or(&numbers), [2]);
    order.set(json!({ "replicas": null })).await;
    let numbers = order.numbers().await;
    assert_eq!(numbers.strip_prefix(&[2]).unwrap_or(&numbers), [1]);
    world.end().await;
}

#[tokio::test]
async fn the_number_of_pods_is_whoever_s_scales_them() {
    /// So often somebody else sets the number.
    const WRITES: i64 = 12;
    let world = World::start("outside").await;
    // Its minimum is below what is set, so that Kubernetes' own autoscaler, which has no metrics here, leaves it alone.
    world.shop(json!({ "services": { "order": { "autoscaling": { "minReplicas": 1, "maxReplicas": 9 } } } })).await;
    world.ready().await;
    let order = || async { world.get::<Deployment>("shop-order").await.unwrap() };
    let before = order().await;
    let ours = |deployment: &Deployment| {
        let entries = deployment.managed_fields().iter();
        let ours = |entry: &&ManagedFieldsEntry| {
            entry.subresource.is_none() && entry.manager.as_deref() == Some("foodplatform-operator")
        };
        entries.filter(ours).cloned().collect::<Vec<_>>()
    };
    assert_eq!(ours(&before).len(), 1);
    for write in 0..WRITES {
        let replicas = 2 + write % 3;
        let scale = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        world.api::<Deployment>().patch_scale("shop-order", &PatchParams::default(), &scale).await.unwrap();
        // A change of the platform is no reason to touch it, either.
        let cook = json!({ "spec": { "services": { "cook": { "labels": { "write": write.to_string() } } } } });
        world.patch::<FoodPlatform>("shop", cook).await;
        world.ready().await;
        let after = order().await;
        assert_eq!(after.spec.as_ref().unwrap().replicas.map(i64::from), Some(replicas));
        assert_eq!(
            after.metadata.generation.unwrap(),
            before.metadata.generation.unwrap() + write + 1,
            "all are theirs"
        );
    }
    assert_eq!(ours(&order().await), ours(&before), "nothing was applied");
    world.end().await;
}

#[tokio::test]
async fn autoscaling_does_not_stay_without_replicas() {
    let world = World::start("zero").await;
    world.shop(json!({ "services": { "order": { "replicas": 0 } } })).await;
    world.ready().await;
    let replicas = || async { world.get::<Deployment>("shop-order").await.unwrap().spec.unwrap().replicas };
    assert_eq!(replicas().await, Some(0));

    let autoscaling = json!({ "minReplicas": 2, "maxReplicas": 5 });
    let order = json!({ "replicas": null, "autoscaling": autoscaling });
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "services": { "order": order } } })).await;
    world.ready().await;
    assert_eq!(replicas().await, Some(2));

    world.patch::<Deployment>("shop-order", json!({ "spec": { "replicas": 0 } })).await;
    eventually("the fewest replicas", || async { (replicas().await == Some(2)).then_some(()) }).await;
    world.ready().await;
    world.end().await;
}
