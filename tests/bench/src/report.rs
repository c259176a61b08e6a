//! What was measured, as tables. Pure.

use std::{fmt::Write as _, time::Duration};

use crate::tally::Times;

/// What a number is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

/// One measured number.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<Limit>,
}

/// What one process costs.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) name: String,
    /// Over the load and what it left to do.
    pub(crate) cpu: Duration,
    /// Resident, in MB, before the first request and after the last: of services alone.
    pub(crate) memory: Option<(f64, f64)>,
}

/// All that was measured, but for the plots.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What the machine is, and how it was measured.
    pub(crate) notes: Vec<String>,
    rows: Vec<Row>,
    pub(crate) costs: Vec<Cost>,
    /// How many orders the costs are those of.
    pub(crate) orders: u64,
}

/// The most that a service may hold before the first request and after the load, in MB.
const MEMORY: (Limit, Limit) = (Limit::AtMost(15.0), Limit::AtMost(40.0));

impl Report {
    pub(crate) fn new(notes: Vec<String>) -> Self {
        Self { notes, ..Self::default() }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, value: f64, unit: &'static str, limit: Option<Limit>) {
        self.rows.push(Row { name: name.into(), value, unit, limit });
    }

    /// A row for each of the percentiles that are looked at, in milliseconds; `limits` are those of p50 and p99.
    pub(crate) fn percentiles(&mut self, name: &str, times: &Times, limits: (Option<Limit>, Option<Limit>)) {
        for (percent, limit) in [(50.0, limits.0), (90.0, None), (99.0, limits.1)] {
            self.row(format!("{name}, p{percent}"), times.percentile(percent), "ms", limit);
        }
        self.row(format!("{name}, max"), times.max(), "ms", None);
    }

    /// The whole as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| | measured | limit | |\n|---|---|---|---|\n", self.notes.join("\n"));
        for Row { name, value, unit, limit } in &self.rows {
            let (wanted, verdict) =
                limit.map_or_else(Default::default, |limit| (said(limit, unit), mark(limit, *value)));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {name} | {} {unit} | {wanted} | {verdict} |", short(*value));
        }
        if self.costs.is_empty() {
            return text;
        }
        let (idle, after) = (said(MEMORY.0, "MB"), said(MEMORY.1, "MB"));
        let _ = write!(
            text,
            "\n| | CPU for {} orders | CPU per order | idle ({idle}) | after the load ({after}) |\n|---|---|---|---|---|\n",
            self.orders
        );
        for Cost { name, cpu, memory } in &self.costs {
            let per_order = cpu.as_secs_f64() * 1e6 / self.orders.max(1) as f64;
            let megabytes = |value, limit| format!("{} MB {}", short(value), mark(limit, value));
            let (idle, after) = memory
                .map_or_else(Default::default, |(idle, after)| (megabytes(idle, MEMORY.0), megabytes(after, MEMORY.1)));
            let cpu = short(cpu.as_secs_f64());
            let _ = writeln!(text, "| {name} | {cpu} s | {per_order:.0} µs | {idle} | {after} |");
        }
        text
    }
}

fn said(limit: Limit, unit: &str) -> String {
    match limit {
        Limit::AtLeast(limit) => format!("≥ {limit} {unit}"),
        Limit::AtMost(limit) => format!("≤ {limit} {unit}"),
    }
}

fn mark(limit: Limit, value: f64) -> &'static str {
    if limit.holds(value) { "✓" } else { "✗" }
}

/// As many digits as mean something.
pub(crate) fn short(value: f64) -> String {
    // No "-0.0".
    let value = if value.abs() < 0.05 { 0.0 } else { value };
    if value.abs() < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_say_what_holds_and_what_does_not() {
        let mut report = Report::new(vec!["On 2 cores.".to_owned()]);
        report.orders = 1000;
        report.row("orders", 1600.4, "orders/s", Some(Limit::AtLeast(1500.0)));
        report.row("reads, p99", 12.34, "ms", Some(Limit::AtMost(10.0)));
        report.row("backlog", 7.0, "messages", None);
        report.costs = vec![
            Cost { name: "order".to_owned(), cpu: Duration::from_millis(500), memory: Some((11.0, 41.0)) },
            Cost { name: "Kafka".to_owned(), cpu: Duration::from_secs(1), memory: None },
        ];
        assert_eq!(
            report.markdown(),
            "On 2 cores.

| | measured | limit | |
|---|---|---|---|
| orders | 1600 orders/s | ≥ 1500 orders/s | ✓ |
| reads, p99 | 12.3 ms | ≤ 10 ms | ✗ |
| backlog | 7.0 messages |  |  |

| | CPU for 1000 orders | CPU per order | idle (≤ 15 MB) | after the load (≤ 40 MB) |
|---|---|---|---|---|
| order | 0.5 s | 500 µs | 11.0 MB ✓ | 41.0 MB ✗ |
| Kafka | 1.0 s | 1000 µs |  |  |
"
        );
    }

    #[test]
    fn percentiles_become_rows_with_the_limits_of_two() {
        let (mut report, mut times) = (Report::default(), Times::default());
        (1..=1000).for_each(|n| times.record(Duration::from_millis(n)));
        report.percentiles("order", &times, (None, Some(Limit::AtMost(20.0))));
        let rows: Vec<_> = report.rows.iter().map(|row| (row.name.as_str(), row.value.round(), row.limit)).collect();
        let limit = Some(Limit::AtMost(20.0));
        let max = rows[3].1;
        assert_eq!(rows[..3], [("order, p50", 500.0, None), ("order, p90", 900.0, None), ("order, p99", 990.0, limit)]);
        assert!((max - 1000.0).abs() <= 1.0, "{max}");
    }
}
