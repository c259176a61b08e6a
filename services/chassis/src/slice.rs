//! How soon a thread gets a processor when others have them all.
//!
//! Linux gives a thread its share in slices of some 3 ms, and who has just got something to do waits for the slices of
//! others. A thread that asks for shorter slices gets no more time, but sooner: it may interrupt longer ones. Answering a
//! request takes far less than one slice. Source: sched_setattr(2), `sched_runtime` of SCHED_OTHER, and the kernel's
//! Documentation/scheduler/sched-eevdf.rst; from Linux 6.12 on.

use std::mem;

/// The shortest slice that there is, in nanoseconds.
const SHORTEST: u64 = 100_000;

/// Asks for short slices for this thread and those that it starts. Where the kernel does not know them nothing changes.
pub(crate) fn shorten() {
    let size = u32::try_from(mem::size_of::<libc::sched_attr>()).unwrap_or_default();
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // Policy and niceness stay what they are.
    #[expect(unsafe_code, reason = "no library offers this call")]
    // SAFETY: the kernel writes at most `size` bytes to `attributes`, which has that size and outlives the call; any
    // number is a valid one there.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    attributes.sched_runtime = SHORTEST;
    #[expect(unsafe_code, reason = "no library offers this call")]
    // SAFETY: the kernel reads `attributes`, which says its own size and outlives the call, and changes no memory.
    if read != 0 || unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "no short time slices");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This thread's slice in nanoseconds, and its niceness, as the kernel tells them.
    fn told() -> (u64, i64) {
        let number = |name: &str| {
            let sched = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
            let line = sched.lines().find(|line| line.starts_with(name))?.to_owned();
            line.rsplit(':').next()?.trim().parse::<i64>().ok()
        };
        (number("se.slice").unwrap_or_default().unsigned_abs(), number("prio").unwrap_or_default())
    }

    #[test]
    fn a_thread_gets_short_slices_and_keeps_its_niceness() {
        std::thread::spawn(|| {
            let (before, prio) = told();
            shorten();
            let (after, prio_after) = told();
            assert_eq!(prio, prio_after);
            // A kernel before 6.12 tells none, or does not change it.
            assert!(after == SHORTEST || after == before, "{before} → {after}");
        })
        .join()
        .unwrap();
    }
}
