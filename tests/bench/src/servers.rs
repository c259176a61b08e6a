//! Kafka and PostgreSQL of the benchmark's own, on loopback, with all their files in one directory that goes with them.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, path::Path};

use ::tests::{
    database::Database,
    kafka::Kafka,
    platform::{Platform, Setup},
};
use anyhow::{Result, anyhow};
use local::{Binaries, Cache, Progress};
use tempfile::TempDir;

/// The partitions that the operator gives each topic.
const PARTITIONS: i32 = 12;

/// The servers. They end with this value.
pub(crate) struct Servers {
    pub(crate) kafka: local::Kafka,
    pub(crate) postgres: local::Postgres,
    // After the servers, which write there to their end.
    directory: TempDir,
}

impl Servers {
    /// Starts them. PostgreSQL confirms a commit when it is on the disk: for the services and for pgbench alike.
    ///
    /// # Errors
    /// When one does not start, with the end of its log.
    pub(crate) fn start(progress: &Progress) -> Result<Self> {
        let binaries = Binaries::build(&Cache::open()?, progress)?;
        let directory = tempfile::Builder::new().prefix("foodplatform-bench-").tempdir()?;
        // PostgreSQL's own user must reach its directory in there.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
        let address = Ipv4Addr::LOCALHOST.into();
        Ok(Self {
            kafka: local::Kafka::start(&binaries, &directory.path().join("kafka"), address)?,
            postgres: local::Postgres::start_durable(&directory.path().join("postgresql"), address)?,
            directory,
        })
    }

    /// Where files of a run may lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(self.postgres.url())
    }

    /// Writes out what was measured before, so that it is not written out during the next measurement.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        self.database().execute("CHECKPOINT").await.map_err(|error| anyhow!(error))
    }

    /// Makes the topics of a platform, for many to look at. Gives what their names begin with.
    pub(crate) async fn topics(&self) -> String {
        let prefix = "all.".to_owned();
        Kafka::new(self.kafka.bootstrap_servers()).create_topics(&prefix, 1, None).await;
        prefix
    }

    /// A new platform, whose kitchen and courier finish at once.
    pub(crate) async fn platform(&self) -> Platform {
        self.platform_with(Setup::default()).await
    }

    /// A new platform with as many partitions as the operator makes.
    pub(crate) async fn platform_with(&self, setup: Setup) -> Platform {
        let setup = Setup { partitions: PARTITIONS, ..setup };
        Platform::start_on(setup, Kafka::new(self.kafka.bootstrap_servers()), self.database()).await
    }
}
