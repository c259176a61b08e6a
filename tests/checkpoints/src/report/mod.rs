//! What is told of the checkpoints: a table, a page, and plots.

mod page;
mod plot;

pub use page::page;
pub use plot::plot;

use crate::Row;

/// The table in Markdown, a row for each checkpoint.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text =
        "| # | checkpoint | what was done | what was seen | figure | time | |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let checkpoint = row.checkpoint;
        let (done, seen, figure, mark) = match &row.outcome {
            Ok(outcome) => (outcome.done.as_str(), cell(&outcome.seen), outcome.figure.as_str(), "✓"),
            Err(missed) => ("", cell(&missed.why), "", "✗"),
        };
        let seconds = row.took.as_secs_f64();
        text += &format!(
            "| {} | {} | {done} | {seen} | {figure} | {seconds:.0} s | {mark} |\n",
            checkpoint.number, checkpoint.name
        );
    }
    text
}

/// Text that a cell of a table takes.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ALL, Missed, Outcome};

    #[test]
    fn what_was_missed_is_told_in_the_table() {
        let good =
            Outcome { done: "a".to_owned(), seen: "b | c".to_owned(), figure: "1".to_owned(), ..Outcome::default() };
        let row = |outcome| Row { checkpoint: &ALL[0], outcome, took: Duration::from_secs(3) };
        let text = table(&[row(Ok(good)), row(Err(Missed { why: "not\nseen".to_owned(), ..Missed::default() }))]);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(lines, ["| 1 | saga | a | b \\| c | 1 | 3 s | ✓ |", "| 1 | saga |  | not seen |  | 3 s | ✗ |"]);
    }
}
