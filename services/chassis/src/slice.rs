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
    let attributes = libc::sched_attr {
        size: u32::try_from(mem::size_of::<libc::sched_attr>()).unwrap_or_default(),
        sched_policy: libc::SCHED_OTHER.unsigned_abs(),
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: SHORTEST,
        sched_deadline: 0,
        sched_period: 0,
    };
    #[expect(unsafe_code, reason = "no library offers this call")]
    // SAFETY: the kernel reads `attributes`, which lives longer than the call and says its own size, and changes no memory.
    let status = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if status != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "no short time slices");
    }
}
