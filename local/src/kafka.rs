//! Apache Kafka: one node that is controller and broker, and for tests another beside it that is a broker alone.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::{Binaries, Daemon, exec, kafka_security::SecureListener, process::free_port, program::Program};

/// Any value will do: one node is one cluster.
const CLUSTER_ID: &str = "Zm9vZHBsYXRmb3JtLWxvYw";

/// The node that is the controller, too.
const FIRST_NODE: u32 = 1;
/// The listener with TLS and SASL.
const SECURE: &str = "SECURE";

/// A Kafka broker on free ports, for tests. It ends when this is dropped.
pub struct Kafka {
    /// The broker's process.
    pub server: Daemon,
    address: SocketAddr,
    controller: SocketAddr,
    secure: SecureListener,
    node: u32,
}

impl Kafka {
    /// Starts a broker at `address` with all that it writes in `directory`, and waits until it is ready: some 5 s.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start(binaries: &Binaries, directory: &Path, address: IpAddr) -> Result<Self> {
        let controller = SocketAddr::new(address, free_port()?);
        Self::start_node(FIRST_NODE, controller, &directory.join("certificates"), binaries, directory, address)
    }

    /// Starts one more broker of this one's cluster, at the same address, with all that it writes in a `directory` of its
    /// own. It is no controller, and it is in the cluster shortly after it is ready.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start_second(&self, binaries: &Binaries, directory: &Path) -> Result<Self> {
        let certificates = self.secure.directory();
        Self::start_node(FIRST_NODE + 1, self.controller, certificates, binaries, directory, self.address.ip())
    }

    fn start_node(
        node: u32,
        controller: SocketAddr,
        certificates: &Path,
        binaries: &Binaries,
        directory: &Path,
        address: IpAddr,
    ) -> Result<Self> {
        let secure = SecureListener::ensure(certificates.to_owned(), SocketAddr::new(address, free_port()?))?;
        let address = SocketAddr::new(address, free_port()?);
        let broker = Broker {
            jars: binaries.kafka.clone(),
            directory: directory.to_owned(),
            controller,
            listeners: vec![Listener { name: "HOST", address, advertised: address.to_string() }],
            secure: Some(secure.clone()),
        };
        let program = broker.prepare_node(node)?;
        let server = Daemon::start(program, directory.to_owned(), Signal::SIGTERM, move || answers(address))?;
        Ok(Self { server, address, controller, secure, node })
    }

    /// For the clients' `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        self.address.to_string()
    }

    /// Where clients have to prove who they are, and so has the broker.
    pub fn secure(&self) -> &SecureListener {
        &self.secure
    }

    /// The broker's id in the cluster.
    pub fn node(&self) -> u32 {
        self.node
    }
}

/// Where clients of one kind reach the broker.
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// What the broker tells its clients to connect to.
    pub(crate) advertised: String,
}

/// The settings of a broker.
pub(crate) struct Broker {
    pub(crate) jars: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) controller: SocketAddr,
    /// The first is the broker's own.
    pub(crate) listeners: Vec<Listener>,
    /// One more, with TLS and SASL.
    pub(crate) secure: Option<SecureListener>,
}

impl Broker {
    /// Writes the configuration, formats the storage if that is not done yet, and returns the program to run.
    pub(crate) fn prepare(&self) -> Result<Program> {
        self.prepare_node(FIRST_NODE)
    }

    fn prepare_node(&self, node: u32) -> Result<Program> {
        fs::create_dir_all(&self.directory)?;
        // Messages hold people's addresses.
        fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o700))?;
        let log4j = self.directory.join("log4j2.xml");
        fs::write(&log4j, include_str!("../kafka/log4j2.xml"))?;
        let properties = self.directory.join("server.properties");
        fs::write(&properties, self.properties(node))?;

        let log4j = format!("-Dlog4j2.configurationFile={}", log4j.display());
        let java = |options: &[&str], class: &str, arguments: &[&str]| {
            let mut line: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            line.extend([log4j.clone(), "-cp".to_owned(), format!("{}/*", self.jars.display()), class.to_owned()]);
            line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            line
        };
        let file = properties.to_string_lossy();
        if !self.data().join("meta.properties").exists() {
            // Class data sharing and the first compiler alone: it lives for a second.
            let mut arguments = vec!["format", "--ignore-formatted", "--cluster-id", CLUSTER_ID, "--config", &file];
            let scram = SecureListener::scram();
            if self.secure.is_some() && node == FIRST_NODE {
                arguments.extend(["--add-scram", &scram]);
            }
            let format = java(&["-XX:TieredStopAtLevel=1"], "kafka.tools.StorageTool", &arguments);
            exec::run(Command::new("java").args(format))?;
        }
        let options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"];
        Ok(Program::new("kafka", Path::new("java"), java(&options, "kafka.Kafka", &[&file])))
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn properties(&self, node: u32) -> String {
        let own = self.listeners.first().map_or("", |listener| listener.name);
        let (secure, settings) = match &self.secure {
            Some(secure) => {
                let address = secure.address();
                let listener = Listener { name: SECURE, address, advertised: address.to_string() };
                (Some(listener), secure.properties(SECURE))
            }
            None => (None, String::new()),
        };
        let join = |text: fn(&Listener) -> String| {
            self.listeners.iter().chain(&secure).map(text).collect::<Vec<_>>().join(",")
        };
        let controller = self.controller;
        let (listeners, advertised) = (
            join(|listener| format!("{}://{}", listener.name, listener.address)),
            join(|listener| format!("{}://{}", listener.name, listener.advertised)),
        );
        let (roles, control) = match node {
            FIRST_NODE => ("broker,controller", format!(",CONTROLLER://{controller}")),
            _ => ("broker", String::new()),
        };
        let protocols = join(|listener| {
            let protocol = if listener.name == SECURE { "SASL_SSL" } else { "PLAINTEXT" };
            format!("{}:{protocol}", listener.name)
        });
        let data = self.data();
        format!(
            "process.roles={roles}\n\
             node.id={node}\n\
             controller.quorum.voters={FIRST_NODE}@{controller}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name={own}\n\
             listeners={listeners}{control}\n\
             advertised.listeners={advertised}\n\
             listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             controlled.shutdown.enable=false\n\
             group.initial.rebalance.delay.ms=0\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             log.cleaner.dedupe.buffer.size=16777216\n\
             {settings}",
            data.display()
        )
    }
}

/// Whether the broker takes connections. It does not before it can serve requests.
pub(crate) fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}
