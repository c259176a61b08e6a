//! Kafka that ends, or freezes: orders are taken all the same, and catch up.

use std::time::Duration;

use crate::trial::Trial;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_killed() {
    let mut trial = Trial::start(35).await;
    for _ in 0..2 {
        trial.pause(3 * SECOND, 5 * SECOND).await;
        trial.say("killing Kafka");
        tokio::task::block_in_place(|| trial.servers.kafka.server.kill()).expect("our own process");
        trial.pause(SECOND, 5 * SECOND).await;
        trial.say("starting it again");
        tokio::task::block_in_place(|| trial.servers.kafka.server.restart()).expect("Kafka starts again");
    }
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_freeze() {
    let mut trial = Trial::start(35).await;
    trial.pause(4 * SECOND, 6 * SECOND).await;
    trial.say("freezing Kafka");
    tokio::task::block_in_place(|| trial.servers.kafka.server.pause()).expect("our own process");
    tokio::time::sleep(15 * SECOND).await;
    trial.say("Kafka goes on");
    trial.servers.kafka.server.resume().expect("our own process");
    trial.finish().await;
}
