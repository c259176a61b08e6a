//! What processes cost: their processor time, and what they hold, from /proc.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// One process' line in /proc/PID/stat, as far as it is needed.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Of its own.
    ticks: u64,
    /// Of children that have ended.
    ticks_of_children: u64,
}

/// How much processor time a process and all that it has started have used.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stats = stats()?;
    let root = stats.get(&pid).with_context(|| format!("process {pid} is gone"))?;
    let family = stats.iter().filter(|(other, _)| descends(&stats, **other, pid));
    // What a process of the family that has ended used is its parent's, who waited for it.
    duration(family.map(|(_, stat)| stat.ticks).sum::<u64>() + root.ticks_of_children)
}

/// How much processor time this process has used, without what it has started.
///
/// # Errors
/// When /proc is not there.
pub(crate) fn cpu_of_this_process() -> Result<Duration> {
    let line = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    duration(parse(&line).context("/proc/self/stat is not what proc(5) says")?.ticks)
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    /// Resident, in MB.
    pub(crate) memory: f64,
    pub(crate) threads: f64,
    /// Open files, sockets and the like.
    pub(crate) descriptors: f64,
}

/// What a process holds now.
///
/// # Errors
/// When the process is gone.
pub(crate) fn held(pid: u32) -> Result<Held> {
    let gone = || format!("process {pid} is gone");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(gone)?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).with_context(gone)?.count() as f64;
    // A process that has ended, and was not waited for, has no memory.
    let (memory, threads) = parse_status(&status).with_context(gone)?;
    Ok(Held { memory, threads, descriptors })
}

/// What a process has held, resident, in MB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub(crate) most: f64,
    pub(crate) now: f64,
}

/// What a process holds now and has held at most.
///
/// # Errors
/// When the process is gone.
pub(crate) fn peak(pid: u32) -> Result<Peak> {
    let gone = || format!("process {pid} is gone");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(gone)?;
    let megabytes = |name| Some(number(&status, name)? * 1024.0 / 1e6);
    Ok(Peak { most: megabytes("VmHWM").with_context(gone)?, now: megabytes("VmRSS").with_context(gone)? })
}

/// Reads MB of resident memory and the number of threads out of /proc/PID/status.
fn parse_status(status: &str) -> Option<(f64, f64)> {
    Some((number(status, "VmRSS")? * 1024.0 / 1e6, number(status, "Threads")?))
}

/// A number out of /proc/PID/status.
fn number(status: &str, name: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

fn duration(ticks: u64) -> Result<Duration> {
    let per_second = sysconf(SysconfVar::CLK_TCK)?.and_then(|ticks| u32::try_from(ticks).ok());
    Ok(Duration::from_secs(ticks) / per_second.context("the system does not say how long a tick is")?)
}

fn descends(stats: &BTreeMap<u32, Stat>, mut pid: u32, from: u32) -> bool {
    while pid != from {
        match stats.get(&pid) {
            Some(stat) if stat.parent != pid => pid = stat.parent,
            _ => return false,
        }
    }
    true
}

fn stats() -> Result<BTreeMap<u32, Stat>> {
    let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process may end while we look.
    Ok(pids.filter_map(|pid| Some((pid, parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect())
}

/// Reads "PID (NAME) STATE PARENT …": the name may hold anything, so what counts is the last parenthesis.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<_> = line.rsplit_once(')')?.1.split_whitespace().collect();
    // Field 3 of proc(5), the state, is the first here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        ticks_of_children: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0";
        assert_eq!(parse(line), Some(Stat { parent: 3, ticks: 33, ticks_of_children: 77 }));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn what_is_held_is_read() {
        let status = "Name:\ta\nVmHWM:\t  9000 kB\nVmRSS:\t    5000 kB\nThreads:\t7\n";
        assert_eq!(parse_status(status), Some((5.12, 7.0)));
        assert_eq!(parse_status("Name:\ta\nThreads:\t1\n"), None);
        let held = held(std::process::id()).unwrap();
        assert!(held.memory > 1.0 && held.threads >= 1.0 && held.descriptors >= 3.0, "{held:?}");
    }

    #[test]
    fn this_process_uses_time() {
        let (me, mut work) = (std::process::id(), 0_u64);
        let before = (cpu(me).unwrap(), cpu_of_this_process().unwrap());
        while cpu(me).unwrap() == before.0 || cpu_of_this_process().unwrap() == before.1 {
            work = (0..1_000_000).fold(work, |sum, n| std::hint::black_box(sum ^ n));
        }
    }
}
