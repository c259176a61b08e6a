//! The ways in which Kubernetes deletes: children after their owner, before it, or not at all.

use std::time::{Duration, Instant};

use foodplatform_operator::api::{FoodPlatform, condition::READY};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    installation::Installation,
    interference::{Interference, Plan},
    kafka::Kafka,
    world::{World, eventually, is, message},
};

async fn delete(world: &World, parameters: DeleteParams) {
    world.api::<FoodPlatform>().delete("shop", &parameters).await.unwrap();
    world.gone().await;
}

async fn count<K>(world: &World) -> usize
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    world.api::<K>().list(&ListParams::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn in_the_foreground_all_children_are_gone_first_and_nothing_hangs() {
    for policy in ["Retain", "Delete"] {
        let world = World::start("foreground").await;
        let spec = json!({ "kafka": { "deletionPolicy": policy }, "logs": { "volume": { "size": "64Mi" } } });
        world.shop(spec).await;
        world.ready().await;
        delete(&world, DeleteParams::foreground()).await;
        assert_eq!((count::<Deployment>(&world).await, count::<Pod>(&world).await), (0, 0), "{policy}");
        assert_eq!(count::<PersistentVolumeClaim>(&world).await, 5, "{policy}: retained claims stay");
        let topics = Kafka::connect().topics(&format!("{}.shop.", world.namespace)).len();
        assert_eq!(topics, if policy == "Delete" { 0 } else { 8 }, "{policy}");
        world.end().await;
    }
}

#[tokio::test]
async fn orphans_run_on_with_their_topics_and_are_taken_up_again() {
    let world = World::start("orphans").await;
    let spec = json!({ "kafka": { "deletionPolicy": "Delete" } });
    world.shop(spec.clone()).await;
    world.ready().await;
    let uids = async || -> Vec<_> {
        let all = world.api::<Deployment>().list(&ListParams::default()).await.unwrap();
        all.iter().map(|deployment| (deployment.name_any(), deployment.uid())).collect()
    };
    let pods = async || -> Vec<_> {
        let serving = ListParams::default().labels("foodplatform.dev/role=serve");
        world.api::<Pod>().list(&serving).await.unwrap().iter().map(kube::ResourceExt::name_any).collect()
    };
    let (before, running) = (uids().await, pods().await);
    delete(&world, DeleteParams::orphan()).await;
    let topics = || Kafka::connect().topics(&format!("{}.shop.", world.namespace)).len();
    assert_eq!((uids().await, pods().await, topics()), (before.clone(), running.clone(), 8));
    let orphan = world.get::<Deployment>("shop-order").await.unwrap();
    assert_eq!(orphan.owner_references(), []);

    world.shop(spec).await;
    let shop = world.ready().await;
    assert_eq!((uids().await, pods().await, topics()), (before, running, 8), "nothing was made anew");
    let taken = world.get::<Deployment>("shop-order").await.unwrap();
    assert_eq!(taken.owner_references()[0].uid, shop.uid().unwrap());
    world.end().await;
}

/// Kubernetes says that children are to be orphaned only until they are. An operator that comes later must know all the
/// same, also when no pod is there that would hold up the end of the topics.
#[tokio::test]
async fn orphans_keep_their_topics_though_the_operator_was_away_when_they_became_some() {
    let world = World::unattended("away").await;
    let installation = Installation::new(&world, &[&world.namespace]).await;
    let mut operator = installation.start("operator").await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    world.ready().await;
    operator.signal(Signal::SIGTERM);
    assert!(operator.process.wait().await.unwrap().success());

    world.api::<FoodPlatform>().delete("shop", &DeleteParams::orphan()).await.unwrap();
    eventually("orphans", || async {
        let shop = world.get::<FoodPlatform>("shop").await?;
        (shop.finalizers() == ["foodplatform.dev/topics"]).then_some(())
    })
    .await;
    for deployment in world.api::<Deployment>().list(&ListParams::default()).await.unwrap() {
        world.patch::<Deployment>(&deployment.name_any(), json!({ "spec": { "replicas": 0 } })).await;
    }
    let pods = ListParams::default();
    eventually("no pods", || async {
        let pods = world.api::<Pod>().delete_collection(&DeleteParams::default(), &pods).await.unwrap();
        pods.left().is_none_or(|pods| pods.items.is_empty()).then_some(())
    })
    .await;
    let _operator = installation.start("operator").await;
    world.gone().await;
    let topics = Kafka::connect().topics(&format!("{}.shop.", world.namespace)).len();
    assert_eq!((topics, count::<Deployment>(&world).await), (8, 5));
    drop(installation);
    world.end().await;
}

#[tokio::test]
async fn topics_go_with_the_platform_whenever_that_is_deleted() {
    let world = World::start("early").await;
    let prefix = format!("{}.shop.", world.namespace);
    for step in 0..16 {
        world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
        // Topics are announced, recorded, made and recorded again within these times.
        tokio::time::sleep(Duration::from_millis(75) * step).await;
        delete(&world, DeleteParams::background()).await;
        assert_eq!(Kafka::connect().topics(&prefix), [], "deleted after step {step}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_refusal_holds_a_platform_no_longer_than_is_allowed() {
    let interference = Interference::new(Plan::Refuse { call: "DELETE deployments", code: 403 });
    let world = World::disturbed("protected", &interference).await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" }, "deletionTimeout": "5s" })).await;
    world.ready().await;
    let started = Instant::now();
    world.api::<FoodPlatform>().delete("shop", &DeleteParams::background()).await.unwrap();
    let told = "the topics can't be deleted: deleting Deployment ";
    let shop = world.shop_when("told", |shop| message(shop, READY).starts_with(told)).await;
    assert!(is(&shop, READY, "False", "Deleting") && message(&shop, READY).contains("made up by a test"));
    world.gone().await;
    assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
    world.event("TopicsLeft").await;
    // Though each refusal is in other words.
    assert!(interference.refused() <= 12, "{} attempts", interference.refused());
    world.end().await;
}
