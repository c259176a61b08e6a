//! A platform under load, to which something happens, and what it is held to afterwards.

use std::{env, fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, time::Duration};

use local::{Binaries, Cache, Postgres, Progress};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tests::{
    database::Database,
    invariants::{Report, check, dead_letters, read},
    kafka::Kafka,
    platform::{Platform, Setup},
    process::Service,
    traffic::{self, Plan, Record, Settings},
};
use tokio::{task::JoinHandle, time::Instant};

/// How long the platform may take to come to rest when the load has ended.
const REST: Duration = Duration::from_secs(60);
const REPLICAS: u8 = 2;

/// A platform with two processes of each service, under load.
pub(crate) struct Trial {
    // Dropped first: it takes its topics and schemas away.
    pub(crate) platform: Platform,
    pub(crate) servers: Servers,
    /// For what the test itself draws.
    pub(crate) rng: StdRng,
    seed: u64,
    load: JoinHandle<Record>,
    started: Instant,
}

/// What a trial ended with.
pub(crate) struct Outcome {
    pub(crate) record: Record,
    pub(crate) report: Report,
}

impl Trial {
    /// Starts everything, with a load that lasts that many seconds.
    pub(crate) async fn start(seconds: u64) -> Self {
        let seed: Option<u64> = env::var("FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
        println!("FAULT_SEED={seed}");
        let servers = tokio::task::block_in_place(Servers::start);
        let setup =
            Setup { cooking_time: "200ms..3s", delivery_time: "100ms..500ms", replicas: REPLICAS, ..Setup::default() };
        let (kafka, database) = (servers.kafka.bootstrap_servers(), servers.postgres.url());
        let platform = Platform::start_on(setup, Kafka::new(kafka), Database::new(database)).await;
        let lasting = Duration::from_secs(seconds);
        let plan = Plan::new(&Settings { seed, orders_per_second: 15, lasting, ..Settings::default() });
        let gateways = platform.gateways();
        let before = traffic::stock_up(&plan, &gateways).await.expect("menu items");
        let load = tokio::spawn(traffic::run(plan, gateways, before));
        Self { platform, servers, rng: StdRng::seed_from_u64(seed), seed, load, started: Instant::now() }
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

    /// Waits for the end of the load and for rest, and holds the platform to its promises: nothing lost, nothing
    /// doubled, nothing stuck, and nobody was told what isn't so.
    ///
    /// # Panics
    /// When it has broken one.
    pub(crate) async fn finish(mut self) -> Outcome {
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
        assert!(report.holds(), "FAULT_SEED={seed}:\n{report}");
        assert!(record.complaints.is_empty(), "FAULT_SEED={seed}: {:#?}", record.complaints);
        assert!(record.unknown.is_empty(), "FAULT_SEED={seed}: no answer to {:#?}", record.unknown);
        Outcome { record, report }
    }
}

/// A Kafka and a PostgreSQL that the test may do anything to.
pub(crate) struct Servers {
    pub(crate) kafka: local::Kafka,
    pub(crate) postgres: Postgres,
    _directory: TempDir,
}

impl Servers {
    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("foodplatform-fault-").tempdir().expect("a directory");
        // PostgreSQL's own user must reach its directory in there.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).expect("our own directory");
        // `cargo xtask test` has built what there is to build.
        let binaries = Cache::open().and_then(|cache| Binaries::build(&cache, &Progress::new())).expect("binaries");
        let address = Ipv4Addr::LOCALHOST.into();
        let postgres = Postgres::start(&directory.path().join("postgresql"), address).expect("PostgreSQL");
        let kafka = local::Kafka::start(&binaries, &directory.path().join("kafka"), address).expect("Kafka");
        Self { kafka, postgres, _directory: directory }
    }
}
