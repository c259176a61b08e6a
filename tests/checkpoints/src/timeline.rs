//! What happened when: answers in each second, pods, and marks where something was done. Pure.

use std::{collections::BTreeMap, time::Duration};

use ::tests::process::Service;

/// The answers of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Answers that were as they should be.
    pub answered: usize,
    /// Requests without an answer, or with one that is the platform's failure.
    pub failed: usize,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// By second, from the beginning.
    pub seconds: Vec<Second>,
    /// Ready pods, by service and time.
    pub pods: BTreeMap<Service, Vec<(Duration, usize)>>,
    /// What was done, by time.
    pub marks: Vec<(Duration, String)>,
}

impl Timeline {
    /// Counts the answer to a request that was sent at that time.
    pub fn count(&mut self, at: Duration, is_failure: bool) {
        let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Second::default());
        }
        if is_failure {
            self.seconds[second].failed += 1;
        } else {
            self.seconds[second].answered += 1;
        }
    }

    /// Puts a later one behind it.
    pub fn append(&mut self, later: Self) {
        let offset = Duration::from_secs(self.seconds.len() as u64);
        self.seconds.extend(later.seconds);
        for (service, points) in later.pods {
            let moved = points.into_iter().map(|(at, count)| (at + offset, count));
            self.pods.entry(service).or_default().extend(moved);
        }
        self.marks.extend(later.marks.into_iter().map(|(at, what)| (at + offset, what)));
    }

    /// The share of requests that were answered as they should be, in percent; `None` where there were none.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        let (answered, failed) = self.totals();
        let all = answered + failed;
        (all > 0).then(|| answered as f64 / all as f64 * 100.0)
    }

    /// How many requests were answered as they should be, and how many were not.
    #[must_use]
    pub fn totals(&self) -> (usize, usize) {
        self.seconds
            .iter()
            .fold((0, 0), |(answered, failed), second| (answered + second.answered, failed + second.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_one_goes_behind_it() {
        let mut first = Timeline::default();
        first.count(Duration::from_millis(1_500), false);
        let mut later = Timeline::default();
        later.count(Duration::ZERO, true);
        later.marks.push((Duration::from_millis(100), "away".to_owned()));
        later.pods.insert(Service::Order, vec![(Duration::from_secs(1), 3)]);
        first.append(later);
        assert_eq!((first.seconds.len(), first.totals()), (3, (1, 1)));
        assert_eq!(first.marks, [(Duration::from_millis(2_100), "away".to_owned())]);
        assert_eq!(first.pods[&Service::Order], [(Duration::from_secs(3), 3)]);
    }

    #[test]
    fn answers_are_counted_by_second() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.availability(), None);
        for (at, is_failure) in [(100, false), (2_100, false), (2_900, true), (999, false)] {
            timeline.count(Duration::from_millis(at), is_failure);
        }
        let second = |answered, failed| Second { answered, failed };
        assert_eq!(timeline.seconds, [second(2, 0), second(0, 0), second(1, 1)]);
        assert_eq!((timeline.totals(), timeline.availability()), ((3, 1), Some(75.0)));
    }
}
