//! The network between two services that loses what they say to each other.

use std::time::Duration;

use tests::process::Service;

use crate::{
    cut::{Cut, Lost},
    trial::Trial,
};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any caller waits, and long enough that breakers open, close, and open again.
const CUT: Duration = Duration::from_secs(12);

/// Cuts the network between the two for a while.
async fn cut(trial: &Trial, caller: Service, called: Service, lost: Lost) {
    let cut = Cut::between(&trial.platform, caller, called, lost);
    trial.say(&format!("between {caller} and {called} {lost:?} are lost"));
    tokio::time::sleep(CUT).await;
    let packets = cut.packets();
    drop(cut);
    trial.say(&format!("the network is whole again; {packets} packets were lost"));
    assert!(packets > 0, "nothing was said while {lost:?} were lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellations_outlive_a_cut_between_order_and_the_kitchen() {
    let mut trial = Trial::start(32).await;
    trial.pause(2 * SECOND, 4 * SECOND).await;
    cut(&trial, Service::Order, Service::Cook, Lost::Requests).await;
    trial.pause(SECOND, 2 * SECOND).await;
    // The kitchen decides, and order does not know it yet.
    cut(&trial, Service::Order, Service::Cook, Lost::Answers).await;
    let record = trial.finish().await;
    assert!(record.count("POST /orders/ID/cancel", "202") > 0, "each outcome was known at once: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_outlive_a_cut_between_the_gateway_and_order() {
    let mut trial = Trial::start(32).await;
    trial.pause(2 * SECOND, 4 * SECOND).await;
    cut(&trial, Service::Gateway, Service::Order, Lost::Requests).await;
    trial.pause(SECOND, 2 * SECOND).await;
    cut(&trial, Service::Gateway, Service::Order, Lost::Answers).await;
    let record = trial.finish().await;
    assert!(record.deferred() > 0, "no order was taken while order could not be reached: {record}");
    assert!(record.count("POST /orders", "504") > 0, "each answer was heard: {record}");
}
