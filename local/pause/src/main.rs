//! Process 1 of a PID namespace: it holds the namespaces open, reaps the orphans that the kernel hands to it and
//! leaves when it is told to. The same binary is the sandbox of every pod and the root of the local cluster.

use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

fn main() -> nix::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    // Blocked, so that they stay pending until the wait below takes them: none is lost in between.
    signals.thread_block()?;
    while signals.wait()? == Signal::SIGCHLD {
        // One SIGCHLD may stand for several children. An error means that none is left.
        while !matches!(waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)), Err(_) | Ok(WaitStatus::StillAlive)) {}
    }
    Ok(())
}
