//! Waiting for a condition, never for a while.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Between two looks at a condition that nothing announces.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `condition` holds.
///
/// # Errors
/// When `limit` has passed, naming `what`; or the condition's own error at once.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until_some(what, limit, || Ok(condition()?.then_some(())))
}

/// Waits until `look` finds something, and returns it.
///
/// # Errors
/// When `limit` has passed, naming `what`; or the look's own error at once.
pub fn until_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        thread::sleep(INTERVAL);
    }
}
