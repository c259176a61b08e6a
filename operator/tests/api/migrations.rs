//! Migrations take what is said of their pods, until they have completed.

use std::{collections::BTreeMap, time::Duration};

use foodplatform_operator::{
    api::{FoodPlatform, condition::READY},
    build::TEMPLATE_CHECKSUM,
};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::PodSpec};
use kube::{ResourceExt as _, api::ListParams};
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    world::{World, eventually, message},
};

/// Where order's pods are to run.
async fn select(world: &World, node_selector: Value) {
    let patch = json!({ "spec": { "services": { "order": { "nodeSelector": node_selector } } } });
    world.patch::<FoodPlatform>("shop", patch).await;
}

/// Order's migration, once its pods are to run there.
async fn selecting(world: &World, key: &str, value: &str) -> Job {
    eventually(&format!("a migration on {key}={value}"), || async {
        let jobs = world.api::<Job>().list(&ListParams::default().labels("app.kubernetes.io/name=order")).await;
        let job = jobs.unwrap().items.pop()?;
        is_selecting(job.spec.clone()?.template.spec, key, value).then_some(job)
    })
    .await
}

fn is_selecting(pod: Option<PodSpec>, key: &str, value: &str) -> bool {
    pod.unwrap().node_selector == Some(BTreeMap::from([(key.to_owned(), value.to_owned())]))
}

/// Takes away what tells with which pods the Job was made.
async fn strip(world: &World, job: &Job) -> Job {
    world.patch(&job.name_any(), json!({ "metadata": { "annotations": { TEMPLATE_CHECKSUM: null } } })).await
}

/// Sees to it that the Job stays as it is.
async fn assert_stays(world: &World, job: &Job) {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = world.get::<Job>(&job.name_any()).await.unwrap();
    assert_eq!((now.uid(), now.annotations()), (job.uid(), job.annotations()));
}

#[tokio::test]
async fn a_migration_takes_corrected_settings_until_it_has_completed() {
    let world = World::start("corrected").await;
    world.pods(Fate::Nothing);
    world.shop(json!({ "services": { "order": { "nodeSelector": { "a": "b" } } } })).await;
    let first = selecting(&world, "a", "b").await;
    world
        .shop_when("waiting for its migration", |shop| message(shop, READY).contains("order waits for its migration"))
        .await;
    assert_stays(&world, &first).await;

    select(&world, json!({ "a": null, "c": "d" })).await;
    let second = selecting(&world, "c", "d").await;
    assert_eq!(second.name_any(), first.name_any());
    assert_stays(&world, &second).await;

    // One without the annotation may be of any pods: it is made anew, once.
    strip(&world, &second).await;
    let third = eventually("the Job to be made anew", || async {
        world.get::<Job>(&second.name_any()).await.filter(|job| job.uid() != second.uid())
    })
    .await;
    assert_eq!(third.annotations(), second.annotations());
    assert_stays(&world, &third).await;

    world.pods(Fate::Work);
    world.ready().await;
    select(&world, json!({ "c": null, "e": "f" })).await;
    eventually("the Deployment to follow", || async {
        let order = world.get::<Deployment>("shop-order").await.unwrap();
        is_selecting(order.spec.unwrap().template.spec, "e", "f").then_some(())
    })
    .await;
    world.ready().await;
    assert_stays(&world, &third).await;
    let stripped = strip(&world, &third).await;
    assert_stays(&world, &stripped).await;
    world.end().await;
}
