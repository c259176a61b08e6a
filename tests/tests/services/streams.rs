//! Event streams (SSE) that outlive the replica that serves them.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::{
    api::text,
    metrics::Metrics,
    platform::{Platform, Setup},
    process::Service,
    sse::Follower,
    wait,
};

/// How long a stream may be silent, and what a busy machine adds to that.
const HEARTBEAT: Duration = Duration::from_secs(15);
const SLACK: Duration = Duration::from_secs(3);

/// The place of MyPage's only process with a follower.
async fn serving(platform: &Platform) -> usize {
    wait::until("one replica with the stream", wait::SOON, async || {
        let mut serving = vec![];
        for (place, process) in platform.processes().iter().enumerate() {
            if process.plan().service == Service::Mypage {
                let followed = Metrics::scrape(&process.admin("/metrics")).await?.sum("mypage_followed_orders");
                serving.extend((followed == Some(1.0)).then_some(place));
            }
        }
        match serving[..] {
            [place] => Ok(place),
            _ => Err(format!("{serving:?}")),
        }
    })
    .await
}

/// A follower through the gateway, while the replica that serves it gets `end`: first when nothing changes, then in the
/// middle of a change.
async fn outlives(end: Signal) {
    let setup = Setup { cooking_time: "manual", delivery_time: "manual", replicas: 2, ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    let page = platform.api.follow(&order, "COOKING").await;
    let follower = Follower::start(platform.api.url(&format!("/mypages/{order}/events")));
    let heard = follower.until_status("COOKING").await;
    assert_eq!(heard.retry, Some(Duration::from_secs(1)), "it is told when to come back");

    let place = serving(&platform).await;
    platform.processes()[place].signal(end);
    platform.processes_mut()[place].ended().await;
    follower.until("a second stream", |heard| heard.opened == 2).await;
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
    let heard = follower.until_status("DELIVERING").await;
    platform.processes_mut()[place].restart().await;

    let delivery = text(&heard.events.last().expect("one at least").data, "deliveryId").to_owned();
    let place = serving(&platform).await;
    platform.api.act(&format!("/deliveries/{delivery}/pick-up")).await.expect(200);
    platform.processes()[place].signal(end);
    platform.api.act(&format!("/deliveries/{delivery}/complete")).await.expect(200);
    platform.processes_mut()[place].ended().await;
    follower.until("a third stream", |heard| heard.opened == 3).await;
    let heard = follower.until_status("DELIVERED").await;
    platform.processes_mut()[place].restart().await;

    let mut statuses = heard.statuses();
    statuses.dedup();
    assert_eq!(statuses, ["COOKING", "DELIVERING", "DELIVERED"]);
    let ids: Vec<i64> = heard.events.iter().map(|event| event.id.parse().expect("a number")).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "nothing is told twice: {ids:?}");
    // After an answer that is no stream a browser would not have come back.
    assert_eq!((heard.opened, heard.failures.len(), heard.refusals.len()), (3, 2, 0), "{heard:?}");
    assert!(heard.silence < HEARTBEAT + SLACK, "{:?}", heard.silence);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_outlives_the_death_of_the_replica_that_serves_it() {
    outlives(Signal::SIGKILL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_outlives_the_stop_of_the_replica_that_serves_it() {
    outlives(Signal::SIGTERM).await;
}

/// With one partition one of two replicas reads nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_reads_nothing_tells_what_the_other_has_read() {
    let setup = Setup { cooking_time: "manual", delivery_time: "manual", partitions: 1, ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    let replicas = [platform.service(Service::Mypage), platform.add_replica(Service::Mypage).await];
    replicas[0].get("/mypages/nobody-knows-it/events").await.expect_problem(404);

    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    let events = format!("/mypages/{order}/events");
    let mut followers = vec![];
    for replica in &replicas {
        replica.follow(&order, "COOKING").await;
        followers.push(Follower::start(replica.url(&events)));
    }
    let page = platform.api.follow(&order, "COOKING").await;
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
    let mut newest = vec![];
    for follower in &followers {
        let heard = follower.until_status("DELIVERING").await;
        newest.push(heard.events.last().expect("one at least").id.clone());
    }
    assert_eq!(newest[0], newest[1], "a version is the same on every replica, so that either can go on from it");

    // Open streams don't hold up a stop, and end as streams do.
    let mypages = platform.processes_mut().iter_mut().filter(|process| process.plan().service == Service::Mypage);
    for process in mypages {
        let began = Instant::now();
        process.signal(Signal::SIGTERM);
        assert!(process.ended().await.success(), "{}", process.output());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    for follower in &followers {
        let heard = follower.until("the end of the stream", |heard| !heard.failures.is_empty()).await;
        assert_eq!(heard.failures[0], "the stream has ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_nothing_to_tell_says_that_it_is_alive() {
    let platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "COOKING").await;
    let follower = Follower::start(platform.api.url(&format!("/mypages/{order}/events")));
    let heard = follower.until("a comment", |heard| heard.comments > 0).await;
    assert!((HEARTBEAT - SLACK..HEARTBEAT + SLACK).contains(&heard.silence), "{:?}", heard.silence);
    assert_eq!((heard.opened, heard.events.len()), (1, 1), "and nothing else: {heard:?}");
}
