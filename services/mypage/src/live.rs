//! Followers of orders: who wants to know when an order's view changes, in this process.
//!
//! The replica that holds a follower's connection need not be the one that consumes the order's events. So one task
//! per process asks the database, for all followed orders at once, which have another version than the last one
//! seen: every [`POLL`], and right after this process itself has merged a batch. A follower gets states, not
//! changes: a slow one skips to the newest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::Identifier;
use sqlx::PgPool;
use tokio::sync::{Notify, watch};

use crate::{domain::Knowledge, store, view::View};

/// How long a change made by another replica may go unseen.
const POLL: Duration = Duration::from_millis(250);
/// The shortest time between two polls, however many batches are merged.
const PACE: Duration = Duration::from_millis(20);

/// A state of an order, and the version that it has.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// [`Knowledge::version`].
    pub(crate) version: i64,
    /// The view.
    pub(crate) view: Arc<View>,
}

impl State {
    /// The state of what is known; `None` as for [`View::of`].
    pub(crate) fn of(known: Knowledge) -> Option<Self> {
        let version = known.version();
        View::of(known).map(|view| Self { version, view: Arc::new(view) })
    }
}

/// The followed orders. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    followed: Mutex<HashMap<Identifier, watch::Sender<State>>>,
    wake: Notify,
}

impl Live {
    fn followed(&self) -> MutexGuard<'_, HashMap<Identifier, watch::Sender<State>>> {
        // The map is whole between any two operations, so a panic of another holder has not harmed it.
        self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows an order from `state` on. The receiver's first value is that state, or a newer one. Dropping the
    /// receiver ends it.
    pub(crate) fn follow(&self, state: State) -> watch::Receiver<State> {
        let mut followed = self.followed();
        let order = state.view.order_id.clone();
        let receiver = match followed.get(&order) {
            Some(sender) => {
                sender.send_if_modified(|last| {
                    let newer = state.version > last.version;
                    if newer {
                        *last = state;
                    }
                    newer
                });
                sender.subscribe()
            }
            None => {
                let (sender, receiver) = watch::channel(state);
                followed.insert(order, sender);
                receiver
            }
        };
        drop(followed);
        self.wake();
        receiver
    }

    /// Says that views may have changed: the followed ones are looked at right away.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Forgets the orders that nobody follows any more; the rest, each with the version last seen.
    fn watched(&self) -> Vec<(Identifier, i64)> {
        let mut followed = self.followed();
        followed.retain(|_, sender| sender.receiver_count() > 0);
        followed.iter().map(|(order, sender)| (order.clone(), sender.borrow().version)).collect()
    }

    fn publish(&self, known: Knowledge) {
        let Some(state) = State::of(known) else { return };
        if let Some(sender) = self.followed().get(&state.view.order_id) {
            sender.send_replace(state);
        }
    }

    /// Watches the followed orders for ever. With none, it sleeps until there is one.
    pub(crate) async fn run(self, pool: PgPool) {
        loop {
            let watched = self.watched();
            metrics::gauge!("mypage_followed_orders").set(watched.len() as f64);
            if watched.is_empty() {
                self.shared.wake.notified().await;
                continue;
            }
            match store::changed(&pool, &watched).await {
                Ok(changed) => changed.into_iter().for_each(|known| self.publish(known)),
                // Followers keep what they have; the next round tries again.
                Err(error) => tracing::warn!(%error, "cannot look for changes of followed orders"),
            }
            tokio::time::sleep(PACE).await;
            // Elapsed or woken: both mean to look again.
            let _ = tokio::time::timeout(POLL, self.shared.wake.notified()).await;
        }
    }
}
