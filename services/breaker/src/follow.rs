//! What happens in the background: endpoints are followed, and the ejected are looked at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout_at},
};
use tracing::{debug, warn};

use crate::cluster::Cluster;

/// How often endpoints are looked up while the upstream is used. The platform's DNS answers with a TTL of 5 s.
const PERIOD: Duration = Duration::from_secs(2);
/// How often at most, when connections fail.
const SHORTEST_PERIOD: Duration = Duration::from_millis(200);
/// What was looked up this long ago is not looked up again for a request that has found no other way.
const FRESH: Duration = Duration::from_secs(1);
/// How often idle connections are looked at.
const TIDY: Duration = Duration::from_secs(10);

/// What requests and the follower tell each other.
#[derive(Debug)]
pub(crate) struct Following {
    knowledge: watch::Sender<Knowledge>,
    wanted: Notify,
    used: AtomicBool,
}

/// What the known endpoints are worth.
#[derive(Debug, Clone, Copy)]
enum Knowledge {
    /// They have not been looked up yet, or not for long.
    Stale,
    /// They are being followed; the last look-up began then.
    Since(Instant),
}

impl Default for Following {
    fn default() -> Self {
        Self { knowledge: watch::Sender::new(Knowledge::Stale), wanted: Notify::new(), used: AtomicBool::new(false) }
    }
}

impl Following {
    /// Waits until the endpoints are known, no longer than to the deadline. They have not changed if DNS fails.
    pub(crate) async fn known(&self, deadline: Instant) {
        self.used.store(true, Ordering::Relaxed);
        if matches!(*self.knowledge.borrow(), Knowledge::Since(_)) {
            return;
        }
        self.wanted.notify_one();
        self.wait(deadline, |knowledge| matches!(knowledge, Knowledge::Since(_))).await;
    }

    /// Has the endpoints looked up soon.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Has the endpoints looked up again and waits for it, no longer than to the deadline. If that has just been done
    /// there is nothing to wait for.
    pub(crate) async fn renewed(&self, deadline: Instant) {
        self.wanted.notify_one();
        let known = *self.knowledge.borrow();
        let last = match known {
            Knowledge::Since(last) if last.elapsed() < FRESH => return,
            Knowledge::Since(last) => Some(last),
            Knowledge::Stale => None,
        };
        self.wait(deadline, |knowledge| matches!(knowledge, Knowledge::Since(now) if Some(*now) > last)).await;
    }

    async fn wait(&self, deadline: Instant, condition: impl FnMut(&Knowledge) -> bool) {
        let mut receiver = self.knowledge.subscribe();
        // Later than the deadline, what is known has to do.
        let _ = timeout_at(deadline, receiver.wait_for(condition)).await;
    }
}

/// Looks up the endpoints, as long as requests come.
pub(crate) async fn follow(cluster: Arc<Cluster>) {
    let following = &cluster.following;
    loop {
        let began = Instant::now();
        match cluster.resolver.resolve().await {
            Ok(addresses) => cluster.follow(&addresses.into_iter().collect()),
            Err(error) => {
                warn!(upstream = cluster.name, %error, "the endpoints cannot be looked up; the last known stay")
            }
        }
        following.knowledge.send_replace(Knowledge::Since(began));
        sleep(SHORTEST_PERIOD).await;
        tokio::select! {
            () = following.wanted.notified() => {}
            () = sleep(PERIOD.saturating_sub(SHORTEST_PERIOD)) => {
                if !following.used.swap(false, Ordering::Relaxed) {
                    debug!(upstream = cluster.name, "not used: its endpoints are not followed for now");
                    following.knowledge.send_replace(Knowledge::Stale);
                    following.wanted.notified().await;
                }
            }
        }
    }
}

/// Looks at the ejected once per interval, and at idle connections.
pub(crate) async fn sweep(cluster: Arc<Cluster>) {
    let every = |period| {
        let mut ticks = interval_at(Instant::now() + period, period);
        // As Envoy's timer, which starts anew after each sweep.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut sweeps, mut tidies) = (every(cluster.settings.interval), every(TIDY));
    loop {
        tokio::select! {
            now = sweeps.tick() => cluster.sweep(now),
            now = tidies.tick() => cluster.tidy(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        net::SocketAddr,
        sync::atomic::{AtomicU16, AtomicUsize},
    };

    use futures::future::BoxFuture;

    use super::*;
    use crate::{Limits, Resolve, Settings, cluster::Choice};

    const LIMITS: Limits = Limits { connect: Duration::from_secs(1), response: Duration::from_secs(2) };

    /// Knows one endpoint, at this port.
    #[derive(Default)]
    struct Name {
        port: AtomicU16,
        asked: AtomicUsize,
    }

    impl Resolve for Arc<Name> {
        fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], self.port.load(Ordering::Relaxed)))]) })
        }
    }

    fn start() -> (Arc<Name>, Arc<Cluster>) {
        let name = Arc::new(Name::default());
        let cluster = Arc::new(Cluster::new("test", Settings::DEFAULT, LIMITS, Box::new(Arc::clone(&name))));
        tokio::spawn(follow(Arc::clone(&cluster)));
        (name, cluster)
    }

    fn deadline() -> Instant {
        Instant::now() + LIMITS.connect
    }

    fn port(cluster: &Arc<Cluster>) -> Option<u16> {
        match cluster.choose(&[]) {
            Choice::Endpoint(flight) => Some(flight.pool().address().port()),
            Choice::Ejected | Choice::Nowhere => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_are_followed_while_there_are_requests_and_looked_up_for_the_first_after_a_pause() {
        let (name, cluster) = start();
        let asked = || name.asked.load(Ordering::Relaxed);
        for second in 0..20 {
            name.port.store(second, Ordering::Relaxed);
            cluster.following.known(deadline()).await;
            assert!(port(&cluster).is_some_and(|known| second - known <= 2), "{second}");
            sleep(Duration::from_secs(1)).await;
        }
        assert!((10..=12).contains(&asked()), "{}", asked());

        sleep(Duration::from_secs(10)).await;
        let before = asked();
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(asked(), before);
        name.port.store(8080, Ordering::Relaxed);
        cluster.following.known(deadline()).await;
        assert_eq!((port(&cluster), asked()), (Some(8080), before + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_a_way_waits_for_a_look_up_but_not_for_one_after_another() {
        let (name, cluster) = start();
        cluster.following.known(deadline()).await;
        name.port.store(8080, Ordering::Relaxed);
        sleep(FRESH).await;
        cluster.following.renewed(deadline()).await;
        assert_eq!(port(&cluster), Some(8080));

        let (asked, before) = (name.asked.load(Ordering::Relaxed), Instant::now());
        for _ in 0..100 {
            cluster.following.renewed(deadline()).await;
        }
        assert_eq!((name.asked.load(Ordering::Relaxed), Instant::now()), (asked, before));
    }
}
