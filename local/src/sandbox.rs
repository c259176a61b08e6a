//! The Linux namespaces that the cluster lives in: processes, mounts, network, IPC and host name.
//!
//! Process 1 in there is our `pause` binary, run from the instance's own directory: that is how it is found again. When it
//! is killed, the kernel ends every other process in there and takes down mounts, interfaces and packet filter rules.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Instance, exec, network, process, program::Program, wait};

/// Mount points outside the state directory: Kubernetes and CNI know no others.
pub(crate) const MOUNT_POINTS: [&str; 2] = ["/var/lib/kubelet", "/var/lib/cni"];

/// The running namespaces of an instance.
#[derive(Debug)]
pub(crate) struct Sandbox {
    state: PathBuf,
    /// Process 1 of the sandbox, as the machine numbers it.
    init: Pid,
}

impl Sandbox {
    /// The instance's sandbox, if it runs.
    pub(crate) fn find(instance: &Instance) -> Result<Option<Self>> {
        let binary = binary(instance);
        for entry in fs::read_dir("/proc").context("cannot list processes")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == binary) {
                return Ok(Some(Self { state: instance.state(), init: Pid::from_raw(pid) }));
            }
        }
        Ok(None)
    }

    /// Makes the namespaces with `pause` as their first process, and the network in them.
    pub(crate) fn create(instance: &Instance, pause: &Path) -> Result<Self> {
        let state = instance.state();
        for directory in ["bin", "cni", "kubelet", "log", "run"] {
            fs::create_dir_all(state.join(directory))?;
        }
        for point in MOUNT_POINTS {
            fs::create_dir_all(point)?;
        }
        fs::copy(pause, binary(instance)).with_context(|| format!("cannot copy {}", pause.display()))?;
        // Only where these are modules, and only if they are there: checked where it matters.
        drop(exec::run(Command::new("modprobe").args(["--all", "br_netfilter", "overlay"])));

        let output = fs::File::create(state.join("log/sandbox.log"))?;
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "--mount-proc", "--propagation", "private"])
            .arg(binary(instance))
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut parent = command.spawn().context("cannot start unshare")?;
        let sandbox = wait::until_some("the cluster's namespaces", Duration::from_secs(10), || {
            if let Some(status) = parent.try_wait()? {
                let said = fs::read_to_string(state.join("log/sandbox.log")).unwrap_or_default();
                anyhow::bail!("cannot make the cluster's namespaces ({status}): {}", process::last_lines(&said));
            }
            Self::find(instance)
        })?;
        // The parent waits for process 1 and would stay a zombie while this process lives.
        thread::spawn(move || parent.wait());

        let address = format!("{}/16", instance.node_address());
        let script = include_str!("sandbox.sh");
        let mut setup = sandbox.command("sh");
        setup.args(["-c", script, "sh"]).arg(&state).args([&address, instance.name()]);
        exec::run(&mut setup).context("cannot set up the cluster's namespaces")?;
        network::link(instance, &sandbox)?;
        fs::write(sandbox.marker(), "")?;
        Ok(sandbox)
    }

    /// Whether [`Sandbox::create`] came to its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.marker().exists()
    }

    fn marker(&self) -> PathBuf {
        self.state.join("run/sandbox-complete")
    }

    pub(crate) fn init(&self) -> Pid {
        self.init
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.init));
        command.args(["--mount", "--net", "--ipc", "--uts", "--pid", "--"]).arg(program).current_dir("/");
        command
    }

    /// Sees to it that `program` runs inside with exactly this command line. Returns whether it had to be started.
    pub(crate) fn ensure(&self, program: &Program) -> Result<bool> {
        if let Some((pid, line)) = self.running(&program.name) {
            if line == program.command_line() {
                return Ok(false);
            }
            self.stop(&program.name, pid)?;
        }
        let line = program.start_line(&[]);
        fs::write(self.line_file(&program.name), line.join("\0"))?;
        self.start(&program.name, &line)?;
        Ok(true)
    }

    fn start(&self, name: &str, line: &[String]) -> Result<()> {
        let script = "log=$1 pid=$2; shift 2; setsid \"$@\" </dev/null >>\"$log\" 2>&1 & echo $! >\"$pid\"";
        let mut command = self.command("sh");
        command.args(["-c", script, "sh"]);
        command.arg(self.state.join("log").join(format!("{name}.log"))).arg(self.pid_file(name)).args(line);
        exec::run(&mut command).with_context(|| format!("cannot start {name}"))?;
        Ok(())
    }

    /// Starts a program that has ended, as it was started the last time.
    pub(crate) fn start_again(&self, name: &str) -> Result<()> {
        ensure!(!self.is_running_named(name), "{name} runs already");
        let line = fs::read_to_string(self.line_file(name))
            .with_context(|| format!("how {name} was started is not known: run cargo xtask down and up"))?;
        self.start(name, &line.split('\0').map(str::to_owned).collect::<Vec<_>>())
    }

    /// Stops a program in good order.
    pub(crate) fn stop_named(&self, name: &str) -> Result<()> {
        let (pid, _) = self.running(name).with_context(|| format!("{name} does not run"))?;
        self.stop(name, pid)
    }

    /// Whether `program` runs; false when it ended by itself.
    pub(crate) fn is_running(&self, program: &Program) -> bool {
        self.is_running_named(&program.name)
    }

    /// Likewise, of the program that is called so.
    pub(crate) fn is_running_named(&self, name: &str) -> bool {
        self.running(name).is_some()
    }

    /// The end of a program's log, for messages.
    pub(crate) fn last_lines(&self, name: &str) -> String {
        let log = fs::read(self.state.join("log").join(format!("{name}.log"))).unwrap_or_default();
        process::last_lines(&String::from_utf8_lossy(&log))
    }

    /// Ends every process inside, and with them all the rest.
    pub(crate) fn destroy(self) -> Result<()> {
        let init = self.init;
        kill(init, Signal::SIGKILL).with_context(|| format!("cannot kill process {init}"))?;
        // Process 1 is gone only after every other process in there.
        wait::until("the end of the cluster's processes", Duration::from_secs(30), || {
            Ok(!Path::new(&format!("/proc/{init}/ns/pid")).exists()
                || fs::read_link(format!("/proc/{init}/exe")).is_err())
        })
    }

    /// The process id inside and the command line of the component `name`, if it runs.
    fn running(&self, name: &str) -> Option<(i32, Vec<String>)> {
        let pid: i32 = fs::read_to_string(self.pid_file(name)).ok()?.trim().parse().ok()?;
        // Process 1's root shows /proc as it is inside.
        let line = command_line(Path::new(&format!("/proc/{}/root/proc/{pid}", self.init)))?;
        Some((pid, line))
    }

    fn stop(&self, name: &str, pid: i32) -> Result<()> {
        // SIGTERM alone would have PostgreSQL wait until its last client, a pod, has gone.
        let signal = if name == "postgresql" { "-INT" } else { "-TERM" };
        exec::run(self.command("kill").arg(signal).arg(pid.to_string()))?;
        wait::until(&format!("the end of {name}"), Duration::from_secs(30), || Ok(self.running(name).is_none()))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.state.join("run").join(format!("{name}.pid"))
    }

    /// The command line that a program was started with.
    fn line_file(&self, name: &str) -> PathBuf {
        self.state.join("run").join(format!("{name}.line"))
    }
}

fn binary(instance: &Instance) -> PathBuf {
    instance.state().join("bin/pause")
}

/// The command line of the process that this directory of /proc is about, if it runs. While it becomes another program it
/// has none, as after its end.
fn command_line(process: &Path) -> Option<Vec<String>> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // "PID (NAME) STATE …", and the name may hold anything.
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    let line = fs::read(process.join("cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line);
    let arguments = line.strip_suffix('\0').map(|line| line.split('\0').map(str::to_owned).collect());
    Some(arguments.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_command_line_runs_unless_it_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let seen = |state: char, line: &str| {
            fs::write(directory.path().join("stat"), format!("7 (a) b) {state} 1 7 7 0")).unwrap();
            fs::write(directory.path().join("cmdline"), line).unwrap();
            command_line(directory.path())
        };
        assert_eq!(seen('S', "etcd\0--a\0"), Some(vec!["etcd".to_owned(), "--a".to_owned()]));
        assert_eq!(seen('R', ""), Some(vec![]), "in the middle of execve(2)");
        assert_eq!(seen('Z', ""), None);
        assert_eq!(command_line(&directory.path().join("none")), None);
    }
}
