//! What goes on all the time: orders at a constant rate, some of them cancelled, and customers who look on.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ::tests::sse::Follower;
use anyhow::{Result, bail, ensure};
use contract::Identifier;
use futures::join;
use rand::Rng;
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::Course;
use crate::{
    connection::Connection,
    load::Load,
    orders::{Orders, page},
    tally::Tally,
};

/// Of each load but the restocks: enough that a slow answer holds back no other request. All are open soon, for requests
/// take them in turn.
const CONNECTIONS: usize = 32;
/// The part of the orders that is cancelled, so long after they were placed: the kitchen has completed some of them.
const CANCELLED: f64 = 0.1;
const CANCELLED_AFTER: f64 = 1.5;
/// How long orders are placed before anything is asked about them.
const HEAD_START: Duration = Duration::from_secs(5);
/// How many pages are read for each order.
const READS_PER_ORDER: f64 = 0.5;
/// How long ago an order was placed at least whose page is read or followed.
const SETTLED: f64 = 1.0;
const RESTOCKS_PER_SECOND: f64 = 1.0;
/// How many orders are followed at any time.
const FOLLOWERS: usize = 20;
/// Before a page that is not there yet is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What the kitchen and the courier take for each order.
pub(crate) const COOKING_TIME: &str = "1s..3s";
pub(crate) const DELIVERY_TIME: &str = "0s..1s";

/// What all of them were told.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) orders: Tally,
    pub(crate) cancels: Tally,
    pub(crate) reads: Tally,
    pub(crate) restocks: Tally,
    pub(crate) followed: Followed,
}

/// What followers have seen.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) streams: u64,
    pub(crate) events: u64,
    pub(crate) failures: u64,
    /// The first reason.
    pub(crate) failure: Option<String>,
}

impl Life {
    /// What was not answered as it should have been, where that is more than one in a hundred: then what was measured is
    /// not what is said.
    pub(crate) fn faults(&self) -> Vec<String> {
        // The kitchen has completed some that are cancelled, and does not always say so at once.
        let loads = [
            ("orders", &self.orders, &[201][..]),
            ("cancellations", &self.cancels, &[200, 202, 409]),
            ("reads", &self.reads, &[200]),
            ("restocks", &self.restocks, &[200]),
        ];
        let mut faults = vec![];
        for (what, tally, expected) in loads {
            let good: u64 = expected.iter().filter_map(|status| tally.answers.get(status)).sum();
            let bad = tally.asked() - good;
            if bad * 100 > tally.asked() || good == 0 {
                faults.push(format!("{bad} of {} {what} went wrong: {}", tally.asked(), tally.said()));
            }
        }
        let Followed { streams, events, failures, failure } = &self.followed;
        // A stream begins with the order as it is.
        if failures * 100 > *streams || events < streams || *streams == 0 {
            let reason = failure.as_deref().unwrap_or_default();
            faults.push(format!("{streams} followers saw {events} events, and {failures} failed ({reason})"));
        }
        faults
    }
}

/// Goes on like that, through the gateway.
///
/// # Errors
/// When what followers say is lost.
pub(crate) async fn live(orders: &Arc<Orders>, gateway: SocketAddr, course: Course) -> Result<Life> {
    let Course { rate, lasting } = course;
    let load = |make| Load { target: gateway, connections: CONNECTIONS, make };
    let restocks = Load { connections: 1, ..load(orders.restock()) };
    let made_in = |seconds: f64| (rate * seconds).ceil() as u64;
    let (start, rest) = (Instant::now(), lasting.saturating_sub(HEAD_START));
    let (placing, cancels) = (load(orders.place()), load(orders.cancel(made_in(CANCELLED_AFTER))));
    let reads = load(orders.browse(made_in(SETTLED)));
    let others = async {
        sleep(HEAD_START).await;
        let followed = follow_all(orders, gateway, made_in(SETTLED), start + lasting);
        join!(
            cancels.open(CANCELLED * rate, rest),
            reads.open(READS_PER_ORDER * rate, rest),
            restocks.open(RESTOCKS_PER_SECOND, rest),
            followed
        )
    };
    let (orders, (cancels, reads, restocks, followed)) = join!(placing.open(rate, lasting), others);
    Ok(Life { orders, cancels, reads, restocks, followed: followed? })
}

/// Followers who come and go until that time.
async fn follow_all(orders: &Arc<Orders>, gateway: SocketAddr, behind: u64, until: Instant) -> Result<Followed> {
    let mut followers = JoinSet::new();
    for _ in 0..FOLLOWERS {
        let orders = Arc::clone(orders);
        followers.spawn(async move {
            let (mut connection, mut followed) = (Connection::new(gateway), Followed::default());
            while Instant::now() < until {
                followed.streams += 1;
                let order = orders.id(orders.earlier(behind));
                match follow(&mut connection, gateway, &order, until).await {
                    Ok(events) => followed.events += events,
                    Err(error) => {
                        followed.failures += 1;
                        followed.failure.get_or_insert_with(|| format!("{order}: {error:#}"));
                        sleep(LOOK_AGAIN).await;
                    }
                }
            }
            followed
        });
    }
    let mut all = Followed::default();
    while let Some(followed) = followers.join_next().await {
        let followed = followed?;
        all.streams += followed.streams;
        all.events += followed.events;
        all.failures += followed.failures;
        all.failure = all.failure.or(followed.failure);
    }
    Ok(all)
}

/// Looks at an order's page, follows it, and goes after a while, or at that time. Gives the number of events.
async fn follow(connection: &mut Connection, gateway: SocketAddr, order: &Identifier, until: Instant) -> Result<u64> {
    let leave = until.min(Instant::now() + stay());
    while !connection.send(page(order)).await?.is_success() {
        ensure!(Instant::now() < leave, "its page does not come");
        sleep(LOOK_AGAIN).await;
    }
    let follower = Follower::start(format!("http://{gateway}/mypages/{order}/events"));
    sleep_until(leave.into()).await;
    let heard = follower.heard();
    match heard.failures.into_iter().chain(heard.refusals).next() {
        Some(failure) => bail!(failure),
        None => Ok(heard.events.len() as u64),
    }
}

/// Most go before the order is done; some forget the page, which stays open and has nothing to tell any more.
fn stay() -> Duration {
    let mut rng = rand::rng();
    Duration::from_millis(if rng.random_ratio(1, 4) { 20_000 } else { rng.random_range(500..5_000) })
}
