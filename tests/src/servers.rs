//! Where the servers are that a test needs. `cargo xtask test` starts them and says so in the environment.

use std::{env, path::PathBuf};

/// The bootstrap servers of a Kafka cluster that tests may create topics in.
pub fn kafka() -> String {
    required("TEST_KAFKA", "services")
}

/// The URL of a PostgreSQL database that tests may create schemas in.
pub fn database_url() -> String {
    required("TEST_DATABASE_URL", "services")
}

/// The kubeconfig of a cluster with the operator and the quickstart in it.
pub fn kubeconfig() -> PathBuf {
    required("TEST_KUBECONFIG", "cluster").into()
}

/// The base URL of the quickstart's gateway as seen from this machine.
pub fn gateway() -> String {
    required("TEST_GATEWAY", "cluster").trim_end_matches('/').to_owned()
}

/// The audit log of the cluster's API server.
pub fn audit_log() -> PathBuf {
    required("TEST_AUDIT_LOG", "cluster").into()
}

fn required(name: &str, suite: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| {
        panic!("{name} is not set: run `cargo xtask test {suite}`, which starts what these tests need")
    })
}
