//! The project's commands. Each is thin: the local cluster, Kafka, PostgreSQL and images are the `local` crate's work.

mod alerts;
mod bench;
mod charts;
mod checkpoints;
mod conditions;
mod crds;
mod docs;
mod down;
mod forward;
mod fuzz;
mod images;
mod invariants;
mod lint;
mod measure;
mod openapi;
mod orders;
mod pages;
mod platform;
#[cfg(test)]
mod project;
mod release;
mod target;
mod test;
mod up;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use local::Instance;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the platform up, from whatever is there, and follow an order to its delivery
    ///
    /// On the local cluster it installs, builds and starts what is missing and leaves alone what is up: run it again after a
    /// change. On the current kubeconfig's cluster it builds images, pushes them to --registry, and installs the same.
    Up {
        /// The cluster to use
        #[arg(long, value_enum, default_value_t = Place::Local)]
        cluster: Place,
        /// Where the current cluster pulls images from, for instance ghcr.io/you
        #[arg(long, required_if_eq("cluster", "current"))]
        registry: Option<String>,
        /// Stop when the local cluster, Kafka and PostgreSQL are ready
        #[arg(long, conflicts_with = "registry")]
        bare: bool,
    },
    /// Take the local cluster down and leave nothing of it, but the cache of what was built
    Down {
        /// The cluster of the tests instead
        #[arg(long)]
        test: bool,
    },
    /// Print the path of the local cluster's kubeconfig
    Kubeconfig,
    /// Build the six images, as archives in dist/images or into a registry
    ///
    /// What the programs call themselves comes from git: 1.2.3 at the tag v1.2.3, 1.2.3-4-gCOMMIT four commits later, and
    /// -dirty where files differ from that. FOODPLATFORM_VERSION in the environment takes its place.
    Images {
        #[command(flatten)]
        settings: images::Settings,
    },
    /// Build everything that a version is given out as into dist/release, with checksums
    ///
    /// Programs for each architecture with their licences, images as OCI archives, the chart, install.yaml, the definition,
    /// SBOMs, provenance and SHA256SUMS. The commit has to be tagged v1.2.3, with 1.2.3 the version in Cargo.toml, and
    /// CHANGELOG.md has to have a section for it; --snapshot tries things out at any other commit. The same commit makes the
    /// same files on the same machine.
    Release {
        #[command(flatten)]
        settings: release::Settings,
    },
    /// Write crds/ from the operator's code
    Crds {
        /// Write nothing; fail when crds/ differs from the code
        #[arg(long)]
        check: bool,
    },
    /// Write docs/src/openapi/, and docs/src/apis.md about it, from the services' code
    Openapi {
        /// Write nothing; fail when docs/src/openapi/ differs from the code
        #[arg(long)]
        check: bool,
    },
    /// Write docs/src/asyncapi.json, and docs/src/events.md about it: the events on the topics, from the services' code
    Asyncapi {
        /// Write nothing; fail when the file differs from the code
        #[arg(long)]
        check: bool,
    },
    /// Make the documentation's pages, in target/book
    ///
    /// It fails where a link leads nowhere.
    Docs,
    /// Run the tests, each layer on the real thing, and clean up
    Test {
        /// Only these layers; all of them by default
        #[arg(value_enum)]
        layers: Vec<test::Layer>,
        /// Of the layers api, services, faults and cluster, only the tests whose names hold this
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        /// Of the layer pure, only the tests of these packages
        #[arg(long, value_name = "PACKAGE")]
        package: Vec<String>,
    },
    /// Hold what others read against what they take: the pipelines' files and the Helm charts
    ///
    /// The charts are tried with Helm 3 and 4, for each release of Kubernetes that they are for, and Prometheus reads the alerts
    /// and dashboards.
    Lint,
    /// Check that the platform on the local cluster has lost nothing, doubled nothing and left nothing undone
    ///
    /// It waits until the platform is at rest (outboxes empty, no lag, nothing pending), reads what each service has, and holds
    /// it against the invariants I1 to I6.
    Invariants,
    /// Show on the local cluster, under load, that the platform stands up to what happens to it
    ///
    /// It brings up what is missing, and writes a page with plots and with what kubectl shows.
    Checkpoints {
        #[command(flatten)]
        settings: checkpoints::Settings,
    },
    /// Measure a run on the local cluster and write the numbers into README.md
    Measure {
        /// Start from empty caches first: some 20 minutes more
        #[arg(long)]
        cold: bool,
    },
    /// Measure how many orders the services take, how fast, and at what cost, all on this machine
    Bench {
        /// What to measure
        #[arg(value_enum)]
        part: bench::Part,
        #[command(flatten)]
        settings: bench::Settings,
    },
    /// Serve claims on the local cluster (started by `up`)
    #[command(hide = true)]
    Provision {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        volumes: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// Kubernetes on this machine, without a container engine
    Local,
    /// The cluster of the current kubeconfig: kind, minikube, EKS, …
    Current,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { cluster: Place::Local, bare, .. } => up::local(&Instance::dev(), bare),
        Command::Up { cluster: Place::Current, registry, .. } => up::current(&registry.unwrap_or_default()),
        Command::Down { test } => down::down(&if test { Instance::test() } else { Instance::dev() }),
        Command::Kubeconfig => {
            println!("{}", Instance::dev().kubeconfig().display());
            Ok(())
        }
        Command::Images { settings } => images::build(&settings),
        Command::Release { settings } => release::run(&settings),
        Command::Crds { check } => crds::write(check),
        Command::Openapi { check } => openapi::write(check),
        Command::Asyncapi { check } => openapi::write_asyncapi(check),
        Command::Docs => docs::build(),
        Command::Test { layers, only, package } => test::run(&layers, &borrowed(&only), &borrowed(&package)),
        Command::Lint => lint::run(),
        Command::Invariants => invariants::check(&Instance::dev()),
        Command::Checkpoints { settings } => checkpoints::run(&Instance::dev(), settings),
        Command::Measure { cold } => measure::measure(cold),
        Command::Bench { part, settings } => bench::run(part, settings),
        Command::Provision { kubeconfig, volumes } => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(local::provision(&kubeconfig, &volumes)),
    }
}

fn borrowed(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}
