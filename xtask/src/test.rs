//! `cargo xtask test`: each layer on the real thing.

use std::{
    env, fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use local::{
    Binaries, Cache, Cluster, ControlPlane, Instance, Kafka, Lock, Postgres, Progress, SERVICES, argocd,
    argocd_definitions, cyclonus, helm4, install_packages, istio, istio_definitions, kstatus, load_program, repository,
    require_root, require_tools, schemathesis, strimzi_definitions,
};
use rustix::process::nice;
use tokio::runtime::Runtime;

use crate::{conditions, fuzz, platform, up};

/// All that tests on servers need. What the tests of one layer are built with is what those of the next are.
const FEATURES: &str = "foodplatform-operator/api-tests,kubectl-foodplatform/api-tests,local/machine-tests,\
                        chassis/service-tests,tests/service-tests,tests/cluster-tests,checkpoints/cluster-tests,\
                        order/fail-points,cook/fail-points,delivery/fail-points,mypage/fail-points";

/// A layer of tests, by what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Layer {
    /// Nothing but the code
    Pure,
    /// The operator against a real kube-apiserver
    Api,
    /// The services against real Kafka and PostgreSQL
    Services,
    /// What reads from outside, with made-up input
    Fuzz,
    /// The services under load while processes, servers and messages fail
    Faults,
    /// The whole platform on the local cluster
    Cluster,
}

/// Runs layers, all of them when none is named, and sums up. A layer that fails does not keep the next from running. Of
/// those that take servers to run, only the tests whose names hold one of `only`, and of the pure ones only those of
/// `packages`, if there are any.
pub(crate) fn run(layers: &[Layer], only: &[&str], packages: &[&str]) -> Result<()> {
    let layers = if layers.is_empty() { Layer::value_variants() } else { layers };
    let mut outcomes = Vec::new();
    let mut ahead = None;
    for &layer in layers {
        match layer {
            // These two leave much of a processor idle.
            Layer::Api | Layer::Services if ahead.is_none() => ahead = Some(Ahead::start(layers)),
            // These want what is built, or the machine to themselves.
            Layer::Fuzz | Layer::Faults | Layer::Cluster => ahead.iter_mut().for_each(Ahead::finish),
            _ => {}
        }
        let started = Instant::now();
        let outcome = match layer {
            Layer::Pure => pure(packages),
            Layer::Fuzz => fuzz::run(),
            Layer::Api => api(only),
            Layer::Services => services(only),
            Layer::Faults => faults(only),
            Layer::Cluster => cluster(only),
        };
        outcomes.push((layer, outcome, started.elapsed()));
    }
    println!("\n{:<10} {:>7}", "layer", "time");
    for (layer, outcome, took) in &outcomes {
        let said = outcome.as_ref().map_or_else(|error| format!("FAILED: {error:#}"), |()| "passed".to_owned());
        println!("{:<10} {:>5.0} s  {said}", format!("{layer:?}").to_lowercase(), took.as_secs_f64());
    }
    let failed = outcomes.iter().filter(|(_, outcome, _)| outcome.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} layers failed", outcomes.len());
    }
    Ok(())
}

/// What later layers need, built in the background with whatever processor time earlier ones leave.
struct Ahead(Option<JoinHandle<Result<()>>>);

impl Ahead {
    fn start(layers: &[Layer]) -> Self {
        let wants = |layer| layers.contains(&layer);
        let (fuzz, cluster) = (wants(Layer::Fuzz), wants(Layer::Cluster));
        Self(Some(thread::spawn(move || {
            // Linux keeps it for each thread, and what that starts inherits it.
            nice(19)?;
            if fuzz {
                fuzz::build()?;
            }
            if cluster {
                up::compile(&Progress::new())?;
            }
            Ok(())
        })))
    }

    /// Waits for its end. Whoever wants what should have come of it does it once more, and tells the error as its own.
    fn finish(&mut self) {
        let outcome = self.0.take().map(JoinHandle::join);
        if let Some(Ok(Err(error))) = outcome {
            eprintln!("ahead of its layer: {error:#}");
        }
    }
}

fn argo_cd() -> Result<PathBuf> {
    argocd(&Cache::open()?, &Progress::new())
}

fn pure(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return cargo_test(&["--workspace"], &[]);
    }
    cargo_test(&packages.iter().flat_map(|package| ["--package", package]).collect::<Vec<_>>(), &[])
}

fn api(only: &[&str]) -> Result<()> {
    let binaries = prepare()?;
    let directory = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(&binaries, &directory.path().join("control-plane"))?;
    let kafka = Kafka::start(&binaries, &directory.path().join("kafka"), Ipv4Addr::LOCALHOST.into())?;
    let postgres = start_postgres(directory.path())?;
    let kubeconfig = control_plane.kubeconfig().to_string_lossy();
    let kafka = kafka_environment(&kafka);
    let (cache, progress) = (Cache::open()?, Progress::new());
    let cyclonus = cyclonus(&cache, &progress)?.display().to_string();
    let istio = istio(&cache, &progress)?.display().to_string();
    let argocd = argo_cd()?.display().to_string();
    let kstatus = kstatus(&cache, &progress)?.display().to_string();
    let definitions = [strimzi_definitions(&cache, &progress)?, istio_definitions()?, argocd_definitions()?];
    let definitions = env::join_paths(definitions)?;
    let helm4 = helm4(&cache, &progress)?.display().to_string();
    let environment = [
        ("TEST_KUBECONFIG", &*kubeconfig),
        ("TEST_DATABASE_URL", postgres.url()),
        ("TEST_CYCLONUS", &*cyclonus),
        ("TEST_ISTIO", &*istio),
        ("TEST_ARGOCD", &*argocd),
        ("TEST_KSTATUS", &*kstatus),
        ("TEST_DEFINITIONS", &*definitions.to_string_lossy()),
        ("TEST_HELM", &*binaries.helm().to_string_lossy()),
        ("TEST_HELM4", &*helm4),
        ("TEST_KUBECTL", &*binaries.kubectl().to_string_lossy()),
        ("TEST_AUDIT_LOG", &*control_plane.audit_log().to_string_lossy()),
    ];
    let environment = [&environment[..], &borrowed(&kafka)].concat();
    // The operator's and the plugin's.
    cargo_test(&[&of_workspace("--test", &["api"]), &["--"][..], only].concat(), &environment)
}

fn services(only: &[&str]) -> Result<()> {
    // Replicas have names and addresses of their own, which takes mount namespaces.
    require_root()?;
    let binaries = prepare()?;
    cargo_test(&of_workspace("--test", &["servers"]), &[])?;
    build_services()?;
    let directory = tempfile::tempdir()?;
    let postgres = start_postgres(directory.path())?;
    let kafka = Kafka::start(&binaries, &directory.path().join("kafka"), Ipv4Addr::LOCALHOST.into())?;
    let kafka = kafka_environment(&kafka);
    let servers = [&borrowed(&kafka)[..], &[("TEST_DATABASE_URL", postgres.url())]].concat();
    cargo_test(&of_workspace("--test", &["database"]), &servers)?;
    cargo_test(&["--package", "mypage", "--features", "service-tests,fail-points", "--lib"], &servers)?;
    let schemathesis = schemathesis(&Cache::open()?, &Progress::new())?.display().to_string();
    let environment = [&servers[..], &[("TEST_SCHEMATHESIS", schemathesis.as_str())]].concat();
    cargo_test(&[&of_workspace("--test", &["services"]), &["--"][..], only].concat(), &environment)
}

/// Where Kafka is, and what it takes to be let in where it asks.
fn kafka_environment(kafka: &Kafka) -> [(&'static str, String); 5] {
    let secure = kafka.secure();
    let (username, password) = secure.user();
    [
        ("TEST_KAFKA", kafka.bootstrap_servers()),
        ("TEST_KAFKA_SECURE", secure.bootstrap_servers()),
        ("TEST_KAFKA_CERTIFICATES", secure.directory().display().to_string()),
        ("TEST_KAFKA_USERNAME", username.to_owned()),
        ("TEST_KAFKA_PASSWORD", password.to_owned()),
    ]
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn faults(only: &[&str]) -> Result<()> {
    require_root()?;
    prepare()?;
    build_services()?;
    // One after another, for each loads the machine; and with what they say, which is what was measured.
    let arguments = ["--", "--test-threads=1", "--nocapture"];
    cargo_test(&[&of_workspace("--test", &["faults"]), &arguments[..], only].concat(), &[])
}

/// What cargo is to test of the whole workspace: targets of that kind, by name. Of one package alone cargo would
/// build libraries with other features, so that most of them would be built again for each.
fn of_workspace<'a>(kind: &'a str, names: &[&'a str]) -> Vec<&'a str> {
    let targets = names.iter().flat_map(|name| [kind, name]);
    ["--workspace", "--features", FEATURES].into_iter().chain(targets).collect()
}

/// The tests start the services' binaries, which `cargo test` builds for their own packages only. They can be made to
/// die at certain points, see `chassis::crash`.
pub(crate) fn build_services() -> Result<()> {
    build(&SERVICES)
}

/// Builds programs of the workspace. With a test among what is asked for libraries get the features that they have for all
/// tests; without one they would be built once more.
pub(crate) fn build(programs: &[&str]) -> Result<()> {
    cargo("build", &[&of_workspace("--bin", programs)[..], &["--test", "http"]].concat(), &[])
}

/// Starts a PostgreSQL of the tests' own below `directory`.
fn start_postgres(directory: &Path) -> Result<Postgres> {
    // PostgreSQL's own user must reach its directory in there.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o711))?;
    Postgres::start(&directory.join("postgresql"), Ipv4Addr::LOCALHOST.into())
}

fn cluster(only: &[&str]) -> Result<()> {
    require_root()?;
    let instance = Instance::test();
    let _lock = Lock::take(&instance)?;
    let outcome =
        argo_cd().and_then(|programs| on_cluster(&instance, only, &[("TEST_ARGOCD", &programs.to_string_lossy())]));
    // Also after a failure, and its own failure counts too.
    let down = Cluster::down(&instance).map(drop);
    outcome.and(down)
}

/// Runs those cluster tests that measure, on an instance that stays up.
pub(crate) fn measure(instance: &Instance, environment: &[(&str, &str)]) -> Result<()> {
    let _lock = Lock::take(instance)?;
    let programs = argo_cd()?;
    let argo_cd = [("TEST_ARGOCD", &*programs.to_string_lossy())];
    let tests = ["measures", "a_platform_lives_as_its_repository_says"];
    on_cluster(instance, &tests, &[environment, &argo_cd].concat())
}

/// Brings an instance up and runs the cluster tests and the checkpoints' short forms on it: those whose names hold `only`,
/// if it is given.
fn on_cluster(instance: &Instance, only: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let progress = Progress::new();
    let up = up::install(instance, &progress)?;
    Runtime::new()?.block_on(async {
        let client = up.target.client().await?;
        conditions::wait_ready(client, platform::NAMESPACE, platform::NAME, &progress).await
    })?;
    let mut variables = variables(instance, &up)?;
    variables.extend(environment.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    build(&["kubectl-foodplatform"])?;
    // One after another: they all look at the same cluster.
    let tests = of_workspace("--test", &["cluster", "packaging"]);
    cargo_test(&[&tests, &["--", "--test-threads=1"][..], only].concat(), &variables)
}

/// What tells tests and checkpoints where the cluster is, and what goes with it.
pub(crate) fn variables(instance: &Instance, up: &up::Up) -> Result<Vec<(&'static str, String)>> {
    let step = Progress::new().step("load the image of a stranger");
    let stranger = load_program(instance, "stranger", &step)?;
    step.done("");
    Ok(vec![
        ("TEST_INSTANCE", instance.name().to_owned()),
        ("TEST_STRANGER_IMAGE", stranger),
        ("TEST_KUBECONFIG", instance.kubeconfig().display().to_string()),
        ("TEST_KUBECTL", up.binaries.kubectl().display().to_string()),
        ("TEST_HELM", up.binaries.helm().display().to_string()),
        ("TEST_GATEWAY", up.gateway()),
        ("TEST_KAFKA", up.cluster.kafka_bootstrap_servers()),
        ("TEST_KAFKA_JARS", up.binaries.kafka_jars().display().to_string()),
        ("TEST_DATABASE_URL", up.cluster.database_url()?),
        ("TEST_PODS_DATABASE_URL", up.cluster.pods_database_url()?),
        ("TEST_AUDIT_LOG", instance.logs().join("audit.log").display().to_string()),
        ("TEST_REGISTRY", up.cluster.registry()),
        ("TEST_IMAGE_REGISTRY", up.images.registry.clone()),
        ("TEST_IMAGE_TAG", up.images.services_tag.clone()),
        ("TEST_NEXT_IMAGE_TAG", up.images.tag_again(instance)?),
    ])
}

/// What every layer but the first needs.
fn prepare() -> Result<Binaries> {
    let progress = Progress::new();
    require_tools()?;
    install_packages(&progress)?;
    Binaries::build(&Cache::open()?, &progress)
}

/// Also what comes after a binary of tests that fails is run.
fn cargo_test(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    cargo("test", &[&["--no-fail-fast"], arguments].concat(), environment)
}

/// Runs cargo with its output going where ours goes.
pub(crate) fn cargo(verb: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.arg(verb).args(arguments).envs(environment.iter().copied()).current_dir(repository()).stdin(Stdio::null());
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {verb} {} failed", arguments.join(" "));
    }
    Ok(())
}
