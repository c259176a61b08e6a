//! Where the servers are that a test needs. `cargo xtask test` starts them and says so in the environment.

use std::{env, path::PathBuf};

/// The bootstrap servers of the Kafka cluster that tests may create topics in, as seen from this machine.
pub fn kafka() -> String {
    required("TEST_KAFKA")
}

/// The URL of the PostgreSQL database that tests may create schemas in, as seen from this machine.
pub fn database_url() -> String {
    required("TEST_DATABASE_URL")
}

/// The kubeconfig of a cluster with the operator and the quickstart in it.
pub fn kubeconfig() -> PathBuf {
    required("TEST_KUBECONFIG").into()
}

/// The kubectl of that cluster.
pub fn kubectl() -> PathBuf {
    required("TEST_KUBECTL").into()
}

/// The base URL of the quickstart's gateway as seen from this machine.
pub fn gateway() -> String {
    required("TEST_GATEWAY").trim_end_matches('/').to_owned()
}

/// The audit log of the cluster's API server.
pub fn audit_log() -> PathBuf {
    required("TEST_AUDIT_LOG").into()
}

/// The command of Schemathesis.
pub fn schemathesis() -> PathBuf {
    required("TEST_SCHEMATHESIS").into()
}

fn required(name: &str) -> String {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    value.unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`, which starts what the tests need"))
}
