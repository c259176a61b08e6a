//! A platform under load, to which something happens, and what it is held to afterwards.

use std::{env, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tests::{
    database::Database,
    invariants::{check, dead_letters, read},
    platform::{Platform, Setup},
    process::Service,
    traffic::{self, Plan, Record, Settings},
};
use tokio::{task::JoinHandle, time::Instant};

use crate::servers::Servers;

/// What two cores take with debug binaries, and some room for what happens to them.
const ORDERS_PER_SECOND: u32 = 50;
/// How long the platform may take to come to rest when the load has ended.
const REST: Duration = Duration::from_secs(60);

/// The platform of a trial: two processes of each service, and times in which much may happen.
pub(crate) fn setup() -> Setup {
    Setup { cooking_time: "200ms..3s", delivery_time: "100ms..500ms", replicas: 2, ..Setup::default() }
}

/// A platform with two processes of each service, under load.
pub(crate) struct Trial {
    // Dropped first: it takes its topics and schemas away.
    pub(crate) platform: Platform,
    pub(crate) servers: Servers,
    /// For what the test itself draws.
    pub(crate) rng: StdRng,
    seed: u64,
    /// How many orders are placed altogether.
    orders: usize,
    load: JoinHandle<Record>,
    started: Instant,
}

impl Trial {
    /// Starts everything, with a load that lasts that many seconds.
    pub(crate) async fn start(seconds: u64) -> Self {
        Self::start_on(Servers::start(), setup(), seconds).await
    }

    /// The same on these servers, with a platform of that kind.
    pub(crate) async fn start_on(servers: Servers, setup: Setup, seconds: u64) -> Self {
        let seed: Option<u64> = env::var("FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
        println!("FAULT_SEED={seed}");
        let platform = Platform::start_on(setup, servers.kafka(), Database::new(servers.postgres.url())).await;
        let (orders_per_second, lasting) = (ORDERS_PER_SECOND, Duration::from_secs(seconds));
        let plan = Plan::new(&Settings { seed, orders_per_second, lasting, ..Settings::default() });
        let gateways = platform.gateways();
        let before = traffic::stock_up(&plan, &gateways).await.expect("menu items");
        let orders = plan.orders.len();
        let load = tokio::spawn(traffic::run(plan, gateways, before));
        let (rng, started) = (StdRng::seed_from_u64(seed), Instant::now());
        Self { platform, servers, rng, seed, orders, load, started }
    }

    /// Whether there is load still.
    pub(crate) fn is_loaded(&self) -> bool {
        !self.load.is_finished()
    }

    /// Says what happens, and when.
    pub(crate) fn say(&self, what: &str) {
        println!("{:5.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// Waits for a time between the two.
    pub(crate) async fn pause(&mut self, least: Duration, most: Duration) {
        let pause = self.rng.random_range(least..=most);
        tokio::time::sleep(pause).await;
    }

    /// The places of a service's processes among all.
    pub(crate) fn places(&self, service: Service) -> Vec<usize> {
        let processes = self.platform.processes().iter().enumerate();
        processes.filter(|(_, process)| process.plan().service == service).map(|(place, _)| place).collect()
    }

    /// The place of one of a service's processes.
    pub(crate) fn draw(&mut self, service: Service) -> usize {
        let places = self.places(service);
        places[self.rng.random_range(0..places.len())]
    }

    /// How many orders there are by now.
    pub(crate) async fn orders(&self) -> i64 {
        self.platform.rows(Service::Order, "orders").await.expect("PostgreSQL answers")
    }

    /// Waits for the end of the load and for rest, and holds the platform to its promises: nothing lost, nothing
    /// doubled, nothing stuck, nothing put aside, and nobody was told what isn't so.
    ///
    /// # Panics
    /// When it has broken one.
    pub(crate) async fn finish(self) -> Record {
        self.finish_with_dead_letters(0).await
    }

    /// The same, when so many messages had to be put aside.
    ///
    /// # Panics
    /// When it has broken a promise, or others were put aside.
    pub(crate) async fn finish_with_dead_letters(mut self, count: usize) -> Record {
        let record = (&mut self.load).await.expect("the load has no bug");
        self.say(&format!("the load has ended: {record}"));
        let quiet = self.platform.quiet();
        let seed = self.seed;
        let took = quiet.wait(REST).await.unwrap_or_else(|busy| panic!("FAULT_SEED={seed}: {busy}"));
        self.say(&format!("at rest after {:.1} s", took.as_secs_f64()));
        let mut world = read(&quiet.owners, record.told.clone()).await.expect("the owners answer");
        world.dead_letters = dead_letters(&quiet.kafka, &quiet.prefix);
        let report = check(&world);
        println!("{report}");
        // An order that waits for a dead letter would be excused.
        assert!(report.holds() && report.apart.len() == count, "FAULT_SEED={seed}, {count} dead letters:\n{report}");
        assert!(record.complaints.is_empty(), "FAULT_SEED={seed}: {:#?}", record.complaints);
        assert!(record.unknown.is_empty(), "FAULT_SEED={seed}: no answer to {:#?}", record.unknown);
        let told = &record.told;
        assert_eq!(told.accepted.len(), self.orders, "FAULT_SEED={seed}: some orders were never placed");
        // Otherwise little was tried of what could go wrong.
        assert!(!told.cancelled.is_empty(), "FAULT_SEED={seed}: no order was cancelled");
        record
    }
}
