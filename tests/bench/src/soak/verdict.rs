//! Whether something grows. Pure.
//!
//! The run's time is cut into four quarters. The first warms everything up and does not count. A thing grows when
//!
//! - the median of the last quarter is above that of the second by more than is [`Allowed`], or
//! - it grows slowly, but surely: at its slope over the last three quarters, which is the median of the slopes between all
//!   pairs of samples (Theil-Sen), it would gain in an hour more than [`HOURLY`] times that, and it went up from the
//!   second quarter to the third and from the third to the last, each time by a third of the whole at least. A run
//!   shorter than [`LONG`] says too little about an hour, so there this does not count.
//!
//! All are medians, so that a few odd samples, or a thing that goes up and down, are not taken for growth. A step that
//! stays counts when it is larger than what is allowed, and comes after the second quarter: nobody knows that there is
//! no next one.

/// How many times what is allowed between two quarters is allowed in an hour: in a run of ten minutes the quarters are
/// five apart, so half of what their difference may be at the same slope.
pub(crate) const HOURLY: f64 = 6.0;
/// The shortest run whose slope counts, in seconds.
pub(crate) const LONG: f64 = 300.0;

/// A sample: when, in seconds, and what was seen.
pub(crate) type Point = (f64, f64);

/// How much more the last quarter may show than the second: the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Allowed {
    pub(crate) absolute: f64,
    /// A part of what the second quarter shows.
    pub(crate) share: f64,
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    /// The median of the second quarter.
    pub(crate) second: f64,
    /// The median of the last quarter.
    pub(crate) last: f64,
    /// By how much the last may be more than the second.
    pub(crate) allowed: f64,
    /// What it gains in an hour, at its slope.
    pub(crate) hourly: f64,
    /// Whether it gained in each quarter after the second.
    is_steady: bool,
    /// Whether the run says something about an hour.
    is_long: bool,
}

impl Verdict {
    pub(crate) fn growth(&self) -> f64 {
        self.last - self.second
    }

    /// What it may gain in an hour; `None` when the run was too short to say.
    pub(crate) fn allowed_hourly(&self) -> Option<f64> {
        self.is_long.then_some(self.allowed * HOURLY)
    }

    pub(crate) fn grows(&self) -> bool {
        let too_fast = self.allowed_hourly().is_some_and(|allowed| self.hourly > allowed);
        self.growth() > self.allowed || (too_fast && self.is_steady)
    }
}

/// Judges samples, which are by time; `None` when a quarter that counts has none.
pub(crate) fn judge(points: &[Point], allowed: Allowed) -> Option<Verdict> {
    let (begin, end) = (points.first()?.0, points.last()?.0);
    let from = |quarter: f64| points.partition_point(|(at, _)| *at < begin + (end - begin) * quarter / 4.0);
    let (second, third, last) = (from(1.0), from(2.0), from(3.0));
    let median_of = |points: &[Point]| median(points.iter().map(|(_, value)| *value).collect());
    let before = median_of(&points[second..third])?;
    let (between, after) = (median_of(&points[third..last])?, median_of(&points[last..])?);
    let third_of_growth = (after - before) / 3.0;
    Some(Verdict {
        second: before,
        last: after,
        allowed: allowed.absolute.max(allowed.share * before),
        is_steady: (between - before).min(after - between) >= third_of_growth,
        hourly: slope(&points[second..])? * 3600.0,
        is_long: end - begin >= LONG,
    })
}

/// The median of the slopes between all pairs.
fn slope(points: &[Point]) -> Option<f64> {
    let pairs = points.iter().enumerate().flat_map(|(n, a)| points[n + 1..].iter().map(move |b| (a, b)));
    median(pairs.filter(|(a, b)| b.0 > a.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect())
}

/// The middle one, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let upper = values.len() / 2;
    values.sort_unstable_by(f64::total_cmp);
    let lower = upper.checked_sub((values.len() + 1) % 2)?;
    Some(f64::midpoint(*values.get(lower)?, *values.get(upper)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Allowed = Allowed { absolute: 1.0, share: 0.05 };

    /// A sample each ten seconds, for `seconds`.
    fn series(seconds: u32, value: impl Fn(f64) -> f64) -> Vec<Point> {
        (0..=seconds / 10).map(|n| f64::from(n) * 10.0).map(|at| (at, value(at))).collect()
    }

    fn judged(seconds: u32, value: impl Fn(f64) -> f64) -> Verdict {
        judge(&series(seconds, value), MEMORY).unwrap()
    }

    /// Something between -1 and 1, without any pattern to see.
    fn noise(at: f64) -> f64 {
        (at * 12.9898).sin() * 43_758.547 % 1.0
    }

    #[test]
    fn what_grows_is_found_by_how_much_and_how_fast() {
        let verdict = judged(600, |at| 10.0 + at / 100.0);
        assert!(verdict.grows());
        assert!((verdict.growth() - 3.0).abs() < 0.1 && (verdict.hourly - 36.0).abs() < 1e-6, "{verdict:?}");
        assert!(judged(600, |at| 10.0 + at / 100.0 + 2.0 * noise(at)).grows(), "noise does not hide it");
    }

    #[test]
    fn what_grows_slowly_but_surely_is_found_by_its_slope() {
        let slowly = |at| 10.0 + at / 450.0 + 0.1 * noise(at);
        let verdict = judged(600, slowly);
        assert!(verdict.growth() < verdict.allowed && verdict.grows(), "{verdict:?}");
        // Of a short run nothing is said about an hour.
        let verdict = judged(120, slowly);
        assert!(verdict.allowed_hourly().is_none() && !verdict.grows(), "{verdict:?}");
    }

    #[test]
    fn what_stays_does_not_grow_and_neither_does_what_shrinks() {
        for verdict in [judged(600, |_| 10.0), judged(600, |at| 10.0 + noise(at)), judged(600, |at| 20.0 - at / 50.0)] {
            assert!(!verdict.grows(), "{verdict:?}");
        }
    }

    #[test]
    fn a_saw_tooth_does_not_grow_unless_its_feet_do() {
        let saw = |at: f64| 10.0 + at % 70.0 / 10.0;
        assert!(!judged(600, saw).grows(), "{:?}", judged(600, saw));
        assert!(judged(600, |at| saw(at) + at / 100.0).grows());
    }

    #[test]
    fn a_step_counts_unless_it_is_part_of_the_warm_up() {
        let step = |place: f64| judged(600, move |at| if at < place { 10.0 } else { 30.0 });
        assert!(!step(140.0).grows(), "{:?}", step(140.0));
        assert!(step(400.0).grows() && step(500.0).grows());
        // One that is allowed is no slope, either, wherever it is.
        for place in (150..600).step_by(10) {
            let verdict = judged(600, |at| if at < f64::from(place) { 10.0 } else { 10.9 });
            assert!(!verdict.grows(), "at {place} s: {verdict:?}");
        }
        // A single odd sample is no step.
        assert!(!judged(600, |at| if at == 500.0 { 90.0 } else { 10.0 }).grows());
    }

    #[test]
    fn of_what_is_large_a_part_is_allowed() {
        let grown = |by: f64| judged(600, move |at| if at < 350.0 { 1000.0 } else { 1000.0 + by });
        assert!(!grown(49.0).grows() && grown(51.0).grows());
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        assert_eq!([0, 1, 2].map(|count| judge(&vec![(0.0, 1.0); count], MEMORY)), [None; 3]);
        assert_eq!(judge(&[(0.0, 1.0), (100.0, 1.0)], MEMORY), None);
        assert!(judge(&series(40, |_| 1.0), MEMORY).is_some());
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!([vec![3.0], vec![3.0, 1.0], vec![9.0, 1.0, 2.0]].map(median), [Some(3.0), Some(2.0), Some(2.0)]);
    }
}
