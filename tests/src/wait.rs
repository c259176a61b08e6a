//! Waiting for a condition, never for luck.

use std::time::{Duration, Instant};

/// How long an order may take from one end to the other on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looks until the condition holds and returns what it then gives; `Err` says what was seen instead.
///
/// # Panics
/// When the condition does not hold within `deadline`, with what was seen last.
pub async fn until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    let mut last = "nothing, the first look did not come back".to_owned();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = seen,
            Err(_) => panic!("{what}: not within {deadline:?}; last seen: {last}"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks again and again for the whole of `duration`; for what must not happen.
///
/// # Panics
/// As soon as a look gives an error, with that error.
pub async fn throughout(what: &str, duration: Duration, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let start = Instant::now();
    while start.elapsed() < duration {
        if let Err(seen) = look().await {
            panic!("{what}: broken after {:?}: {seen}", start.elapsed());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// `Ok` when `seen` is what was expected; otherwise `seen` as text, for [`until`].
pub fn equals<T: PartialEq + std::fmt::Debug>(seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{seen:?}, not {expected:?}")) }
}
