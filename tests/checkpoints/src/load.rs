//! A bounded load through the gateway, at a constant rate whatever the platform does: every request is sent once, and how
//! it was answered is kept.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::tests::{
    api::{Api, fresh, order_of, text},
    invariants::{Acceptance, Told},
    process::Service,
    wait,
};
use reqwest::Method;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{Stage, Timeline};

/// How long an answer is waited for: longer than the gateway itself waits.
const PATIENCE: Duration = Duration::from_secs(12);
/// Between two looks at the pods.
const LOOK: Duration = Duration::from_millis(500);
/// Requests under way at most: more than that is a failure of the platform, too.
const AT_ONCE: usize = 1_000;
/// The portions of each menu item: nobody is to find it empty.
const STOCK: i64 = 1_000;

/// How much is asked in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Orders placed.
    pub(crate) orders: u32,
    /// Orders' pages read.
    pub(crate) reads: u32,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) timeline: Timeline,
    /// The orders that were accepted.
    pub(crate) told: Told,
    /// What failed, with how often.
    pub(crate) failures: BTreeMap<String, usize>,
    /// How often which status was answered.
    pub(crate) statuses: BTreeMap<u16, usize>,
}

/// A load that is going on.
pub(crate) struct Load {
    started: Instant,
    shared: Arc<Mutex<Traffic>>,
    stop: CancellationToken,
    work: AbortOnDropHandle<()>,
    look: AbortOnDropHandle<()>,
}

impl Load {
    /// Starts it. `watched`: services whose pods are looked at meanwhile.
    ///
    /// # Panics
    /// When the platform takes no menu item.
    pub(crate) async fn start(stage: &Stage, rate: Rate, watched: &'static [Service]) -> Self {
        let api = stage.gateway.clone().within(PATIENCE);
        let mut menus = vec![];
        for _ in 0..4 {
            menus.push(api.menu_with_stock(STOCK).await);
        }
        let (started, stop) = (Instant::now(), CancellationToken::new());
        let shared = Arc::new(Mutex::new(Traffic::default()));
        let generator = Generator { api, menus, started, shared: Arc::clone(&shared), placed: AtomicUsize::new(0) };
        let work = tokio::spawn(Arc::new(generator).run(rate, stop.clone()));
        let look = tokio::spawn(look(stage.platform.clone(), watched, started, Arc::clone(&shared)));
        Self { started, shared, stop, work: AbortOnDropHandle::new(work), look: AbortOnDropHandle::new(look) }
    }

    /// Marks the moment at which something is done.
    pub(crate) fn mark(&self, what: impl Into<String>) {
        let mark = (self.started.elapsed(), what.into());
        self.shared.lock().expect("nobody panics while counting").timeline.marks.push(mark);
    }

    /// How many requests have been answered as they should be, and how many not.
    pub(crate) fn totals(&self) -> (usize, usize) {
        self.shared.lock().expect("nobody panics while counting").timeline.totals()
    }

    /// Waits until so many more requests have been answered.
    ///
    /// # Panics
    /// When that takes too long.
    pub(crate) async fn answers(&self, more: usize) {
        let (before, _) = self.totals();
        wait::until(&format!("{more} more answers"), PATIENCE + wait::SOON, async || {
            let (answered, failed) = self.totals();
            if answered >= before + more { Ok(()) } else { Err(format!("{answered} answered, {failed} failed")) }
        })
        .await;
    }

    /// Waits until so many more requests have come to their end, in whatever way.
    ///
    /// # Panics
    /// When that takes too long.
    pub(crate) async fn requests(&self, more: usize) {
        let of = |(answered, failed)| answered + failed;
        let before: usize = of(self.totals());
        wait::until(&format!("{more} more requests"), PATIENCE + wait::SOON, async || {
            let (answered, failed) = self.totals();
            if of((answered, failed)) >= before + more {
                Ok(())
            } else {
                Err(format!("{answered} answered, {failed} failed"))
            }
        })
        .await;
    }

    /// Ends it, and waits for what is under way.
    ///
    /// # Panics
    /// When the load itself has failed.
    pub(crate) async fn stop(self) -> Traffic {
        self.stop.cancel();
        self.work.await.expect("the load ends");
        drop(self.look);
        std::mem::take(&mut *self.shared.lock().expect("nobody panics while counting"))
    }
}

impl Traffic {
    /// That every request was answered as it should be, or what was not.
    pub(crate) fn without_failure(&self) -> Result<usize, String> {
        let (answered, failed) = self.timeline.totals();
        if failed > 0 {
            return Err(format!("{failed} of {} requests failed: {}", answered + failed, self.why()));
        }
        if answered == 0 { Err("no request was answered".to_owned()) } else { Ok(answered) }
    }

    /// That every request that was not answered as it should be was answered with that status, and that there are such.
    pub(crate) fn failed_with(&self, status: u16) -> Result<usize, String> {
        let wanted = format!(": {status} ");
        if self.failures.keys().any(|what| !what.contains(&wanted)) {
            return Err(format!("not each failure is a {status}: {}", self.why()));
        }
        let (_, failed) = self.timeline.totals();
        if failed == 0 { Err(format!("no request was answered with {status}")) } else { Ok(failed) }
    }

    /// What failed, in one line.
    pub(crate) fn why(&self) -> String {
        self.failures.iter().map(|(what, count)| format!("{what} x {count}")).collect::<Vec<_>>().join("; ")
    }
}

struct Generator {
    api: Api,
    menus: Vec<String>,
    started: Instant,
    shared: Arc<Mutex<Traffic>>,
    placed: AtomicUsize,
}

impl Generator {
    async fn run(self: Arc<Self>, rate: Rate, stop: CancellationToken) {
        let mut ticks = interval(Duration::from_secs(1) / (rate.orders + rate.reads).max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        // Orders are spread evenly among the reads, beginning with one.
        let mut credit = rate.reads;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            credit += rate.orders;
            let places = credit >= rate.orders + rate.reads;
            if places {
                credit -= rate.orders + rate.reads;
            }
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= AT_ONCE {
                self.failed(self.started.elapsed(), format!("more than {AT_ONCE} requests are under way"));
                continue;
            }
            let this = Arc::clone(&self);
            under_way.spawn(async move { if places { this.place().await } else { this.read().await } });
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn place(&self) {
        let at = self.started.elapsed();
        let number = self.placed.fetch_add(1, Ordering::Relaxed);
        let (menu, key) = (&self.menus[number % self.menus.len()], fresh());
        let request = self.api.request(Method::POST, "/orders").header("Idempotency-Key", &key);
        let answer = self.api.try_send(request.json(&order_of(menu, 1))).await;
        match answer {
            Ok(answer) if matches!(answer.status, 201 | 202) => {
                let how = if answer.status == 201 { Acceptance::Placed } else { Acceptance::Deferred };
                let id = text(&answer.body, "orderId").parse().expect("an order's id");
                self.answered(at, answer.status, |traffic| {
                    traffic.told.accepted.insert(id, how);
                });
            }
            Ok(answer) => self.failed(at, format!("POST /orders: {} {}", answer.status, text(&answer.body, "detail"))),
            Err(error) => self.failed(at, format!("POST /orders: no answer: {}", last_cause(&error))),
        }
    }

    async fn read(&self) {
        let at = self.started.elapsed();
        match self.api.try_send(self.api.request(Method::GET, "/mypages?customerId=ann&limit=5")).await {
            Ok(answer) if answer.status == 200 => self.answered(at, 200, |_| {}),
            Ok(answer) => self.failed(at, format!("GET /mypages: {} {}", answer.status, text(&answer.body, "detail"))),
            Err(error) => self.failed(at, format!("GET /mypages: no answer: {}", last_cause(&error))),
        }
    }

    fn answered(&self, at: Duration, status: u16, note: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.shared.lock().expect("nobody panics while counting");
        traffic.timeline.count(at, false);
        *traffic.statuses.entry(status).or_default() += 1;
        note(&mut traffic);
    }

    fn failed(&self, at: Duration, why: String) {
        let mut traffic = self.shared.lock().expect("nobody panics while counting");
        traffic.timeline.count(at, true);
        *traffic.failures.entry(why).or_default() += 1;
    }
}

/// The end of an error's chain, which says why.
fn last_cause(error: &str) -> &str {
    error.rsplit("source: ").next().unwrap_or(error)
}

/// Looks at the pods of services, until it is dropped.
async fn look(
    platform: ::tests::cluster::Platform,
    watched: &'static [Service],
    started: Instant,
    shared: Arc<Mutex<Traffic>>,
) {
    let deployments = platform.cluster.namespaced::<k8s_openapi::api::apps::v1::Deployment>(&platform.namespace);
    loop {
        for &service in watched {
            let Ok(Some(deployment)) = deployments.get_opt(&platform.child(service)).await else { continue };
            let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or_default();
            let seen = (started.elapsed(), usize::try_from(ready).unwrap_or_default());
            let mut traffic = shared.lock().expect("nobody panics while counting");
            traffic.timeline.pods.entry(service).or_default().push(seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_of_another_kind_is_seen() {
        let mut traffic = Traffic::default();
        traffic.failed_with(503).unwrap_err();
        let fail = |traffic: &mut Traffic, why: &str| {
            traffic.timeline.count(Duration::ZERO, true);
            *traffic.failures.entry(why.to_owned()).or_default() += 1;
        };
        fail(&mut traffic, "POST /orders: 503 The database is away.");
        fail(&mut traffic, "GET /mypages: 503 The mypage service is ill. Nothing was done.");
        assert_eq!(traffic.failed_with(503), Ok(2));
        fail(&mut traffic, "GET /mypages: no answer: timed out");
        traffic.failed_with(503).unwrap_err();
    }
}
