//! The whole platform under load: what it takes, what it leaves to do, and how long its customers wait.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ::tests::{metrics::Metrics, platform::Platform, process::Service};
use anyhow::{Context, Result, anyhow, ensure};
use contract::Topic;

use crate::{
    arrivals::Arrivals,
    backlog::{self, History},
    load::Load,
    orders::Orders,
    pages::Pages,
    servers::Servers,
    sustained::{STEP, STEPS, Search, Step},
    tally::{Tally, Times},
    usage,
};

/// Numbers of connections that are tried to find the one that takes the most.
const RAMP: [usize; 4] = [16, 32, 64, 128];
/// Of the open loops: enough that a slow answer holds back no other request.
const OPEN_CONNECTIONS: usize = 128;
/// How often pages are read while orders saturate.
const READS_PER_SECOND: f64 = 100.0;
/// How often orders are placed when the way from one end to the other is measured.
const ORDERS_PER_SECOND: f64 = 200.0;
/// Of so many of these orders one page is looked for: looking costs something, too.
const SAMPLE: u64 = 20;
/// More orders in a second than this machine takes: stock is made for them.
const MOST_ORDERS_PER_SECOND: u64 = 5000;

/// A platform that is measured.
pub(crate) struct Pipeline<'a> {
    servers: &'a Servers,
    platform: Platform,
    orders: Arc<Orders>,
    lasting: Duration,
    connections: usize,
    /// Resident, in MB, before the first request.
    idle: Vec<f64>,
}

/// Orders taken as fast as they go through.
pub(crate) struct Saturation {
    pub(crate) tally: Tally,
    pub(crate) backlog: History,
    /// By process, what it has used until nothing was left to do.
    pub(crate) cpu: Vec<(String, Duration)>,
}

impl Saturation {
    /// Orders in a second, until all that they brought was done.
    pub(crate) fn through(&self) -> f64 {
        self.tally.successes() as f64 / (self.tally.took + self.backlog.drained).as_secs_f64()
    }
}

/// How long it takes from one end to the other.
pub(crate) struct Paths {
    pub(crate) tally: Tally,
    pub(crate) delivery: Times,
    pub(crate) page: Times,
}

impl<'a> Pipeline<'a> {
    /// Starts the platform, looks what it holds when idle, and fills its stock.
    pub(crate) async fn start(servers: &'a Servers, lasting: Duration) -> Result<Self> {
        let platform = servers.platform().await;
        let idle = memory(&platform).await?;
        // Three loads, two of half their time, the steps and the ramp, with some to spare.
        let seconds = (5 * lasting + STEPS * STEP).as_secs() + 30;
        let orders = Orders::stock_up(&platform.api, MOST_ORDERS_PER_SECOND * seconds).await?;
        Ok(Self { servers, platform, orders, lasting, connections: RAMP[0], idle })
    }

    /// Finds the number of connections that takes the most orders in a second; this also warms everything up.
    pub(crate) async fn ramp(&mut self) -> Result<usize> {
        let (lasting, mut best) = ((self.lasting / 5).max(Duration::from_secs(2)), 0.0);
        for connections in RAMP {
            let tally = self.load(Service::Gateway, connections).closed(lasting).await;
            if tally.rate() > best {
                (best, self.connections) = (tally.rate(), connections);
            }
        }
        self.rest().await?;
        Ok(self.connections)
    }

    /// Places orders through the gateway as fast as they go.
    pub(crate) async fn saturate(&mut self) -> Result<Saturation> {
        let before = self.cpu()?;
        let load = self.load(Service::Gateway, self.connections);
        let limit = self.patience();
        let (tally, backlog) = backlog::watch(self.platform.quiet(), limit, load.closed(self.lasting)).await?;
        let after = self.cpu()?;
        let cpu = before.into_iter().zip(after).map(|((name, before), (_, after))| (name, after - before)).collect();
        Ok(Saturation { tally, backlog, cpu })
    }

    /// The same past the gateway.
    pub(crate) async fn straight(&mut self) -> Result<Tally> {
        let tally = self.load(Service::Order, self.connections).closed(half_of(self.lasting)).await;
        self.rest().await?;
        Ok(tally)
    }

    /// Reads pages while orders saturate. Gives what the orders and what the reads were answered.
    pub(crate) async fn read(&mut self) -> Result<(Tally, Tally)> {
        let (known, gateway) = (self.orders.made(), self.address(Service::Gateway));
        let reads = Load { target: gateway, connections: OPEN_CONNECTIONS, make: self.orders.read(known) };
        let orders = self.load(Service::Gateway, self.connections);
        let lasting = half_of(self.lasting);
        let both = futures::join!(orders.closed(lasting), reads.open(READS_PER_SECOND, lasting));
        self.rest().await?;
        Ok(both)
    }

    /// Finds the highest rate that can go on, from what saturation has shown: more than that cannot be taken, and about
    /// as much as went through with all that it brought can. Says what came of each.
    pub(crate) async fn sustain(&mut self, saturation: &Saturation, said: impl Fn(&Step)) -> Result<Step> {
        let most = saturation.tally.rate();
        let mut search = Search::new(saturation.through(), most);
        for _ in 0..STEPS {
            let Some(rate) = search.next() else { break };
            let load = self.load(Service::Gateway, OPEN_CONNECTIONS);
            let watched = backlog::watch(self.platform.quiet(), self.patience(), load.open(rate, STEP));
            let (tally, backlog) = watched.await?;
            let step = Step::of(rate, STEP, &tally, &backlog);
            said(&step);
            search.learn(step);
            self.servers.checkpoint().await?;
        }
        search.best().with_context(|| format!("no rate can go on, of those up to {most:.0} orders/s"))
    }

    /// Places that many orders a second. Gives what was answered, and what was left to do at the end.
    pub(crate) async fn constant(&mut self, rate: f64) -> Result<(Tally, i64)> {
        let tally = self.load(Service::Gateway, OPEN_CONNECTIONS).open(rate, self.lasting).await;
        let left = self.rest().await?.at_end(Duration::ZERO);
        Ok((tally, left))
    }

    /// Places orders and waits for each one's delivery, and for the pages of some.
    pub(crate) async fn paths(&mut self) -> Result<Paths> {
        let topic = Topic::Delivery.name(&self.platform.prefix);
        let bootstrap = self.servers.kafka.bootstrap_servers();
        let arrivals = tokio::task::block_in_place(|| Arrivals::start(&bootstrap, &topic))?;
        let (pages, looked_for) = Pages::start(self.address(Service::Gateway));
        let sent: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
        let (log, orders) = (Arc::clone(&sent), Arc::clone(&self.orders));
        let make = self.orders.place_and(move |number, intended| {
            log.lock().unwrap_or_else(PoisonError::into_inner).push((number, intended));
            if number % SAMPLE == 0 {
                looked_for.look_for(orders.id(number), intended);
            }
        });
        let load = Load { target: self.address(Service::Gateway), connections: OPEN_CONNECTIONS, make };
        let tally = load.open(ORDERS_PER_SECOND, self.lasting).await;
        // With it goes the last who could ask for a page.
        drop(load);
        let page = pages.seen().await?;
        self.rest().await?;
        let arrived = tokio::task::block_in_place(|| arrivals.finish())?;
        let (mut delivery, mut missing) = (Times::default(), 0);
        for (number, intended) in sent.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            match arrived.get(self.orders.id(number).as_str()) {
                Some(at) => delivery.record(*at - intended),
                None => missing += 1,
            }
        }
        let troubles = tally.troubles().unwrap_or_default();
        ensure!(missing == 0, "{missing} of the orders placed had no delivery; {troubles}");
        Ok(Paths { tally, delivery, page })
    }

    /// By service, resident before the first request and now, in MB. Fails when some order found no stock: it would have
    /// been less work than others.
    pub(crate) async fn finish(&mut self) -> Result<Vec<(Service, f64, f64)>> {
        let query =
            format!("SELECT count(*) FROM {}.orders WHERE status = 'CANCELLED'", self.platform.schema(Service::Order));
        let cancelled = self.servers.database().number(&query).await.map_err(|error| anyhow!(error))?;
        ensure!(cancelled == 0, "{cancelled} orders found no stock: raise MOST_ORDERS_PER_SECOND in pipeline.rs");
        let services = self.platform.processes().iter().map(|process| process.plan().service);
        let now = memory(&self.platform).await?;
        Ok(services.zip(&self.idle).zip(now).map(|((service, idle), now)| (service, *idle, now)).collect())
    }

    fn load(&mut self, service: Service, connections: usize) -> Load {
        Load { target: self.address(service), connections, make: self.orders.place() }
    }

    fn address(&mut self, service: Service) -> SocketAddr {
        let plan = self.platform.process(service).plan();
        (plan.address, plan.port).into()
    }

    /// Waits until nothing is left to do, and until it is on the disk.
    async fn rest(&mut self) -> Result<History> {
        let history = backlog::drain(self.platform.quiet(), self.patience()).await?;
        self.servers.checkpoint().await?;
        Ok(history)
    }

    /// How long what a load has left may take.
    fn patience(&self) -> Duration {
        self.lasting * 10 + Duration::from_secs(60)
    }

    /// What each process has used so far.
    fn cpu(&self) -> Result<Vec<(String, Duration)>> {
        let services = self.platform.processes().iter();
        let mut pids: Vec<_> =
            services.map(|process| (process.plan().service.name().to_owned(), process.pid())).collect();
        pids.push(("PostgreSQL".to_owned(), self.servers.postgres.server.id()?));
        pids.push(("Kafka".to_owned(), self.servers.kafka.server.id()?));
        let mut used = vec![];
        for (name, pid) in pids {
            used.push((name, usage::cpu(pid)?));
        }
        used.push(("load".to_owned(), usage::cpu_of_this_process()?));
        Ok(used)
    }
}

/// How long what saturates again lasts, when loads last so long, in whole seconds: it leaves a lot to do.
pub(crate) fn half_of(lasting: Duration) -> Duration {
    Duration::from_secs((lasting.as_secs() / 2).max(2))
}

/// What each process holds, in MB.
async fn memory(platform: &Platform) -> Result<Vec<f64>> {
    let mut held = vec![];
    for process in platform.processes() {
        let metrics = Metrics::scrape(&process.admin("/metrics")).await.map_err(|error| anyhow!(error))?;
        held.push(metrics.get("process_resident_memory_bytes") / 1e6);
    }
    Ok(held)
}
