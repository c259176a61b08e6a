//! Where the servers are that a test needs. `cargo xtask test` starts them and says so in the environment.

use std::{env, path::PathBuf};

/// The bootstrap servers of the Kafka cluster that tests may create topics in, as seen from this machine.
pub fn kafka() -> String {
    required("TEST_KAFKA")
}

/// The same cluster's listener at which clients have to prove who they are, with TLS and SCRAM-SHA-512.
pub struct SecureKafka {
    /// Where it is.
    pub bootstrap_servers: String,
    /// The directory with `ca.crt`, which vouches for the brokers, and `client.crt` with `client.key` for clients.
    pub certificates: PathBuf,
    /// A user that it knows.
    pub username: String,
    /// That user's password.
    pub password: String,
}

/// See [`SecureKafka`].
pub fn secure_kafka() -> SecureKafka {
    SecureKafka {
        bootstrap_servers: required("TEST_KAFKA_SECURE"),
        certificates: required("TEST_KAFKA_CERTIFICATES").into(),
        username: required("TEST_KAFKA_USERNAME"),
        password: required("TEST_KAFKA_PASSWORD"),
    }
}

/// The directory of Kafka's own jars.
pub fn kafka_jars() -> PathBuf {
    required("TEST_KAFKA_JARS").into()
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

/// Helm.
pub fn helm() -> PathBuf {
    required("TEST_HELM").into()
}

/// The directory of Argo CD's programs.
pub fn argo_cd() -> PathBuf {
    required("TEST_ARGOCD").into()
}

/// The base URL of the quickstart's gateway as seen from this machine.
pub fn gateway() -> String {
    required("TEST_GATEWAY").trim_end_matches('/').to_owned()
}

/// Another tag of the quickstart's images, which the cluster has, too.
pub fn next_image_tag() -> String {
    required("TEST_NEXT_IMAGE_TAG")
}

/// The registry that the cluster pulls from, by plain HTTP: HOST:PORT.
pub fn registry() -> String {
    required("TEST_REGISTRY")
}

/// An image that the cluster has: of a program that asks a service something, and prints what it answers.
pub fn stranger_image() -> String {
    required("TEST_STRANGER_IMAGE")
}

/// The name of the local cluster.
pub fn instance() -> String {
    required("TEST_INSTANCE")
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
