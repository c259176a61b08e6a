//! Several operators of which one works.

use std::{future::Future, time::Duration};

use foodplatform_operator::api::FoodPlatform;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    installation::{Installation, Operator},
    world::{World, eventually},
};

/// Two operators, of which the first leads and has made the platform ready, and the second stands by.
async fn two(installation: &Installation<'_>, world: &World) -> (Operator, Operator) {
    let first = installation.start("first").await;
    first.says("leading").await;
    let second = installation.start("second").await;
    second.says("another operator leads").await;
    world.shop(json!({})).await;
    world.ready().await;
    (first, second)
}

/// Asks for so many pods of cook, and waits until its Deployment has it. Gives how long that took.
async fn scaled(world: &World, replicas: i32) -> Duration {
    let started = Instant::now();
    let spec = json!({ "spec": { "services": { "cook": { "replicas": replicas } } } });
    world.patch::<FoodPlatform>("shop", spec).await;
    eventually("the new number", || async {
        let cook = world.get::<Deployment>("shop-cook").await?;
        (cook.spec?.replicas == Some(replicas)).then_some(())
    })
    .await;
    started.elapsed()
}

async fn in_a_world<F: Future<Output = World>>(name: &str, test: impl FnOnce(World) -> F) {
    test(World::unattended(name).await).await.end().await;
}

#[tokio::test]
async fn who_stands_by_takes_over_from_a_leader_that_is_killed() {
    in_a_world("killed", async |world| {
        let installation = Installation::new(&world, &[&world.namespace]).await;
        let (first, second) = two(&installation, &world).await;
        first.signal(Signal::SIGKILL);
        let took = scaled(&world, 2).await;
        assert!(took <= Duration::from_secs(15), "{took:?}");
        drop((first, second));
        drop(installation);
        world
    })
    .await;
}

#[tokio::test]
async fn who_stands_by_takes_over_at_once_from_a_leader_that_stops() {
    in_a_world("stopped", async |world| {
        let installation = Installation::new(&world, &[&world.namespace]).await;
        let (mut first, second) = two(&installation, &world).await;
        first.signal(Signal::SIGTERM);
        let took = scaled(&world, 2).await;
        // A lease that is not given back takes longer to run out.
        assert!(took <= Duration::from_secs(6), "{took:?}");
        assert!(first.process.wait().await.unwrap().success());
        drop(second);
        drop(installation);
        world
    })
    .await;
}

/// Stops a leader in the middle of its work, so long after it was given some, and lets it go on when another one leads.
async fn paused(after: Duration) {
    in_a_world("paused", async |world| {
        let installation = Installation::new(&world, &[&world.namespace]).await;
        let (mut first, second) = two(&installation, &world).await;
        let work = json!({ "spec": { "image": { "tag": "2.0.0" }, "logs": { "level": "debug" } } });
        world.patch::<FoodPlatform>("shop", work).await;
        sleep(after).await;
        first.signal(Signal::SIGSTOP);
        second.says("leading").await;
        scaled(&world, 2).await;
        let resumed = Timestamp::now();
        first.signal(Signal::SIGCONT);
        // More for it to see, and to want to do.
        scaled(&world, 3).await;
        let ended = timeout(Duration::from_secs(20), first.process.wait()).await.expect("it ends").unwrap();
        assert!(!ended.success(), "so that it is started anew");
        world.ready().await;

        let requests = installation.requests();
        let since = |request: &&Value| {
            let received: Timestamp = request["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
            received >= resumed
        };
        let late: Vec<_> = requests.iter().filter(since).filter(|request| first.wrote(request)).collect();
        assert!(late.is_empty(), "stopped after {after:?}: {late:#?}");
        // The log would have shown it.
        assert!(requests.iter().any(|request| first.wrote(request)));
        assert!(requests.iter().filter(since).any(|request| second.wrote(request)));
        drop((first, second));
        drop(installation);
        world
    })
    .await;
}

#[tokio::test]
async fn a_paused_leader_writes_nothing_beside_the_next_one() {
    // From before it has begun until it is in the midst of it.
    join_all([0, 110, 150, 250].map(|milliseconds| paused(Duration::from_millis(milliseconds)))).await;
}
