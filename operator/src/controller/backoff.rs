//! Waiting times: exponential, and never the same for two who started together.

use std::time::Duration;

use rand::Rng as _;

/// Between half of `duration` and all of it.
#[must_use]
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// The waiting time after `failures` further failures: `first` doubled for each, at most `limit`, jittered.
#[must_use]
pub fn exponential(first: Duration, limit: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(31));
    jittered(first.saturating_mul(factor).min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let first = Duration::from_secs(1);
        let limit = Duration::from_secs(60);
        for (failures, most) in [(0, 1), (1, 2), (5, 32), (6, 60), (1000, 60)] {
            let most = Duration::from_secs(most);
            let waited = exponential(first, limit, failures);
            assert!(waited <= most && waited >= most / 2, "{failures} failures: {waited:?}");
        }
    }
}
