//! A real Kubernetes on one Linux machine without a container engine, with the Apache Kafka and PostgreSQL that the
//! platform needs beside it; and each of these alone, on loopback, for tests.
//!
//! * [`Cluster`]: everything, in Linux namespaces of its own, so that taking it down leaves nothing behind.
//! * [`ControlPlane`]: etcd, kube-apiserver and kube-controller-manager, for tests that need no pods.
//! * [`Kafka`], [`Postgres`]: servers that a test may kill, pause and restart with the same data.
//!
//! Everything here blocks: call it from a plain thread, or from `tokio::task::spawn_blocking`.

mod addons;
mod binaries;
mod cache;
mod checkers;
mod cluster;
mod component;
mod control_plane;
mod daemon;
mod exec;
mod images;
mod instance;
mod kafka;
mod kafka_security;
mod leftovers;
mod lock;
mod manifests;
mod network;
mod node;
mod packages;
mod part;
mod pki;
mod postgres;
mod preflight;
mod process;
mod program;
mod progress;
mod provisioner;
mod registry;
mod sandbox;
mod wait;

pub use binaries::Binaries;
pub use cache::Cache;
pub use checkers::{
    actionlint, cargo_fuzz, check_jsonschema, cyclonus, istio, kafka_topic_definition, mdbook, schemathesis,
};
pub use cluster::{Cluster, Helpers};
pub use control_plane::ControlPlane;
pub use daemon::Daemon;
pub use exec::{follow, run, run_with_input};
pub use images::{Image, Images, SERVICES, Transport, build_static, load_program};
pub use instance::Instance;
pub use kafka::Kafka;
pub use kafka_security::SecureListener;
pub use lock::Lock;
pub use packages::install_packages;
pub use part::Part;
pub use postgres::{Postgres, pgbench};
pub use preflight::{require_root, require_space, require_tools};
pub use process::Server;
pub use progress::{Progress, Step};
pub use provisioner::provision;
pub use wait::{until, until_some};

use std::path::Path;

/// The root of the project's working tree.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
