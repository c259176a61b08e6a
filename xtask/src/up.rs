//! `cargo xtask up`.

use std::{env, thread, time::Instant};

use anyhow::{Result, anyhow};
use local::{
    Architecture, Binaries, Cache, Cluster, Helpers, Images, Instance, Lock, Progress, Source, Transport, build_static,
    install_packages, repository, require_root, require_space, require_tools,
};
use tokio::runtime::Runtime;

use crate::{
    conditions,
    forward::Forward,
    orders,
    platform::{self, LogClaims},
    target::Target,
};

/// The NodePort of the quickstart's gateway.
const GATEWAY_PORT: u16 = 30080;
/// The registry of images that are loaded into the cluster's own store, and never pulled.
const LOCAL_REGISTRY: &str = "localhost/foodplatform";
/// Disk space for sources, build trees and images.
const CACHE_GIBIBYTES: u64 = 8;
const STATE_GIBIBYTES: u64 = 3;

/// A local cluster with the operator and the example on it.
pub(crate) struct Up {
    pub(crate) binaries: Binaries,
    pub(crate) cluster: Cluster,
    pub(crate) target: Target,
    pub(crate) images: Images,
    /// Whether the example's spec is other than it was.
    pub(crate) changed: bool,
}

impl Up {
    /// Where the gateway answers.
    pub(crate) fn gateway(&self) -> String {
        format!("http://{}:{GATEWAY_PORT}", self.cluster.instance().node_address())
    }
}

/// The local cluster: everything that is missing, up to an order that is delivered.
pub(crate) fn local(instance: &Instance, bare: bool) -> Result<()> {
    let started = Instant::now();
    let progress = Progress::new();
    require_root()?;
    let _lock = Lock::take(instance)?;
    if bare {
        let (_, cluster) = prepare(instance, &progress, || Ok(()))?;
        println!("export KUBECONFIG={}", instance.kubeconfig().display());
        println!("Kafka       {}", cluster.kafka_bootstrap_servers());
        println!("PostgreSQL  {}", cluster.database_url()?);
        return Ok(());
    }
    let up = install(instance, &progress)?;
    Runtime::new()?.block_on(async {
        let client = up.target.client().await?;
        conditions::wait_ready(client, platform::NAMESPACE, platform::NAME, &progress).await?;
        if up.changed { orders::walk(&up.gateway(), &progress).await } else { Ok(()) }
    })?;
    println!("\nThe platform is up ({:.0} s).\n", started.elapsed().as_secs_f64());
    println!("  export KUBECONFIG={}", instance.kubeconfig().display());
    println!("  gateway and web pages: {}\n", up.gateway());
    hints(&up.binaries.kubectl().display().to_string(), &up.gateway());
    println!("\nTake it down with: cargo xtask down");
    Ok(())
}

/// Compiles what the local cluster's images hold.
pub(crate) fn compile(progress: &Progress) -> Result<Images> {
    let step = progress.step("compile the images' programs");
    let images = Images::compile(LOCAL_REGISTRY, None, &[Architecture::Amd64], Source::package(), &step)?;
    step.done("");
    Ok(images)
}

/// Everything on a local cluster, short of waiting for the platform.
pub(crate) fn install(instance: &Instance, progress: &Progress) -> Result<Up> {
    let (binaries, cluster, images) = {
        let mut images = None;
        let (binaries, cluster) = prepare(instance, progress, || {
            images = Some(compile(progress)?);
            Ok(())
        })?;
        (binaries, cluster, images.ok_or_else(|| anyhow!("no images were compiled"))?)
    };
    let step = progress.step("load images");
    let loaded = images.load(instance, &step)?;
    step.done(&format!("{loaded} new"));
    let target = Target::local(instance, &binaries);
    platform::install_operator(&target, &images, progress)?;
    platform::create_secret(&target, &cluster.pods_database_url()?)?;
    let changed = platform::apply_quickstart(&target, &images, LogClaims::AsWritten, progress)?;
    Ok(Up { binaries, cluster, target, images, changed })
}

/// Packages, binaries and the cluster, and `beside` them what does not need them.
fn prepare(
    instance: &Instance,
    progress: &Progress,
    beside: impl FnOnce() -> Result<()> + Send,
) -> Result<(Binaries, Cluster)> {
    require_tools()?;
    let cache = Cache::open()?;
    require_space(cache.root(), CACHE_GIBIBYTES)?;
    require_space(&instance.state(), STATE_GIBIBYTES)?;
    install_packages(progress)?;
    // Before everything else, since cargo does one build at a time and the cluster needs it at once.
    let step = progress.step("compile pause");
    let pause = build_static(&["pause"], &step)?.join("pause");
    step.done("");
    let helpers = Helpers { provisioner: env::current_exe()?, pause };
    thread::scope(|scope| {
        let beside = scope.spawn(beside);
        let binaries = Binaries::build(&cache, progress)?;
        let cluster = Cluster::up(instance, &binaries, &helpers, progress)?;
        beside.join().map_err(|_| anyhow!("a thread panicked"))??;
        Ok((binaries, cluster))
    })
}

/// The current kubeconfig's cluster: the same, with images by way of a registry.
pub(crate) fn current(registry: &str) -> Result<()> {
    let progress = Progress::new();
    let target = Target::current()?;
    let step = progress.step("compile the images' programs");
    let registry = registry.trim_end_matches('/');
    let images = Images::compile(registry, None, &[Architecture::Amd64], Source::package(), &step)?;
    step.done("");
    let step = progress.step("push images");
    images.push(Transport::Tls, &step)?;
    step.done(registry);
    platform::install_operator(&target, &images, &progress)?;
    if !platform::has_secret(&target)? {
        progress.line("no database is named yet: applying examples/dependencies.yaml, a one-node Kafka and PostgreSQL for trying things out");
        target.apply_file(&repository().join("examples/dependencies.yaml"))?;
        platform::create_secret(&target, platform::EXAMPLE_DATABASE)?;
    }
    platform::apply_quickstart(&target, &images, platform::log_claims(&target)?, &progress)?;
    Runtime::new()?.block_on(async {
        let client = target.client().await?;
        conditions::wait_ready(client, platform::NAMESPACE, platform::NAME, &progress).await?;
        let gateway = Forward::start(&target, platform::NAMESPACE, &format!("{}-gateway", platform::NAME), 8080)?;
        orders::walk(gateway.address(), &progress).await
    })?;
    println!("\nThe platform is up. To reach its gateway:\n");
    println!("  kubectl -n {} port-forward service/{}-gateway 8080\n", platform::NAMESPACE, platform::NAME);
    hints("kubectl", "http://127.0.0.1:8080");
    Ok(())
}

fn hints(kubectl: &str, gateway: &str) {
    let namespace = platform::NAMESPACE;
    println!("Worth trying:");
    println!("  {kubectl} get foodplatforms -A -o wide");
    println!("  {kubectl} -n {namespace} delete service {}-cook   # and see the operator put it back", platform::NAME);
    println!("  curl {gateway}/mypages?customerId=kim");
}
