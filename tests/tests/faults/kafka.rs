//! Kafka that ends, or freezes: orders are taken all the same, and catch up.

use std::time::Duration;

use tests::process::Service;

use crate::trial::Trial;

const SECOND: Duration = Duration::from_secs(1);

/// Orders were taken since there were `before` of them, and what there is to tell of them waits.
pub(crate) async fn taken_all_the_same(trial: &Trial, before: i64) {
    let taken = trial.orders().await - before;
    let waiting = trial.platform.rows(Service::Order, "outbox").await.expect("PostgreSQL answers");
    trial.say(&format!("{taken} orders were taken meanwhile, {waiting} events wait"));
    assert!(taken > 0 && waiting >= taken, "they are taken, and told later");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_killed() {
    let mut trial = Trial::start(45).await;
    for _ in 0..2 {
        trial.pause(3 * SECOND, 5 * SECOND).await;
        trial.say("killing Kafka");
        tokio::task::block_in_place(|| trial.servers.kafka.server.kill()).expect("our own process");
        let before = trial.orders().await;
        trial.pause(SECOND, 5 * SECOND).await;
        taken_all_the_same(&trial, before).await;
        trial.say("starting it again");
        tokio::task::block_in_place(|| trial.servers.kafka.server.restart()).expect("Kafka starts again");
    }
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_freeze() {
    let mut trial = Trial::start(25).await;
    trial.pause(4 * SECOND, 6 * SECOND).await;
    trial.say("freezing Kafka");
    tokio::task::block_in_place(|| trial.servers.kafka.server.pause()).expect("our own process");
    let before = trial.orders().await;
    tokio::time::sleep(15 * SECOND).await;
    taken_all_the_same(&trial, before).await;
    trial.say("Kafka goes on");
    trial.servers.kafka.server.resume().expect("our own process");
    trial.finish().await;
}
