//! What a soak has shown, as a table. Pure.

use std::{env, fmt::Write as _, thread, time::Duration};

use super::{
    Course,
    life::{Followed, Life},
    sample::{Kind, Series, Thing},
    verdict::{HOURLY, LONG, Verdict},
};
use crate::{plot::Line, report::short};

/// What became of one thing.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) thing: Thing,
    pub(crate) verdict: Verdict,
}

/// All that a soak has shown.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How it was done, and what was answered.
    pub(crate) notes: Vec<String>,
    /// What was not as it has to be, beside what grows.
    pub(crate) faults: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) series: Series,
}

impl Outcome {
    /// The whole as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = self.notes.join("\n");
        text += "\n\n| | second quarter | last quarter | grew by | at most | in an hour | at most | |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        for Row { thing, verdict } in &self.rows {
            let unit = thing.kind.unit();
            let said = |value: f64| format!("{}{unit}", short(value));
            let mark = if verdict.grows() { "✗ grows" } else { "✓" };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {thing} | {} | {} | {} | {} | {} | {} | {mark} |",
                said(verdict.second),
                said(verdict.last),
                said(verdict.growth()),
                said(verdict.allowed),
                verdict.allowed_hourly().map(|_| said(verdict.hourly)).unwrap_or_default(),
                verdict.allowed_hourly().map(said).unwrap_or_default(),
            );
        }
        text
    }

    /// What makes the soak fail, in words; `None` when nothing does.
    pub(crate) fn failure(&self) -> Option<String> {
        let growing = self.rows.iter().filter(|row| row.verdict.grows());
        let growing = growing.map(|row| {
            let (thing, Verdict { second, last, .. }) = (row.thing, row.verdict);
            format!("{thing} grows, from {} to {}", short(second), short(last))
        });
        let all: Vec<_> = self.faults.iter().cloned().chain(growing).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The lines of the plot: what each service holds, and what is left to do.
    pub(crate) fn lines(&self) -> [Vec<Line>; 2] {
        let of = |kinds: &[Kind]| {
            let series = self.series.iter().filter(|(thing, _)| kinds.contains(&thing.kind));
            series.map(|(thing, points)| (name_of(*thing), points.clone())).collect()
        };
        [of(&[Kind::Memory]), of(&[Kind::Lag, Kind::Backlog])]
    }
}

/// In a plot whose caption says what it is.
fn name_of(thing: Thing) -> String {
    match thing {
        Thing { kind: Kind::Memory, of: Some(service) } => service.to_string(),
        thing => thing.to_string(),
    }
}

/// What the machine is, what went on, and what is judged.
pub(crate) fn notes(life: &Life, course: Course, drained: Duration) -> Vec<String> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let Life { orders, cancels, reads, restocks, followed } = life;
    let Followed { streams, events, .. } = followed;
    vec![
        format!(
            "On {cores} cores, {}: {} orders/s through the gateway for {} s, looked at every {} s.",
            env::consts::ARCH,
            course.rate,
            course.lasting.as_secs(),
            course.interval().as_secs_f64(),
        ),
        format!(
            "Orders were answered {} (p99 {} ms), cancellations {}, reads {} (p99 {} ms), restocks {}; {streams} times \
             somebody followed an order, and saw {events} events. What was left at the end was done in {} s.",
            orders.said(),
            short(orders.latency.percentile(99.0)),
            cancels.said(),
            reads.said(),
            short(reads.latency.percentile(99.0)),
            restocks.said(),
            short(drained.as_secs_f64()),
        ),
        format!(
            "The first quarter is the warm-up. A thing grows when the median of the last quarter is above that of the \
             second by more than is allowed; or, in runs of {LONG} s and more, when its slope (Theil-Sen, over the last three \
             quarters) extrapolated to an hour is above {HOURLY} times that, and it gained in each of them."
        ),
        "Orders, cooks, deliveries, pages, the ledger and the inbox grow with the orders that were placed, as they have to: \
         they are the data, and are not held against it."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use ::tests::process::Service;

    use super::{
        super::verdict::{Allowed, Point, judge},
        *,
    };

    /// Ten minutes of a cook that holds so much at each time, with always the same backlog.
    fn outcome(memory: fn(f64) -> f64) -> Outcome {
        let points = |value: fn(f64) -> f64| (0..=60).map(|n| f64::from(n) * 10.0).map(|at| (at, value(at))).collect();
        let series: Series = [
            (Thing { kind: Kind::Memory, of: Some(Service::Cook) }, points(memory)),
            (Thing { kind: Kind::Backlog, of: None }, points(|_| 7.0)),
        ]
        .into();
        let allowed = Allowed { absolute: 1.0, share: 0.05 };
        let judged =
            |(thing, points): (&Thing, &Vec<Point>)| Row { thing: *thing, verdict: judge(points, allowed).unwrap() };
        let rows = series.iter().map(judged).collect();
        Outcome { notes: vec!["On 2 cores.".to_owned()], faults: vec![], rows, series }
    }

    #[test]
    fn the_table_says_what_grows_and_by_how_much() {
        let outcome = outcome(|at| 10.0 + at / 60.0);
        assert_eq!(
            outcome.markdown(),
            "On 2 cores.

| | second quarter | last quarter | grew by | at most | in an hour | at most | |
|---|---|---|---|---|---|---|---|
| cook: resident memory | 13.7 MB | 18.8 MB | 5.1 MB | 1.0 MB | 60.0 MB | 6.0 MB | ✗ grows |
| rows and messages left to do | 7.0 | 7.0 | 0.0 | 1.0 | 0.0 | 6.0 | ✓ |
"
        );
        assert_eq!(outcome.failure().unwrap(), "cook: resident memory grows, from 13.7 to 18.8");
        let [memory, backlog] = outcome.lines();
        assert_eq!([&memory[0].0, &backlog[0].0], ["cook", "rows and messages left to do"]);
    }

    #[test]
    fn a_soak_fails_when_what_was_asked_was_not_done() {
        let still = |faults| Outcome { faults, ..outcome(|_| 10.0) };
        assert_eq!(still(vec![]).failure(), None);
        assert_eq!(still(vec!["no orders".to_owned()]).failure().unwrap(), "no orders");
    }

    #[test]
    fn a_load_that_was_not_answered_is_a_fault() {
        let mut life = Life::default();
        let faults = life.faults();
        assert_eq!(faults.len(), 5, "nothing was asked: {faults:?}");
        life.cancels.answers = [(200, 90), (409, 100), (202, 8)].into();
        life.orders.answers = [(201, 99), (503, 1)].into();
        life.reads.answers = [(200, 97), (404, 3)].into();
        life.restocks.answers.insert(200, 1);
        life.followed = Followed { streams: 3, events: 7, ..Followed::default() };
        assert_eq!(life.faults(), ["3 of 100 reads went wrong: 97 × 200, 3 × 404"]);
    }
}
