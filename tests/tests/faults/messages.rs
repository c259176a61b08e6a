//! Messages that come again, late, or that are none of ours.

use std::time::Duration;

use contract::{Topic, header};
use rand::{Rng, seq::SliceRandom};
use tests::api::fresh;
use uuid::Uuid;

use crate::trial::Trial;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn messages_may_come_again_and_late() {
    let mut trial = Trial::start(25).await;
    let mut repeated = 0;
    while trial.is_loaded() {
        trial.pause(2 * SECOND, 4 * SECOND).await;
        for topic in Topic::ALL {
            let mut records = trial.platform.records(*topic);
            records.shuffle(&mut trial.rng);
            records.truncate(300);
            for record in &mut records {
                // Half of them are the same message, which the inbox knows; half are another that says the same, as
                // after an inbox' day was dropped.
                if trial.rng.random_bool(0.5) {
                    record.headers.insert(header::ID.to_owned(), Uuid::new_v4().to_string());
                }
            }
            trial.platform.kafka.write_all(&topic.name(&trial.platform.prefix), &records).await;
            trial.say(&format!("{} messages of {topic} again", records.len()));
            repeated += records.len();
        }
    }
    assert!(repeated >= 1000, "only {repeated} messages came again");
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_can_read_stops_nobody() {
    let mut trial = Trial::start(20).await;
    trial.pause(3 * SECOND, 5 * SECOND).await;
    let mut expected = 0;
    // A message of each topic goes to the dead letters once for each reader.
    for (topic, kind, readers) in [
        (Topic::Menu, "Ordered", 2),
        (Topic::Cook, "CookStarted", 3),
        (Topic::Delivery, "DeliveryStarted", 2),
        (Topic::OrderRequests, "OrderRequested", 2),
    ] {
        let id = Uuid::new_v4().to_string();
        let headers = [
            (header::SPEC_VERSION, "1.0"),
            (header::ID, id.as_str()),
            (header::TYPE, kind),
            (header::SOURCE, "/tests"),
            (header::TIME, "2026-01-02T03:04:05Z"),
            (header::SUBJECT, "poison"),
        ];
        // Among messages that are good, most probably in more than one partition.
        for _ in 0..3 {
            let name = topic.name(&trial.platform.prefix);
            trial.platform.kafka.write(&name, &format!("poison-{}", fresh()), &headers, b"not what it says").await;
            expected += readers;
        }
    }
    trial.finish_with_dead_letters(expected).await;
}
