//! When MyPage shows an order for the first time.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use contract::Identifier;
use tokio::{
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
};

use crate::{connection::Connection, orders::page, tally::Times};

/// Between two looks at one page: how exactly the time is known.
const INTERVAL: Duration = Duration::from_millis(5);
/// A page that is not there after this counts as this late.
const LIMIT: Duration = Duration::from_secs(10);
/// How many pages are looked for at a time.
const LOOKERS: usize = 8;

/// An order whose page is looked for, and when it should have been placed.
type Sample = (Identifier, Instant);

/// Looks for pages until nobody asks any more.
pub(crate) struct Pages(JoinSet<Times>);

/// Asks for pages.
pub(crate) struct Asker(UnboundedSender<Sample>);

impl Asker {
    pub(crate) fn look_for(&self, order: Identifier, intended: Instant) {
        // The receiver lives as long as the lookers, which end after all askers.
        let _ = self.0.send((order, intended));
    }
}

impl Pages {
    /// Looks at `target` for the pages that the asker names.
    pub(crate) fn start(target: SocketAddr) -> (Self, Asker) {
        let (asker, asked) = unbounded_channel();
        let (asked, mut lookers) = (Arc::new(Mutex::new(asked)), JoinSet::new());
        for _ in 0..LOOKERS {
            lookers.spawn(look(target, Arc::clone(&asked)));
        }
        (Self(lookers), Asker(asker))
    }

    /// How long it took from when each order should have been placed until its page was there.
    pub(crate) async fn seen(mut self) -> Result<Times> {
        let mut times = Times::default();
        while let Some(seen) = self.0.join_next().await {
            times.merge(&seen?);
        }
        Ok(times)
    }
}

async fn look(target: SocketAddr, asked: Arc<Mutex<UnboundedReceiver<Sample>>>) -> Times {
    let (mut connection, mut times) = (Connection::new(target), Times::default());
    loop {
        let next = asked.lock().await.recv().await;
        let Some((order, intended)) = next else { return times };
        while !connection.send(page(&order)).await.is_ok_and(|status| status.is_success()) && intended.elapsed() < LIMIT
        {
            tokio::time::sleep(INTERVAL).await;
        }
        times.record(intended.elapsed());
    }
}
