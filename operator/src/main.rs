//! The operator's process.

use std::{collections::BTreeSet, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{ArgAction, Parser, Subcommand};
use foodplatform_operator::{
    check::Installation,
    client,
    controller::{self, Conditions},
    fence::Fence,
    health::{self, Readiness},
    leader::Election,
    metrics, telemetry,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{future::FutureExt as _, sync::CancellationToken};
use tracing::{error, info, warn};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// For reconciliations that have begun when the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// Between two rounds of looking after the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// What `--version` and the metrics say.
const VERSION: &str = version::version!();

/// Names that are looked up at the same time, on threads that no Kafka keeps from it.
const LOOKUPS: usize = 12;

/// Turns FoodPlatforms into everything that a food-delivery platform needs on Kubernetes
///
/// It runs until SIGTERM, most often in a pod that the Helm chart makes, with these options as variables of its environment. On a
/// person's machine it takes the current context of the kubeconfig, with that person's rights. The definition of FoodPlatforms
/// has to be in the cluster.
///
/// GET /readyz tells whether it knows all platforms, GET /healthz whether it moves, and GET /metrics is for Prometheus. What it
/// has done to a platform is in the platform's status and events; what keeps it from working is in its log.
#[derive(Debug, Parser)]
#[command(name = "operator", version = VERSION, after_long_help = "\
Examples:
  kubectl -n foodplatform-system logs deploy/foodplatform-operator -f
  operator --watch-namespaces food --leader-election false --listen 127.0.0.1:8080
  curl http://127.0.0.1:8080/metrics

Next: kubectl get foodplatforms -A -o wide shows how each platform stands, and why.")]
struct Arguments {
    /// Namespaces to look after, divided by commas. None: all of them.
    #[arg(long, env, value_delimiter = ',')]
    watch_namespaces: Vec<String>,

    /// Where health and metrics are served.
    #[arg(long, env, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// Whether only the holder of the lease works, so that several can run.
    #[arg(long, env, default_value_t = true, action = ArgAction::Set)]
    leader_election: bool,

    /// The lease's name.
    #[arg(long, env, default_value = controller::NAME)]
    lease_name: String,

    /// The lease's namespace.
    #[arg(long, env, default_value = "default")]
    pod_namespace: String,

    /// This process' name among its like. Default: the host's name.
    #[arg(long, env)]
    pod_name: Option<String>,

    /// What is logged.
    #[arg(long, env, default_value = "info")]
    log_level: String,

    /// Without one it is the operator.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether an installation works: the resource is served, an operator leads and is ready
    Check {
        /// The port of the operator's health and metrics
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// For how long to look again while something is in the way
        #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
        timeout: Duration,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = telemetry::start(&arguments.log_level) {
        eprintln!("error: LOG_LEVEL {:?} can't be understood: {error}", arguments.log_level);
        return ExitCode::FAILURE;
    }
    // Two threads: the work is waiting.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(controller::KAFKA_THREADS + LOOKUPS)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = match arguments.command {
                Some(Command::Check { port, timeout }) => return runtime.block_on(check(&arguments, port, timeout)),
                None => runtime.block_on(run(arguments)),
            };
            // A check of topics that waits for Kafka holds up nobody.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

/// Tells people, not a collector of logs.
async fn check(arguments: &Arguments, port: u16, patience: Duration) -> ExitCode {
    let look = async {
        let config = kube::Config::infer().await.context("no Kubernetes cluster is configured here")?;
        let client = client::client(config)?;
        let (namespace, lease) = (arguments.pod_namespace.clone(), arguments.lease_name.clone());
        anyhow::Ok(Installation { client, namespace, lease, port }.works_within(patience).await?)
    };
    match look.await {
        Ok(leader) => {
            println!("FoodPlatforms are served, and {leader} leads and is ready");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let handle = metrics::install(VERSION)?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            metrics::observe_memory();
            upkeep.run_upkeep();
            tokio::time::sleep(UPKEEP).await;
        }
    });
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("can't listen on {}: choose another address with LISTEN", arguments.listen))?;
    let readiness = Readiness::default();
    let stopped = CancellationToken::new();
    let conditions = Conditions::default();
    let metrics = {
        let conditions = conditions.clone();
        move || handle.render() + &conditions.render()
    };
    let server = tokio::spawn(health::serve(listener, readiness.clone(), metrics, stopped.clone().cancelled_owned()));

    let result = lead(&arguments, &readiness, &conditions, &stop).await;
    readiness.set(false);
    stopped.cancel();
    server.await??;
    result
}

/// Waits to lead, reconciles, and gives the lease back.
async fn lead(
    arguments: &Arguments,
    readiness: &Readiness,
    conditions: &Conditions,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let config = kube::Config::infer().await.context("no Kubernetes cluster is configured here")?;
    let instance = arguments.pod_name.clone().or_else(|| std::env::var("HOSTNAME").ok());
    if !arguments.leader_election {
        metrics::leading(true);
        let client = client::client(config)?;
        reconcile(arguments, client, Fence::open(), instance, readiness, conditions, stop.clone()).await;
        return Ok(());
    }
    let identity = instance.clone().context("POD_NAME is not set, which the lease needs to tell operators apart")?;
    let (namespace, name) = (&arguments.pod_namespace, &arguments.lease_name);
    let election = Election::new(client::client(config.clone())?, namespace, name, &identity);
    let fence = election.fence();
    let client = client::fenced(config, &fence)?;
    // One that stands by is as ready as one can be.
    readiness.set(true);
    let Some(mut leadership) = election.won().with_cancellation_token(stop).await else { return Ok(()) };
    readiness.set(false);
    metrics::leading(true);
    tokio::select! {
        () = reconcile(arguments, client, fence, instance, readiness, conditions, stop.clone()) => leadership.resign().await,
        // At once: another one may lead already.
        () = leadership.lost() => anyhow::bail!("lost the Lease {namespace}/{name} to another operator"),
    }
    Ok(())
}

async fn reconcile(
    arguments: &Arguments,
    client: kube::Client,
    fence: Fence,
    instance: Option<String>,
    readiness: &Readiness,
    conditions: &Conditions,
    stop: CancellationToken,
) {
    let drained = async {
        stop.cancelled().await;
        readiness.set(false);
        tokio::time::sleep(DRAIN).await;
    };
    let (synced, watched) = (|| readiness.set(true), watched(&arguments.watch_namespaces));
    tokio::select! {
        () = controller::run(client, fence, &watched, instance, conditions, stop.clone(), synced) => {}
        () = drained => warn!("reconciliations were still running and are left"),
    }
    info!("stopped");
}

/// The namespaces that are named, each once.
fn watched(named: &[String]) -> Vec<String> {
    let named = named.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    named.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

/// Cancelled by SIGTERM and SIGINT.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
        token.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_help_explains_by_examples_that_are_taken() {
        let command = Arguments::command();
        assert!(command.get_long_about().is_some() && command.get_version() == Some(VERSION));
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  operator ")).collect();
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            Arguments::try_parse_from(example.split_whitespace()).unwrap();
        }
    }
}
