//! What a test leaves in the kernel when it is killed before it can take it away: found by its name, which holds the id of
//! the process, and removed by the next one.

use std::{
    fs,
    process::id,
    sync::atomic::{AtomicU32, Ordering},
};

/// What names begin with.
const PREFIX: &str = "fp-fault-";

/// A name that nothing else has.
pub(crate) fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Whether this is the name of something whose test is gone.
pub(crate) fn is_left(name: &str) -> bool {
    let Some((owner, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else { return false };
    let program = fs::read_link(format!("/proc/{owner}/exe")).unwrap_or_default();
    // The id may be another program's by now.
    !program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("faults-"))
}

#[test]
fn only_what_has_no_owner_is_left() {
    assert!(!is_left(&new_name()), "this test runs");
    assert!(!is_left("OUTPUT") && !is_left("fp-fault-1"), "none of ours");
    // Process ids are less than 2^22.
    assert!(is_left("fp-fault-4194304-0"));
}
