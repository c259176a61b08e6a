//! The whole local cluster, from nothing to a ready node, and back.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, thread, time::Duration};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    Binaries, Instance, Progress, Step,
    addons::Addons,
    component::{Components, Ports},
    control_plane::is_ready,
    exec, images,
    kafka::{self, Broker, Listener},
    leftovers, manifests,
    node::Node,
    pki::Pki,
    postgres::Database,
    preflight,
    program::Program,
    registry::{self, Registry},
    sandbox::Sandbox,
    wait,
};

/// How long one component may take to be ready.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Programs of ours that a cluster runs.
pub struct Helpers {
    /// Runs [`crate::provision`] when its first argument is `provision`.
    pub provisioner: PathBuf,
    /// Process 1 of the cluster, and of every pod's sandbox: static.
    pub pause: PathBuf,
}

/// A local cluster that runs.
pub struct Cluster {
    instance: Instance,
    database: Database,
}

/// Where pods find Kafka and PostgreSQL: the same names as in `examples/dependencies.yaml`.
pub(crate) struct Dependencies;

impl Dependencies {
    pub(crate) const NAMESPACE: &str = "foodplatform-dependencies";
    pub(crate) const KAFKA_PORT: u16 = 9092;
    pub(crate) const POSTGRES_PORT: u16 = 5432;
    /// Kafka's port for clients outside of the cluster, who do not know its names.
    const KAFKA_HOST_PORT: u16 = 9094;
    const KAFKA_CONTROLLER_PORT: u16 = 9093;

    fn host(service: &str) -> String {
        format!("{service}.{}.svc.cluster.local", Self::NAMESPACE)
    }
}

impl Cluster {
    /// Starts what does not run, restarts what runs with other settings, and waits until the node is ready. The remains
    /// of a cluster that ended without [`Cluster::down`] are removed first.
    ///
    /// # Errors
    /// When the machine lacks something, or a component does not become ready, with the end of its log.
    pub fn up(instance: &Instance, binaries: &Binaries, helpers: &Helpers, progress: &Progress) -> Result<Self> {
        let sandbox = sandbox(instance, helpers, progress)?;
        let state = instance.state();
        let pki = Pki::ensure(&instance.pki(), instance.node_address().into())?;
        let components = Components {
            binary: &binaries.kubernetes,
            pki: &pki,
            etc: instance.etc(),
            data: state.join("etcd"),
            logs: instance.logs(),
            address: instance.node_address(),
            ports: Ports { etcd: 2379, etcd_peers: 2380, api: 6443 },
        };
        let node = Node { instance, pki: &pki, binary: &binaries.kubernetes };
        let addons = Addons { instance, pki: &pki, binary: &binaries.addons };
        components.configure()?;
        node.configure(&components)?;
        addons.configure(&components)?;
        let start = Start { sandbox: &sandbox };

        let database = database(instance)?;
        thread::scope(|scope| -> Result<()> {
            let kafka = scope.spawn(|| start.kafka(instance, binaries, progress.step("start Kafka")));
            let postgres = scope.spawn(|| start.postgres(&database, progress.step("start PostgreSQL")));
            let step = progress.step("start Kubernetes");
            let kubeconfig = components.kubeconfig();
            let registry = registry(instance)?;
            let serving = registry.prepare()?;
            start.program(&serving, &step)?;
            start.program(&components.etcd(), &step)?;
            start.program(&components.apiserver(), &step)?;
            start.program(&node.containerd(), &step)?;
            start.ready(&node.containerd(), || containerd_answers(instance))?;
            images::load_pause(instance, &step)?;
            start.ready(&serving, || registry.answers())?;
            start.ready(&components.apiserver(), || is_ready(binaries, &kubeconfig))?;
            for program in [
                components.controller_manager(),
                components.scheduler(),
                node.kubelet(),
                node.proxy(),
                addons.coredns(),
                addons.metrics_server(&components),
                addons.provisioner(&components, &provisioner(instance)),
            ] {
                start.program(&program, &step)?;
            }
            step.message("add-ons");
            apply(instance, binaries)?;
            step.message("the node");
            start.ready(&node.kubelet(), || is_node_ready(instance, binaries))?;
            step.done(&format!("API server at {}", components.server()));
            for other in [kafka, postgres] {
                other.join().map_err(|_| anyhow!("a thread panicked"))??;
            }
            Ok(())
        })?;
        Ok(Self { instance: instance.clone(), database })
    }

    /// Ends everything and removes every trace. Returns false when there was none.
    ///
    /// # Errors
    /// When something cannot be removed, naming it.
    pub fn down(instance: &Instance) -> Result<bool> {
        let sandbox = Sandbox::find(instance)?;
        let existed = sandbox.is_some() || instance.state().exists();
        if let Some(sandbox) = sandbox {
            sandbox.destroy()?;
        }
        leftovers::remove(instance)?;
        Ok(existed)
    }

    /// Whether the cluster has been started; its components may have died since.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn exists(instance: &Instance) -> Result<bool> {
        Ok(Sandbox::find(instance)?.is_some())
    }

    /// The cluster of `instance`, if it has been started.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn find(instance: &Instance) -> Result<Option<Self>> {
        if !Self::exists(instance)? {
            return Ok(None);
        }
        Ok(Some(Self { instance: instance.clone(), database: database(instance)? }))
    }

    /// The cluster's identity.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Kafka's address for clients on this machine.
    pub fn kafka_bootstrap_servers(&self) -> String {
        kafka_address(&self.instance).to_string()
    }

    /// The registry that this machine pushes images to, by plain HTTP, and that the node pulls them from: HOST:PORT.
    pub fn registry(&self) -> String {
        registry::address(&self.instance).to_string()
    }

    /// PostgreSQL's URL for clients on this machine.
    ///
    /// # Errors
    /// When its password cannot be read.
    pub fn database_url(&self) -> Result<String> {
        self.database.url(&format!("{}:{}", self.instance.node_address(), Dependencies::POSTGRES_PORT))
    }

    /// PostgreSQL's URL for pods.
    ///
    /// # Errors
    /// When its password cannot be read.
    pub fn pods_database_url(&self) -> Result<String> {
        self.database.url(&format!("{}:{}", Dependencies::host("postgresql"), Dependencies::POSTGRES_PORT))
    }
}

/// Kafka's address for clients on this machine.
pub(crate) fn kafka_address(instance: &Instance) -> SocketAddr {
    SocketAddr::from((instance.node_address(), Dependencies::KAFKA_HOST_PORT))
}

/// The instance's PostgreSQL.
fn database(instance: &Instance) -> Result<Database> {
    let address = SocketAddr::from((instance.node_address(), Dependencies::POSTGRES_PORT));
    Database::at(&instance.state().join("postgresql"), address)
}

/// The instance's registry.
fn registry(instance: &Instance) -> Result<Registry> {
    Registry::at(&instance.state().join("registry"), registry::address(instance))
}

/// The instance's namespaces: those that run, or new ones.
fn sandbox(instance: &Instance, helpers: &Helpers, progress: &Progress) -> Result<Sandbox> {
    match Sandbox::find(instance)? {
        Some(sandbox) if sandbox.is_complete() => return Ok(sandbox),
        None if !instance.state().exists() => {}
        _ => {
            progress.line("the last cluster did not end by `down`: removing what is left of it");
            Cluster::down(instance)?;
        }
    }
    preflight::require_subnet(instance)?;
    let step = progress.step("make namespaces");
    let state = instance.state();
    fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
    // PostgreSQL's user must reach its own directory below; the others are for root alone.
    fs::set_permissions(&state, fs::Permissions::from_mode(0o711))?;
    for directory in [instance.etc(), instance.run(), instance.logs(), instance.volumes(), state.join("bin")] {
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    }
    leftovers::make_cgroups(instance)?;
    // Its own copy: the original may be rebuilt while the cluster runs.
    fs::copy(&helpers.provisioner, provisioner(instance))?;
    let sandbox = Sandbox::create(instance, &helpers.pause)?;
    step.done(&format!("{} ({})", instance.name(), instance.network()));
    Ok(sandbox)
}

fn provisioner(instance: &Instance) -> PathBuf {
    instance.state().join("bin/xtask")
}

/// Starting programs in the sandbox.
struct Start<'a> {
    sandbox: &'a Sandbox,
}

impl Start<'_> {
    fn program(&self, program: &Program, step: &Step) -> Result<()> {
        step.message(&program.name);
        self.sandbox.ensure(program).map(drop)
    }

    fn ready(&self, program: &Program, is_ready: impl Fn() -> bool) -> Result<()> {
        let name = &program.name;
        wait::until(&format!("{name} ready"), LIMIT, || {
            if !self.sandbox.is_running(program) {
                bail!("{name} ended while starting");
            }
            Ok(is_ready())
        })
        .with_context(|| format!("the log of {name} ends with: {}", self.sandbox.last_lines(name)))
    }

    fn kafka(&self, instance: &Instance, binaries: &Binaries, step: Step) -> Result<()> {
        let at = |port| SocketAddr::from((instance.node_address(), port));
        let outside = kafka_address(instance);
        let broker = Broker {
            jars: binaries.kafka.clone(),
            directory: instance.state().join("kafka"),
            controller: at(Dependencies::KAFKA_CONTROLLER_PORT),
            listeners: vec![
                Listener { name: "HOST", address: outside, advertised: outside.to_string() },
                Listener {
                    name: "PODS",
                    address: at(Dependencies::KAFKA_PORT),
                    advertised: format!("{}:{}", Dependencies::host("kafka"), Dependencies::KAFKA_PORT),
                },
            ],
            secure: None,
        };
        let program = broker.prepare()?;
        self.program(&program, &step)?;
        self.ready(&program, || kafka::answers(outside))?;
        step.done("");
        Ok(())
    }

    fn postgres(&self, database: &Database, step: Step) -> Result<()> {
        let program = database.prepare()?;
        self.program(&program, &step)?;
        self.ready(&program, || database.answers())?;
        step.done("");
        Ok(())
    }
}

pub(crate) fn containerd_answers(instance: &Instance) -> bool {
    let mut command = Command::new("ctr");
    exec::run(command.arg("--address").arg(instance.containerd_socket()).arg("version")).is_ok()
}

fn kubectl(instance: &Instance, binaries: &Binaries) -> Command {
    let mut command = Command::new(binaries.kubectl());
    command.arg("--kubeconfig").arg(instance.kubeconfig());
    command
}

fn apply(instance: &Instance, binaries: &Binaries) -> Result<()> {
    let file = instance.etc().join("objects.json");
    fs::write(&file, serde_json::to_string_pretty(&manifests::all(instance))?)?;
    let mut command = kubectl(instance, binaries);
    exec::run(
        command.args(["apply", "--server-side", "--force-conflicts", "--field-manager=xtask", "--filename"]).arg(&file),
    )
    .map(drop)
}

fn is_node_ready(instance: &Instance, binaries: &Binaries) -> bool {
    let template = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    exec::run(kubectl(instance, binaries).args(["get", "node", "local", "--output", template]))
        .is_ok_and(|status| status == "True")
}
