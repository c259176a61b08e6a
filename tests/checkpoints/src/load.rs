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
    sync::watch,
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
/// Menu items that are ordered in turn.
const MENUS: usize = 4;
/// The portions that one restock brings.
const STOCK: i64 = 1_000;
/// Restocks of each menu item: more than any load orders, for nobody is to find it empty.
const RESTOCKS: usize = 10;

/// Reads of what each service with data has to tell.
pub const EVERYTHING: &[Service] = &[Service::Order, Service::Cook, Service::Delivery, Service::Mypage];
/// Reads that need MyPage alone.
pub const PAGES: &[Service] = &[Service::Mypage];

/// How much is asked in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Orders placed.
    pub orders: u32,
    /// Lists read.
    pub reads: u32,
}

/// Enough to notice what fails.
pub(crate) const GENTLE: Rate = Rate { orders: 2, reads: 20 };

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// What happened when.
    pub timeline: Timeline,
    /// The orders that were accepted.
    pub told: Told,
    /// What failed, with how often.
    pub failures: BTreeMap<String, usize>,
    /// How often which status was answered.
    pub statuses: BTreeMap<u16, usize>,
}

/// A load that is going on.
pub struct Load {
    started: Instant,
    shared: Arc<Mutex<Traffic>>,
    rate: watch::Sender<Rate>,
    stop: CancellationToken,
    work: AbortOnDropHandle<()>,
    look: AbortOnDropHandle<()>,
}

impl Load {
    /// Starts it. `read`: services whose data is read, in turn. `watched`: services whose pods are looked at meanwhile.
    ///
    /// # Panics
    /// When the platform takes no menu item.
    pub async fn start(stage: &Stage, rate: Rate, read: &'static [Service], watched: &'static [Service]) -> Self {
        let api = stage.gateway.clone().within(PATIENCE);
        let mut menus = vec![];
        for _ in 0..MENUS {
            let menu = api.menu_with_stock(STOCK).await;
            for _ in 1..RESTOCKS {
                let restocked = api.restock(&menu, STOCK, &fresh()).await;
                assert!((200..300).contains(&restocked.status), "{}: {}", restocked.status, restocked.text);
            }
            menus.push(menu);
        }
        let (started, stop) = (Instant::now(), CancellationToken::new());
        let shared = Arc::new(Mutex::new(Traffic::default()));
        stage.follow(&shared);
        let (sender, receiver) = watch::channel(rate);
        let generator = Generator {
            api,
            menus,
            read,
            started,
            shared: Arc::clone(&shared),
            sent: [const { AtomicUsize::new(0) }; 2],
        };
        let work = AbortOnDropHandle::new(tokio::spawn(Arc::new(generator).run(receiver, stop.clone())));
        let look = tokio::spawn(look(stage.platform.clone(), watched, started, Arc::clone(&shared)));
        Self { started, shared, rate: sender, stop, work, look: AbortOnDropHandle::new(look) }
    }

    /// Goes on at another rate.
    pub(crate) fn change(&self, rate: Rate) {
        self.rate.send_replace(rate);
    }

    /// What has come of it so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.shared.lock().expect("nobody panics while counting").clone()
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
    pub async fn answers(&self, more: usize) {
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
    pub async fn stop(self) -> Traffic {
        self.stop.cancel();
        self.work.await.expect("the load ends");
        drop(self.look);
        self.shared.lock().expect("nobody panics while counting").clone()
    }
}

impl Traffic {
    /// That every request was answered as it should be. Gives how many there were.
    ///
    /// # Errors
    /// What was not.
    pub fn without_failure(&self) -> Result<usize, String> {
        let (answered, failed) = self.timeline.totals();
        if failed > 0 {
            return Err(format!("{failed} of {} requests failed: {}", answered + failed, self.why()));
        }
        if answered == 0 { Err("no request was answered".to_owned()) } else { Ok(answered) }
    }

    /// That moreover no order was only taken for later, which hides that order could not be reached.
    ///
    /// # Errors
    /// What was not so.
    pub fn without_deferral(&self) -> Result<usize, String> {
        let answered = self.without_failure()?;
        match self.statuses.get(&202) {
            Some(deferred) => Err(format!("{deferred} orders were only taken for later")),
            None => Ok(answered),
        }
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
    read: &'static [Service],
    started: Instant,
    shared: Arc<Mutex<Traffic>>,
    /// Orders and reads so far.
    sent: [AtomicUsize; 2],
}

impl Generator {
    async fn run(self: Arc<Self>, mut rate: watch::Receiver<Rate>, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        loop {
            let now = *rate.borrow_and_update();
            let mut ticks = interval(Duration::from_secs(1) / (now.orders + now.reads).max(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            // Orders are spread evenly among the reads, beginning with one.
            let mut credit = now.reads;
            loop {
                tokio::select! {
                    () = stop.cancelled() => {
                        while under_way.join_next().await.is_some() {}
                        return;
                    }
                    Ok(()) = rate.changed() => break,
                    _ = ticks.tick() => {}
                }
                credit += now.orders;
                let places = now.orders > 0 && credit >= now.orders + now.reads;
                if places {
                    credit -= now.orders + now.reads;
                }
                while under_way.try_join_next().is_some() {}
                if under_way.len() >= AT_ONCE {
                    self.failed(self.started.elapsed(), format!("more than {AT_ONCE} requests are under way"));
                    continue;
                }
                let this = Arc::clone(&self);
                under_way.spawn(async move { if places { this.place().await } else { this.read().await } });
            }
        }
    }

    async fn place(&self) {
        let at = self.started.elapsed();
        let number = self.sent[0].fetch_add(1, Ordering::Relaxed);
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
        let number = self.sent[1].fetch_add(1, Ordering::Relaxed);
        let path = list_of(self.read[number % self.read.len()]);
        match self.api.try_send(self.api.request(Method::GET, path)).await {
            Ok(answer) if answer.status == 200 => self.answered(at, 200, |_| {}),
            Ok(answer) => self.failed(at, format!("GET {path}: {} {}", answer.status, text(&answer.body, "detail"))),
            Err(error) => self.failed(at, format!("GET {path}: no answer: {}", last_cause(&error))),
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

/// What is read of a service.
pub(crate) const fn list_of(service: Service) -> &'static str {
    match service {
        Service::Order => "/orders?limit=5",
        Service::Cook => "/cooks?limit=5",
        Service::Delivery => "/deliveries?limit=5",
        Service::Mypage => "/mypages?customerId=ann&limit=5",
        Service::Gateway => "/",
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
    fn an_order_that_is_only_taken_for_later_is_seen() {
        let mut traffic = Traffic::default();
        traffic.without_deferral().unwrap_err();
        traffic.timeline.count(Duration::ZERO, false);
        traffic.statuses.insert(201, 1);
        assert_eq!(traffic.without_deferral(), Ok(1));
        traffic.statuses.insert(202, 1);
        traffic.without_deferral().unwrap_err();
    }

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
