//! Topics that lose their leaders, or get more partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use contract::Topic;
use tests::{
    kafka::{OFFSETS, topic_names},
    platform::Setup,
    wait,
};

use crate::{
    kafka::taken_all_the_same,
    servers::Servers,
    trial::{Trial, setup},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn topics_may_be_without_leaders_for_a_minute() {
    let servers = Servers::start_with_two_brokers().await;
    let leader = servers.second.as_ref().expect("two brokers").node();
    let leader = i32::try_from(leader).expect("a small number");
    let mut trial = Trial::start_on(servers, Setup { broker: Some(leader), ..setup() }, 75).await;
    let topics = topic_names(&trial.platform.prefix);
    assert_eq!(trial.platform.kafka.leaders(&topics), Ok(BTreeSet::from([leader])));
    trial.pause(4 * SECOND, 6 * SECOND).await;
    trial.say("killing the broker that leads all topics");
    let server = &mut trial.servers.second.as_mut().expect("two brokers").server;
    tokio::task::block_in_place(|| server.kill()).expect("our own process");
    let before = trial.orders().await;
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(trial.platform.kafka.leaders(&topics), Ok(BTreeSet::from([-1])));
    assert_eq!(trial.platform.kafka.leaders(&[OFFSETS.to_owned()]), Ok(BTreeSet::from([1])), "groups are not touched");
    taken_all_the_same(&trial, before).await;
    trial.say("starting it again");
    let server = &mut trial.servers.second.as_mut().expect("two brokers").server;
    tokio::task::block_in_place(|| server.restart()).expect("the broker starts again");
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_may_get_more_partitions() {
    /// Producers look for new partitions every 30 s.
    const NOTICED: Duration = Duration::from_secs(33);
    let mut trial = Trial::start(70).await;
    let kafka = trial.platform.kafka.clone();
    let names = [Topic::Menu, Topic::Cook, Topic::Delivery].map(|topic| topic.name(&trial.platform.prefix));
    let mut partitions = 3;
    for more in [6, 8] {
        trial.pause(SECOND, 2 * SECOND).await;
        kafka.grow_topics(&trial.platform.prefix, more).await;
        trial.say(&format!("topics with {partitions} partitions have {more} now"));
        for name in &names {
            wait::until(&format!("messages in new partitions of {name}"), NOTICED, async || {
                let ends = tokio::task::block_in_place(|| kafka.watermarks(std::slice::from_ref(name)))?;
                let new = ends.iter().filter(|((_, partition), (_, end))| *partition >= partitions && *end > 0);
                if new.count() > 0 { Ok(()) } else { Err(format!("{ends:?}")) }
            })
            .await;
        }
        trial.say("there are messages in new ones");
        partitions = i32::try_from(more).expect("few");
    }
    assert!(trial.is_loaded(), "the load ended before");
    let mut places = BTreeMap::<_, BTreeSet<_>>::new();
    for name in &names {
        for record in kafka.records(name) {
            places.entry((name, record.key)).or_default().insert(record.partition);
        }
    }
    let moved = places.values().filter(|partitions| partitions.len() > 1).count();
    trial.say(&format!("{moved} times an order has messages of one topic in more than one partition"));
    assert!(moved > 0, "no order's sequence was ever in doubt");
    trial.finish().await;
}
