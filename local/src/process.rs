//! Servers that run as children of this process and never outlive it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{program::Program, wait};

/// A running server. It is killed when this is dropped, and by the kernel when this process dies.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `program`, its output appended to `NAME.log` in `logs`.
    pub(crate) fn start(program: &Program, logs: &Path) -> Result<Self> {
        fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let log = logs.join(format!("{}.log", program.name));
        let output = File::options().create(true).append(true).open(&log)?;
        let line = program.start_line(&["--pdeathsig", "KILL"]);
        let (first, rest) = line.split_first().context("an empty command line")?;
        let mut command = Command::new(first);
        command.args(rest).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = spawn(command).with_context(|| format!("cannot start {}", program.name))?;
        Ok(Self { name: program.name.clone(), child, log })
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that the server has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the server ends before, with the end of its log; or when `limit` has passed.
    pub(crate) fn wait_ready(&mut self, limit: Duration, mut ready: impl FnMut(&Self) -> bool) -> Result<()> {
        let what = format!("{} ready", self.name);
        wait::until(&what, limit, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended while starting ({status}): {}", self.name, last_lines(&self.log()));
            }
            Ok(ready(self))
        })
    }

    /// Asks the server to stop with `signal` and waits for its end; after `limit` it is killed.
    pub(crate) fn stop(&mut self, signal: Signal, limit: Duration) -> Result<()> {
        self.signal(signal)?;
        let ended = wait::until("stopping", limit, || Ok(self.child.try_wait()?.is_some()));
        if ended.is_err() { self.kill() } else { Ok(()) }
    }

    /// Kills the server and all that it has started, at once.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let family = self.family();
        for &pid in &family {
            send(pid, Signal::SIGKILL)?;
        }
        let status = self.child.wait()?;
        // Its children are not ours to wait for, but their sockets and memory must be gone before a restart.
        wait::until(&format!("the end of {}", self.name), Duration::from_secs(10), || {
            Ok(family.iter().all(|pid| !is_running(*pid)))
        })?;
        match status.signal() {
            Some(_) => Ok(()),
            None => bail!("{} had ended by itself before it was killed ({status})", self.name),
        }
    }

    /// Freezes the server and all that it has started: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pause(&self) -> Result<()> {
        let freezing = format!("freezing {}", self.name);
        let mut frozen = vec![];
        loop {
            let family = self.family();
            // Until it is frozen itself, a process may have started another one that nobody has looked at.
            if family.iter().all(|pid| frozen.contains(pid)) {
                return Ok(());
            }
            family.iter().try_for_each(|&pid| send(pid, Signal::SIGSTOP))?;
            // Each thread stops when it gets to it.
            wait::until(&freezing, Duration::from_secs(10), || Ok(family.iter().copied().all(is_frozen)))?;
            frozen = family;
        }
    }

    /// Undoes [`Server::pause`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn resume(&self) -> Result<()> {
        self.family().into_iter().try_for_each(|pid| send(pid, Signal::SIGCONT))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        send(pid_of(&self.child), signal)
    }

    /// The server's process and its descendants.
    fn family(&self) -> Vec<Pid> {
        let parents = parents();
        let mut family = vec![pid_of(&self.child)];
        let mut next = 0;
        while let Some(&parent) = family.get(next) {
            family.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        family
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the kernel kills it with this process anyway.
        drop(self.kill());
    }
}

/// Forks every server from one thread that lives as long as this process: the kernel sends the parent's death
/// signal when the *thread* that forked ends, and a test's threads come and go.
fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in queue {
                // Without a receiver nobody wants the child: dropping the pipe end is all there is to do.
                drop(answer.send(command.spawn()));
            }
        });
        jobs
    });
    let (answer, child) = mpsc::channel();
    spawner.send((command, answer)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

fn send(pid: Pid, signal: Signal) -> Result<()> {
    match kill(pid, signal) {
        // Already gone is as good.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot send {signal} to process {pid}")),
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// The state letter and the parent of a process.
fn stat(pid: Pid) -> Option<(char, Pid)> {
    read_stat(Path::new(&format!("/proc/{pid}")))
}

/// Likewise, of the process or thread whose directory in `/proc` this is.
fn read_stat(directory: &Path) -> Option<(char, Pid)> {
    let text = fs::read_to_string(directory.join("stat")).ok()?;
    // The command's name stands in parentheses and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, Pid::from_raw(fields.next()?.parse().ok()?)))
}

fn is_running(pid: Pid) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Whether every thread of a process is stopped, or the process is gone.
fn is_frozen(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| read_stat(&thread.path())).all(|(state, _)| matches!(state, 'T' | 'Z' | 'X'))
}

fn parents() -> HashMap<Pid, Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter_map(|pid| Some((pid, stat(pid)?.1)))
        .collect()
}

/// The end of a log, for messages.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// A TCP port that nobody listens on, and that this process has given to nobody else.
pub(crate) fn free_port() -> Result<u16> {
    // Below the ports that the kernel takes for outgoing connections, of which there are many on loopback: a server that
    // is started again has to find its port free. Processes side by side have different hundreds to begin with.
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 9_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT / 100))? * 100;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + step % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} to {}", FIRST + COUNT)
}
