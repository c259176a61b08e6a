//! Processes of services that end without a word, freeze, or are away altogether.

use std::{collections::BTreeSet, time::Duration};

use nix::sys::signal::Signal;
use rand::seq::SliceRandom;
use tests::{process::Service, wait};

use crate::trial::Trial;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing_and_double_nothing() {
    let mut trial = Trial::start(35).await;
    let (mut next, mut killed) = (vec![], BTreeSet::new());
    while trial.is_loaded() {
        trial.pause(SECOND, 3 * SECOND).await;
        if next.is_empty() {
            next = Service::ALL.to_vec();
            next.shuffle(&mut trial.rng);
        }
        let service = next.pop().expect("not empty");
        let place = trial.draw(service);
        trial.say(&format!("killing {}", trial.platform.processes()[place].plan().pod));
        trial.platform.processes_mut()[place].kill().await;
        trial.pause(100 * MILLISECOND, 3 * SECOND).await;
        trial.platform.processes_mut()[place].restart().await;
        killed.insert(service);
    }
    assert_eq!(killed.len(), Service::ALL.len(), "not each service was killed: {killed:?}");
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_frozen_longer_than_its_session_finds_its_work_done_and_does_no_harm() {
    /// Longer than the consumers' session time-out (10 s) and the outbox' leases.
    const FROZEN: Duration = Duration::from_secs(12);
    const LONGEST: Duration = Duration::from_secs(10);
    let mut trial = Trial::start(45).await;
    let mut services = [Service::Order, Service::Cook, Service::Delivery, Service::Mypage];
    services.shuffle(&mut trial.rng);
    for service in &services[..3] {
        trial.pause(SECOND, 2 * SECOND).await;
        let place = trial.draw(*service);
        trial.say(&format!("freezing {}", trial.platform.processes()[place].plan().pod));
        trial.platform.processes()[place].signal(Signal::SIGSTOP);
        tokio::time::sleep(FROZEN).await;
        wait::until(&format!("the group of {service} without it"), LONGEST, async || {
            wait::equals(trial.platform.group_members(*service), 1)
        })
        .await;
        trial.platform.processes()[place].signal(Signal::SIGCONT);
    }
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_order_away_altogether_orders_are_taken_and_become_orders_once() {
    let mut trial = Trial::start(25).await;
    trial.pause(5 * SECOND, 6 * SECOND).await;
    let places = trial.places(Service::Order);
    trial.say("killing every process of order");
    for place in &places {
        trial.platform.processes_mut()[*place].kill().await;
    }
    tokio::time::sleep(10 * SECOND).await;
    trial.say("starting them again");
    for place in &places {
        trial.platform.processes_mut()[*place].restart().await;
    }
    let record = trial.finish().await;
    assert!(record.deferred() > 0, "no order was taken while order was away: {record}");
}
