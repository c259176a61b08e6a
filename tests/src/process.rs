//! The services as processes of this machine: the real binaries, with the environment that the operator gives them.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait;

/// How long a service may take to end once it was asked to; the services' own limit is less.
const STOP: Duration = Duration::from_secs(30);

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the domain's")]
pub enum Service {
    Order,
    Cook,
    Delivery,
    Mypage,
    Gateway,
}

impl Service {
    /// All of them, the gateway, which calls the others, last.
    pub const ALL: [Self; 5] = [Self::Order, Self::Cook, Self::Delivery, Self::Mypage, Self::Gateway];

    /// The name of its binary, its image and its children.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Cook => "cook",
            Self::Delivery => "delivery",
            Self::Mypage => "mypage",
            Self::Gateway => "gateway",
        }
    }

    /// A group of users for its processes alone: by it a firewall tells whose packets are whose.
    pub fn group(self) -> u32 {
        // Debian reserves these, and gives none of them out.
        65_000 + self as u32
    }

    /// Whether it keeps data in PostgreSQL.
    pub fn has_database(self) -> bool {
        self != Self::Gateway
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The binary of a service.
fn binary(service: Service) -> PathBuf {
    program(service.name())
}

/// A program of the workspace: in `TEST_BIN_DIR`, or where cargo puts it beside this test's own.
///
/// # Panics
/// When it is not there.
pub fn program(package: &str) -> PathBuf {
    let directory = env::var_os("TEST_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        // target/PROFILE/deps/TEST: two directories up.
        let test = env::current_exe().expect("the path of this test");
        test.ancestors().nth(2).expect("a test lies in deps/ of its profile").to_owned()
    });
    let path = directory.join(package);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test`, or `cargo build --package {package}` first",
        path.display()
    );
    path
}

/// The help of one of a service's commands.
pub fn help(service: Service, command: &[&str]) -> String {
    let output = Command::new(binary(service)).args(command).arg("--help").output().expect("the program starts");
    assert!(output.status.success(), "{service} {command:?} --help: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A port that nobody listens on, and that no other test of this process was given.
pub fn free_port() -> u16 {
    // Below the range that the kernel takes for outgoing connections, and below that of NodePorts: nobody takes the
    // port between this look and the service's start. Test processes side by side have different hundreds to begin with.
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 9_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT / 100)).expect("less than COUNT") * 100;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + step % COUNT) % COUNT;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT)
}

/// What a process of a service is started with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which service.
    pub service: Service,
    /// A name that no other process of the platform has; the service's `POD_NAME`.
    pub pod: String,
    /// The address that it listens at, one of loopback's.
    pub address: Ipv4Addr,
    /// The port of its API.
    pub port: u16,
    /// The port of its health and metrics.
    pub admin_port: u16,
    /// The rest of its environment.
    pub environment: BTreeMap<String, String>,
    /// The file that it sees in place of /etc/hosts, if it is to know names of ours. That takes root. It then runs in its
    /// service's own [group](Service::group).
    pub hosts: Option<PathBuf>,
    /// Where its standard output goes.
    pub output: PathBuf,
}

impl Plan {
    /// The plan of a further process of the same service: at an address of its own, with the same ports.
    pub fn replica(&self, number: u8) -> Self {
        let pod = format!("{}-{number}", self.service);
        let [a, b, c, first] = self.address.octets();
        Self {
            address: Ipv4Addr::new(a, b, c, first + number),
            output: self.output.with_file_name(format!("{pod}.out")),
            pod,
            ..self.clone()
        }
    }

    fn command(&self, verb: &str) -> Command {
        let output = fs::OpenOptions::new().create(true).append(true).open(&self.output).expect("a file for output");
        let mut command = match &self.hosts {
            Some(hosts) => with_hosts(hosts, &binary(self.service)),
            None => Command::new(binary(self.service)),
        };
        if self.hosts.is_some() {
            command.gid(self.service.group());
        }
        command
            .arg(verb)
            .env_clear()
            .envs(&self.environment)
            .env("POD_NAME", &self.pod)
            .env("HTTP_ADDRESS", format!("{}:{}", self.address, self.port))
            .env("ADMIN_ADDRESS", format!("{}:{}", self.address, self.admin_port))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        command
    }

    /// Starts the service; it is not ready yet.
    ///
    /// # Panics
    /// When the binary is missing or cannot be started.
    pub fn start(&self) -> Process {
        let child = self.command("serve").spawn().unwrap_or_else(|error| panic!("starting {}: {error}", self.service));
        Process { plan: self.clone(), child }
    }

    /// Runs the service's migrations to their end.
    ///
    /// # Panics
    /// When they fail.
    pub fn migrate(&self) {
        let status = self.command("migrate").status();
        let status = status.unwrap_or_else(|error| panic!("starting {}: {error}", self.service));
        assert!(status.success(), "{} migrate: {status}\n{}", self.service, tail(&self.output));
    }

    /// Runs one of the service's commands to its end, and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|said| panic!("{} {arguments:?}: {said}", self.service))
    }

    /// The same of a command that may fail.
    ///
    /// # Errors
    /// When it does: what it says.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(arguments[0]);
        let output = command.args(&arguments[1..]).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.unwrap_or_else(|error| panic!("starting {}: {error}", self.service));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// `program` with `hosts` in place of /etc/hosts, in a mount namespace of its own. Each step becomes the next (exec), so
/// that the process is the program in the end.
fn with_hosts(hosts: &Path, program: &Path) -> Command {
    // By their whole paths: the environment is the service's, without PATH.
    let script = "/usr/bin/mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "--propagation", "private", "/bin/sh", "-c", script]).arg(hosts).arg(program);
    command
}

/// A running service. It ends with this value.
#[derive(Debug)]
pub struct Process {
    plan: Plan,
    child: Child,
}

impl Process {
    /// What it was started with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The base URL of its API.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.plan.address, self.plan.port)
    }

    /// The URL of `path` on its admin port.
    pub fn admin(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.plan.address, self.plan.admin_port)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// When it ends first, or takes too long.
    pub async fn ready(&mut self) {
        let url = self.admin("/readyz");
        let Self { plan, child } = self;
        wait::until(&format!("{} ready", plan.pod), wait::SOON, async || {
            if let Some(status) = child.try_wait().expect("our own child") {
                panic!("{} ended with {status} before it was ready:\n{}", plan.pod, tail(&plan.output));
            }
            let response = reqwest::get(&url).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let text = response.text().await.unwrap_or_default();
            if status.is_success() { Ok(()) } else { Err(format!("{status}: {text}; {}", tail(&plan.output))) }
        })
        .await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("Linux's process ids are smaller"));
        // A process that has ended already needs no signal.
        let _ = kill(pid, signal);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let Self { plan, child } = self;
        wait::until(&format!("{} ended", plan.pod), STOP, async || {
            child.try_wait().expect("our own child").ok_or_else(|| format!("still running:\n{}", tail(&plan.output)))
        })
        .await
    }

    /// Kills it as a failing machine does: without any warning.
    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }

    /// Starts it again after its end, and waits until it is ready.
    pub async fn restart(&mut self) {
        *self = self.plan.start();
        self.ready().await;
    }

    /// The end of what it has printed.
    pub fn output(&self) -> String {
        tail(&self.plan.output)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing to do for one that has ended and been waited for: its id is no longer ours.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last lines of a file; empty if it cannot be read.
fn tail(path: &Path) -> String {
    const LINES: usize = 30;
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
