//! What can be done to a cluster and its pods from the machine that they run on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use local::{Cluster as Node, Part, run};
use nix::unistd::Pid;
use tokio::task::block_in_place;

use crate::stage::PORT;

/// The user and the group of the services' images.
const OWNER: u32 = 65532;

/// The process of a pod, which runs on this very machine: the operator has told it its name.
///
/// # Panics
/// When there is none.
pub(crate) fn process_of(pod: &str) -> Pid {
    find(pod).unwrap_or_else(|| panic!("no process of pod {pod} runs on this machine"))
}

fn find(pod: &str) -> Option<Pid> {
    let is_it = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        value_of(&environment, "POD_NAME").is_some_and(|name| name == pod)
    };
    let all = fs::read_dir("/proc").ok()?.flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it).map(Pid::from_raw)
}

/// A variable that a pod's process was started with.
///
/// # Errors
/// When its environment can't be read.
///
/// # Panics
/// When there is no such process.
pub(crate) fn variable_of(pod: &str, name: &str) -> Result<Option<String>, String> {
    let path = format!("/proc/{}/environ", process_of(pod));
    let environment = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(value_of(&environment, name))
}

/// A variable of an environment as the kernel shows it.
fn value_of(environment: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(environment);
    text.split('\0').find_map(|variable| Some(variable.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// A pod whose callers find nobody at home, until this is dropped: its kernel refuses their connections and ends those that they
/// have. The kubelet asks at another port and finds it well, so that it goes on being an endpoint.
pub(crate) struct Refusal {
    pod: String,
}

impl Refusal {
    /// # Panics
    /// When the kernel's packet filter can't be told.
    pub(crate) fn of(pod: &str) -> Self {
        // Ahead of the rule, so that it also goes when only the answer was lost.
        let refusal = Self { pod: pod.to_owned() };
        rule(pod, "--insert").unwrap_or_else(|error| panic!("pod {pod} can't be made to refuse: {error}"));
        refusal
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        if let Err(error) = rule(&self.pod, "--delete") {
            eprintln!("pod {} goes on refusing: {error}", self.pod);
        }
    }
}

/// Changes the packet filter in a pod's own network.
fn rule(pod: &str, verb: &str) -> Result<(), String> {
    let pid = find(pod).ok_or("no process of it runs on this machine")?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--target={pid}")).args(["--net", "--", "iptables", "--wait", verb, "INPUT"]);
    command.args(["--protocol", "tcp", "--dport", &PORT.to_string()]);
    command.args(["--jump", "REJECT", "--reject-with", "tcp-reset"]);
    run(&mut command).map(drop).map_err(|error| format!("{error:#}"))
}

/// A server of the cluster that is away, until this is dropped.
pub(crate) struct Away<'a> {
    node: &'a Node,
    part: Part,
    is_back: bool,
}

impl<'a> Away<'a> {
    /// Stops it.
    ///
    /// # Errors
    /// When it doesn't end.
    pub(crate) fn stop(node: &'a Node, part: Part) -> Result<Self, String> {
        let away = Self { node, part, is_back: false };
        block_in_place(|| node.stop(part)).map_err(|error| format!("{error:#}"))?;
        Ok(away)
    }

    /// Starts it again, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub(crate) fn back(mut self) -> Result<(), String> {
        self.is_back = true;
        block_in_place(|| self.node.start(self.part)).map_err(|error| format!("{error:#}"))
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        if !self.is_back
            && let Err(error) = block_in_place(|| self.node.start(self.part))
        {
            eprintln!("{:?} stays away: {error:#}", self.part);
        }
    }
}

/// A small disk, in memory, in the place of a volume's directory, until this is dropped. Pods that are started meanwhile have it.
pub(crate) struct Disk<'a> {
    node: &'a Node,
    place: PathBuf,
}

impl<'a> Disk<'a> {
    /// Mounts one of so many KiB.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn mount(node: &'a Node, place: &Path, kibibytes: u32) -> Result<Self, String> {
        let options = format!("size={kibibytes}k,uid={OWNER},gid={OWNER},mode=0770");
        let disk = Self { node, place: place.to_owned() };
        disk.run("mount", |command| command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place)).map(|_| disk)
    }

    /// Fills it up to the last byte.
    ///
    /// # Errors
    /// When there is room left.
    pub(crate) fn fill(&self) -> Result<(), String> {
        let said = self.run("dd", |command| command.args(["if=/dev/zero", "bs=512"]).arg(self.ballast("of=")));
        match said {
            Err(error) if error.contains("No space left") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(format!("{} has no end", self.place.display())),
        }
    }

    /// Undoes [`Disk::fill`].
    ///
    /// # Errors
    /// When it was not filled.
    pub(crate) fn make_room(&self) -> Result<(), String> {
        self.run("rm", |command| command.arg(self.ballast(""))).map(drop)
    }

    /// How much of it is used, in KiB, with what lies there, as `df` and `ls` show it.
    ///
    /// # Errors
    /// When it isn't there.
    pub(crate) fn show(&self) -> Result<String, String> {
        let used = self.run("df", |command| command.arg("-k").arg(&self.place))?;
        Ok(used + &self.run("ls", |command| command.arg("-l").arg(&self.place))?)
    }

    /// The bytes of its files' contents, without what fills it up.
    ///
    /// # Errors
    /// When it isn't there.
    pub(crate) fn written(&self) -> Result<u64, String> {
        let sizes = self.run("find", |command| command.arg(&self.place).args(["-name", "*.log", "-printf", "%s\n"]))?;
        Ok(sizes.lines().filter_map(|size| size.parse::<u64>().ok()).sum())
    }

    fn ballast(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.place.join("ballast").display())
    }

    /// Runs a program in the node's own file system, where the disk is.
    fn run(&self, program: &str, set: impl FnOnce(&mut Command) -> &mut Command) -> Result<String, String> {
        let mut command = self.node.command(program).map_err(|error| format!("{error:#}"))?;
        set(&mut command);
        block_in_place(|| run(&mut command)).map_err(|error| format!("{error:#}"))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Also while a pod has it: that keeps it to its end, and those after it have the directory.
        if let Err(error) = self.run("umount", |command| command.arg("--lazy").arg(&self.place)) {
            eprintln!("{} stays mounted: {error}", self.place.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"PATH=/\0COOKING_TIME_OF_OTHERS=1s\0COOKING_TIME=2s\0EMPTY=\0";
        assert_eq!(value_of(environment, "COOKING_TIME").as_deref(), Some("2s"));
        assert_eq!(value_of(environment, "EMPTY").as_deref(), Some(""));
        assert_eq!(value_of(environment, "TIME"), None);
    }
}
