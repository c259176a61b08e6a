//! The highest rate that can go on for long: at which what is left to do does not pile up.

use std::{fmt, time::Duration};

use crate::{backlog::History, tally::Tally};

/// How many rates are tried.
pub(crate) const STEPS: u32 = 6;
/// How long each is, however long other loads are: what is a tenth too much has left a second's worth by then.
pub(crate) const STEP: Duration = Duration::from_secs(10);
/// A rate that is this part of one that does not hold is near enough.
const NEAR: f64 = 0.98;
/// For each order in a second, so many messages may be left to do when a step ends: a second's. An order makes seven
/// events, and with all their readers that is 17 messages to be read. Half of it is there at any rate that goes on:
/// readers commit what they have done each half second.
pub(crate) const WITHIN_A_SECOND: f64 = 17.0;

/// A rate that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// Orders in a second.
    pub(crate) rate: f64,
    /// Rows and messages left when it ended, with those of orders that were not answered yet.
    pub(crate) left: f64,
    /// The most that was left at any time.
    pub(crate) largest: i64,
    /// Whether each order was taken.
    pub(crate) went_well: bool,
}

impl Step {
    /// What came of a load of `rate` orders a second for `lasting`.
    pub(crate) fn of(rate: f64, lasting: Duration, tally: &Tally, backlog: &History) -> Self {
        let late = (rate * lasting.as_secs_f64() - tally.successes_within(lasting) as f64).max(0.0);
        Self {
            rate,
            left: backlog.at_end(lasting) as f64 + WITHIN_A_SECOND * late,
            largest: backlog.largest(),
            went_well: tally.troubles().is_none(),
        }
    }

    /// The most that may be left.
    pub(crate) fn bound(&self) -> f64 {
        WITHIN_A_SECOND * self.rate
    }

    /// Whether it could have gone on like that.
    pub(crate) fn holds(&self) -> bool {
        self.went_well && self.left <= self.bound()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} orders/s: {:.0} left to do", self.rate, self.left)?;
        match (self.went_well, self.holds()) {
            (false, _) => f.write_str(", and not all were taken"),
            (true, false) => write!(f, ", more than {:.0}", self.bound()),
            (true, true) => Ok(()),
        }
    }
}

/// A search for the highest rate that holds, between one that does and one that does not.
#[derive(Debug)]
pub(crate) struct Search {
    best: Option<Step>,
    high: f64,
    /// Where it begins.
    estimate: f64,
}

impl Search {
    /// Begins at `estimate`, and never goes above `high`.
    pub(crate) fn new(estimate: f64, high: f64) -> Self {
        Self { best: None, high, estimate: estimate.min(high) }
    }

    /// The rate to try next: after the estimate, always the middle of what is not known. `None` when that is next to
    /// nothing.
    pub(crate) fn next(&self) -> Option<f64> {
        let low = self.best.map_or(0.0, |best| best.rate);
        let is_first = self.best.is_none() && self.high >= self.estimate;
        let next = if is_first { self.estimate } else { f64::midpoint(low, self.high) };
        (low < self.high * NEAR).then_some(next)
    }

    /// Takes in what came of it.
    pub(crate) fn learn(&mut self, step: Step) {
        if step.holds() {
            self.best = Some(step);
        } else {
            // Just below, so that a first step that fails is not tried again.
            self.high = step.rate.next_down();
        }
    }

    /// The highest rate that held.
    pub(crate) fn best(&self) -> Option<Step> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use anyhow::Result;
    use http::StatusCode;

    use super::*;

    /// Searches on a platform that bears so much.
    fn found(capacity: f64, estimate: f64) -> Option<f64> {
        let mut search = Search::new(estimate, 2000.0);
        for _ in 0..STEPS {
            let Some(rate) = search.next() else { break };
            assert!((0.0..=2000.0).contains(&rate), "{rate}");
            let left = if rate > capacity { 100.0 * rate } else { 10.0 };
            search.learn(Step { rate, left, largest: 0, went_well: true });
        }
        search.best().map(|best| best.rate)
    }

    #[test]
    fn the_highest_rate_that_holds_is_found_wherever_it_is() {
        for (capacity, estimate) in [(1500.0, 1400.0), (1500.0, 1600.0), (1990.0, 1400.0), (900.0, 1400.0)] {
            let found = found(capacity, estimate).unwrap();
            assert!(found <= capacity && found > capacity - 50.0, "{found}, not {capacity}, from {estimate}");
        }
        assert_eq!(found(1.0, 1400.0), None);
        assert!(found(5000.0, 9000.0).unwrap() > 1990.0, "never more than the highest");
    }

    #[test]
    fn a_step_holds_when_all_was_taken_and_little_is_left() {
        let (start, mut tally) = (Instant::now(), Tally::default());
        let mut answered = |answer: Result<StatusCode>| {
            tally.answered(start, start, answer);
            Step::of(2.0, Duration::from_secs(1), &tally, &History::default())
        };
        // Of two orders, one is not answered yet: all that it brings is left to do.
        let step = answered(Ok(StatusCode::CREATED));
        assert_eq!((step.left, step.bound(), step.holds()), (17.0, 34.0, true));
        assert_eq!(step.to_string(), "2 orders/s: 17 left to do");
        let step = Step { left: 35.0, ..step };
        assert_eq!((step.holds(), step.to_string().as_str()), (false, "2 orders/s: 35 left to do, more than 34"));
        assert!(!answered(Ok(StatusCode::SERVICE_UNAVAILABLE)).holds());
    }
}
