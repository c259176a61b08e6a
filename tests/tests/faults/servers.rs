//! The servers of one trial.

use std::{collections::BTreeSet, fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, thread};

use local::{Binaries, Cache, Postgres, Progress};
use tempfile::TempDir;
use tests::{
    kafka::{Kafka, OFFSETS},
    wait,
};

/// A Kafka and a PostgreSQL that the test may do anything to.
pub(crate) struct Servers {
    pub(crate) kafka: local::Kafka,
    /// A broker beside Kafka's first node.
    pub(crate) second: Option<local::Kafka>,
    pub(crate) postgres: Postgres,
    binaries: Binaries,
    // After the servers, which write there to their end.
    directory: TempDir,
}

impl Servers {
    /// Starts both.
    pub(crate) fn start() -> Self {
        tokio::task::block_in_place(|| {
            let directory = tempfile::Builder::new().prefix("foodplatform-fault-").tempdir().expect("a directory");
            // PostgreSQL's own user must reach its directory in there.
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).expect("our own directory");
            // `cargo xtask test` has built what there is to build.
            let binaries = Cache::open().and_then(|cache| Binaries::build(&cache, &Progress::new())).expect("binaries");
            let (address, files) = (Ipv4Addr::LOCALHOST.into(), directory.path());
            let (kafka, postgres) = thread::scope(|scope| {
                let postgres = scope.spawn(|| Postgres::start(&files.join("postgresql"), address));
                let kafka = local::Kafka::start(&binaries, &files.join("kafka"), address);
                (kafka.expect("Kafka"), postgres.join().expect("no panic").expect("PostgreSQL"))
            });
            Self { kafka, second: None, postgres, binaries, directory }
        })
    }

    /// Starts both, and a second broker. Groups have their coordinators on the first.
    pub(crate) async fn start_with_two_brokers() -> Self {
        let mut servers = Self::start();
        let (kafka, offsets) = (servers.kafka(), [OFFSETS.to_owned()]);
        // As long as there is no other broker that Kafka could choose.
        wait::until("a topic for groups' offsets", wait::SOON, async || {
            kafka.create_offsets()?;
            wait::equals(kafka.leaders(&offsets)?, BTreeSet::from([1]))
        })
        .await;
        let second = tokio::task::block_in_place(|| {
            let directory = servers.directory.path().join("kafka-second");
            servers.kafka.start_second(&servers.binaries, &directory).expect("a second broker")
        });
        servers.second = Some(second);
        wait::until("two brokers", wait::SOON, async || wait::equals(kafka.brokers()?, BTreeSet::from([1, 2]))).await;
        assert_eq!(kafka.leaders(&offsets), Ok(BTreeSet::from([1])));
        servers
    }

    /// The Kafka cluster, for its clients.
    pub(crate) fn kafka(&self) -> Kafka {
        let brokers = [Some(&self.kafka), self.second.as_ref()];
        let addresses: Vec<_> = brokers.into_iter().flatten().map(local::Kafka::bootstrap_servers).collect();
        Kafka::new(addresses.join(","))
    }
}
