//! What a load was answered, and how fast.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use hdrhistogram::Histogram;
use http::StatusCode;

/// The longest time that is told apart from longer ones, in microseconds.
const LONGEST: u64 = 10 * 60 * 1_000_000;

/// Times, in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // It fails only for bounds below 2 or more than 5 digits.
        #[expect(clippy::expect_used, reason = "the bounds and the digits are constants that it takes")]
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("constants that it takes"))
    }
}

impl Times {
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST).max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so there is nothing that it could refuse; and a count is all that would be missed.
        let _ = self.0.add(&other.0);
    }

    /// The time within which that part (0 to 100 percent) of all lay, in milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1000.0
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// What a load was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// From the time when a request should have been sent until it was answered, or given up.
    pub(crate) latency: Times,
    /// How many answers had each status.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// How many requests had no answer, with the first reason.
    pub(crate) failures: u64,
    pub(crate) failure: Option<String>,
    /// How many requests were never sent, because the time was over.
    pub(crate) unsent: u64,
    /// How many succeeded in each second.
    pub(crate) per_second: Vec<u64>,
    /// How long it lasted.
    pub(crate) took: Duration,
}

impl Tally {
    /// Takes in an answer, or that there was none.
    pub(crate) fn answered(&mut self, start: Instant, intended: Instant, answer: Result<StatusCode>) {
        let now = Instant::now();
        self.latency.record(now - intended);
        match answer {
            Ok(status) => {
                *self.answers.entry(status.as_u16()).or_default() += 1;
                if is_success(status.as_u16()) {
                    // Far more seconds than memory holds do not occur: a load is bounded in time.
                    let second = usize::try_from((now - start).as_secs()).unwrap_or_default();
                    self.per_second.resize(self.per_second.len().max(second + 1), 0);
                    self.per_second[second] += 1;
                }
            }
            Err(error) => {
                self.failures += 1;
                self.failure.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latency.merge(&other.latency);
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
        self.unsent += other.unsent;
        self.per_second.resize(self.per_second.len().max(other.per_second.len()), 0);
        for (sum, count) in self.per_second.iter_mut().zip(other.per_second) {
            *sum += count;
        }
    }

    /// How many did what they were to do.
    pub(crate) fn successes(&self) -> u64 {
        self.answers.iter().filter(|(status, _)| is_success(**status)).map(|(_, count)| count).sum()
    }

    /// How many had done so when so many whole seconds were over.
    pub(crate) fn successes_within(&self, time: Duration) -> u64 {
        // More seconds than memory holds are all of them.
        let seconds = usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
        self.per_second.iter().take(seconds).sum()
    }

    /// How many did what they were to do in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.successes() as f64 / self.took.as_secs_f64()
    }

    /// How many requests there were to be.
    pub(crate) fn asked(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.failures + self.unsent
    }

    /// What went wrong, in words; `None` when all succeeded.
    pub(crate) fn troubles(&self) -> Option<String> {
        let said = self.say(|status| !is_success(status));
        (!said.is_empty()).then_some(said)
    }

    /// How many had which answer, in words.
    pub(crate) fn said(&self) -> String {
        self.say(|_| true)
    }

    fn say(&self, of: impl Fn(u16) -> bool) -> String {
        let answers = self.answers.iter().filter(|(status, _)| of(**status));
        let mut said: Vec<_> = answers.map(|(status, count)| format!("{count} × {status}")).collect();
        let reason = self.failure.as_deref().unwrap_or_default();
        said.extend((self.failures > 0).then(|| format!("{} × no answer ({reason})", self.failures)));
        said.extend((self.unsent > 0).then(|| format!("{} never sent", self.unsent)));
        said.join(", ")
    }
}

/// A read, or an order that is placed. 202 is none: the gateway has put the order by, for order was away.
fn is_success(status: u16) -> bool {
    matches!(status, 200 | 201)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_tally_tells_success_from_trouble_and_adds_up() {
        let start = Instant::now();
        let (mut tally, mut other) = (Tally::default(), Tally::default());
        tally.answered(start, start, Ok(StatusCode::CREATED));
        assert_eq!(tally.troubles(), None);
        other.answered(start, start, Ok(StatusCode::ACCEPTED));
        other.answered(start, start, Err(anyhow!("refused")));
        other.unsent = 3;
        tally.merge(other);
        tally.took = Duration::from_millis(500);
        assert_eq!((tally.successes(), tally.rate(), tally.latency.0.len()), (1, 2.0, 3));
        assert_eq!(tally.per_second, [1]);
        tally.per_second = vec![4, 2, 1];
        assert_eq!([0, 2, 9].map(|seconds| tally.successes_within(Duration::from_secs(seconds))), [0, 6, 7]);
        assert_eq!(tally.troubles().unwrap(), "1 × 202, 1 × no answer (refused), 3 never sent");
        assert_eq!((tally.asked(), tally.said()), (6, "1 × 201, ".to_owned() + &tally.troubles().unwrap()));
    }

    #[test]
    fn percentiles_are_in_milliseconds_and_a_time_beyond_the_longest_counts() {
        let mut times = Times::default();
        (1..=100).for_each(|n| times.record(Duration::from_millis(n)));
        assert!((times.percentile(50.0) - 50.0).abs() < 0.1 && (times.percentile(99.0) - 99.0).abs() < 0.1);
        times.record(Duration::from_secs(3600));
        assert!(times.max() >= 600_000.0);
    }
}
