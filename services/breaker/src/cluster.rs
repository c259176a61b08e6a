//! The endpoints of one upstream, and the choice among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use hyper_util::client::legacy::connect::HttpConnector;
use metrics::{Counter, Gauge};
use rand::Rng;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::{
    Limits, Resolve, Settings,
    follow::Following,
    outlier::{Detector, Outcome, Verdict},
    pool::{Pending, Pool, connector},
};

/// An upstream: what is known of its endpoints.
pub(crate) struct Cluster {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) resolver: Box<dyn Resolve>,
    pub(crate) following: Following,
    pub(crate) pending: Pending,
    pub(crate) overflows: Counter,
    connector: HttpConnector,
    numbers: Numbers,
    endpoints: Mutex<Endpoints>,
}

struct Endpoints {
    detector: Detector,
    pools: BTreeMap<SocketAddr, Arc<Pool>>,
}

/// What metrics tell.
struct Numbers {
    endpoints: Gauge,
    ejected: Gauge,
    ejections: Counter,
    spared: Counter,
}

/// A request on its way to an endpoint and back, from the choice to the end of the answer.
pub(crate) struct Flight {
    cluster: Arc<Cluster>,
    pool: Arc<Pool>,
}

/// What the choice comes to.
pub(crate) enum Choice {
    Endpoint(Flight),
    /// There are endpoints, but each is ejected.
    Ejected,
    /// Each one that is not ejected has been tried, or there is none at all.
    Nowhere,
}

impl Cluster {
    pub(crate) fn new(name: &'static str, settings: Settings, limits: Limits, resolver: Box<dyn Resolve>) -> Self {
        let pending = Pending::new(
            settings.max_pending_requests,
            metrics::gauge!("breaker_pending_requests", "upstream" => name),
        );
        let numbers = Numbers {
            endpoints: metrics::gauge!("breaker_endpoints", "upstream" => name),
            ejected: metrics::gauge!("breaker_ejected_endpoints", "upstream" => name),
            ejections: metrics::counter!("breaker_ejections_total", "upstream" => name),
            spared: metrics::counter!("breaker_ejections_spared_total", "upstream" => name),
        };
        Self {
            name,
            settings,
            limits,
            resolver,
            following: Following::default(),
            pending,
            overflows: metrics::counter!("breaker_overflows_total", "upstream" => name),
            connector: connector(limits.connect),
            numbers,
            endpoints: Mutex::new(Endpoints { detector: Detector::new(settings), pools: BTreeMap::new() }),
        }
    }

    /// Chooses among the endpoints that are neither ejected nor tried: of two at random the one with fewer requests
    /// under way, as Envoy's least-request balancer does by default
    /// (<https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers>).
    pub(crate) fn choose(self: &Arc<Self>, tried: &[SocketAddr]) -> Choice {
        let endpoints = self.lock();
        let well: Vec<_> =
            endpoints.pools.values().filter(|pool| !endpoints.detector.is_ejected(pool.address())).collect();
        if well.is_empty() && !endpoints.pools.is_empty() {
            return Choice::Ejected;
        }
        let untried: Vec<_> = well.into_iter().filter(|pool| !tried.contains(&pool.address())).collect();
        let pool = match *untried.as_slice() {
            [] => return Choice::Nowhere,
            [only] => only,
            ref several => {
                let mut random = rand::rng();
                let first = random.random_range(0..several.len());
                // Any but the first.
                let second = (first + random.random_range(1..several.len())) % several.len();
                several[if active(several[second]) < active(several[first]) { second } else { first }]
            }
        };
        pool.active().fetch_add(1, Ordering::Relaxed);
        Choice::Endpoint(Flight { cluster: Arc::clone(self), pool: Arc::clone(pool) })
    }

    /// Takes in which endpoints there are.
    pub(crate) fn follow(&self, addresses: &BTreeSet<SocketAddr>) {
        let mut endpoints = self.lock();
        endpoints.pools.retain(|address, pool| {
            let stays = addresses.contains(address);
            if !stays {
                debug!(upstream = self.name, endpoint = %address, "an endpoint is gone");
                pool.close();
            }
            stays
        });
        for &address in addresses {
            endpoints.pools.entry(address).or_insert_with(|| {
                debug!(upstream = self.name, endpoint = %address, "a new endpoint");
                let max_requests = self.settings.max_requests_per_connection;
                Arc::new(Pool::new(address, self.connector.clone(), max_requests))
            });
        }
        endpoints.detector.follow(addresses);
        self.tell(&endpoints);
    }

    /// Brings back those whose ejection is over.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut endpoints = self.lock();
        let back = endpoints.detector.sweep(now);
        self.tell(&endpoints);
        drop(endpoints);
        for endpoint in back {
            info!(upstream = self.name, %endpoint, "an ejected endpoint is back");
        }
    }

    /// Closes connections that were not used for long.
    pub(crate) fn tidy(&self, now: Instant) {
        let pools: Vec<_> = self.lock().pools.values().cloned().collect();
        for pool in pools {
            pool.tidy(now);
        }
    }

    fn report(&self, pool: &Arc<Pool>, outcome: Outcome) {
        let address = pool.address();
        let mut endpoints = self.lock();
        // An endpoint that has gone, and come again under its address, has nothing to do with what was before.
        if !endpoints.pools.get(&address).is_some_and(|current| Arc::ptr_eq(current, pool)) {
            return;
        }
        let verdict = endpoints.detector.report(address, outcome, Instant::now());
        if verdict != Verdict::Unchanged {
            self.tell(&endpoints);
        }
        drop(endpoints);
        match verdict {
            Verdict::Unchanged => {}
            Verdict::Ejected(time) => {
                self.numbers.ejections.increment(1);
                warn!(upstream = self.name, endpoint = %address, ?time, "an endpoint is ejected");
            }
            Verdict::Spared => {
                self.numbers.spared.increment(1);
                // As often as requests fail, so a line each would be too many.
                debug!(upstream = self.name, endpoint = %address, "not ejected, for too many are");
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "there are fewer than 2^52 endpoints")]
    fn tell(&self, endpoints: &Endpoints) {
        self.numbers.endpoints.set(endpoints.pools.len() as f64);
        self.numbers.ejected.set(endpoints.detector.ejected() as f64);
    }

    fn lock(&self) -> MutexGuard<'_, Endpoints> {
        // Nothing is left half-changed where a panic could happen.
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn active(pool: &Pool) -> usize {
    pool.active().load(Ordering::Relaxed)
}

impl Flight {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Tells what came of the request.
    pub(crate) fn report(&self, outcome: Outcome) {
        self.cluster.report(&self.pool, outcome);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.pool.active().fetch_sub(1, Ordering::Relaxed);
    }
}
