//! A real Kubernetes on one Linux machine without a container engine, with the Apache Kafka and PostgreSQL that the
//! platform needs beside it; and each of these alone, on loopback, for tests.
//!
//! * [`Cluster`]: everything, in Linux namespaces of its own, so that taking it down leaves nothing behind.
//! * [`ControlPlane`]: etcd, kube-apiserver and kube-controller-manager, for tests that need no pods.
//! * [`Kafka`], [`Postgres`]: servers that a test may kill, pause and restart with the same data.
//!
//! Everything here blocks: call it from a plain thread, or from `tokio::task::spawn_blocking`.

mod addons;
mod architecture;
mod archive;
mod argo_cd;
mod binaries;
mod cache;
mod checkers;
mod cluster;
mod compile;
mod component;
mod control_plane;
mod daemon;
mod dependencies;
mod exec;
mod image_builder;
mod images;
mod instance;
mod kafka;
mod kafka_security;
mod leftovers;
mod licenses;
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
mod schemas;
mod source;
mod wait;

pub use architecture::Architecture;
pub use archive::{Compression, tar};
pub use argo_cd::{ArgoCd, ArgoCdSettings};
pub use binaries::{Binaries, helm};
pub use cache::Cache;
pub use checkers::{
    actionlint, argocd, argocd_definitions, cargo_deny, cargo_fuzz, check_jsonschema, cyclonus, helm4, istio,
    istio_definitions, kstatus, kubeconform, mdbook, prometheus, schemathesis, strimzi_definitions,
};
pub use cluster::{Cluster, Helpers};
pub use compile::{build_static, compile};
pub use control_plane::ControlPlane;
pub use daemon::Daemon;
pub use dependencies::{Dependencies, Package};
pub use exec::{follow, run, run_with_input};
pub use images::{Image, Images, SERVICES, Transport, load_program};
pub use instance::Instance;
pub use kafka::Kafka;
pub use kafka_security::SecureListener;
pub use licenses::write_licenses;
pub use lock::Lock;
pub use packages::{install_image_packages, install_packages};
pub use part::Part;
pub use postgres::{Postgres, pgbench};
pub use preflight::{require_root, require_space, require_tools};
pub use process::Server;
pub use progress::{Progress, Step};
pub use provisioner::provision;
pub use schemas::Schemas;
pub use source::{Commit, PACKAGE_VERSION, Source};
pub use wait::{until, until_some};

use std::path::Path;

/// The root of the project's working tree.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
