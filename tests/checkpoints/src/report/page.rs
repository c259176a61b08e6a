//! The page: one file that holds everything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot;
use crate::Row;

const STYLE: &str =
    "body { font: 15px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ddd; padding: .4rem .6rem; text-align: left; vertical-align: top }
.pass { color: #2c8c3c } .fail { color: #c0392b }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: 13px }
svg { width: 100%; height: auto }";

/// The page about all rows. `about` says where and when.
///
/// # Errors
/// When a plot can't be drawn.
pub fn page(rows: &[Row], about: &str) -> anyhow::Result<String> {
    let passed = rows.iter().filter(|row| row.outcome.is_ok()).count();
    let details = rows.iter().map(details).collect::<anyhow::Result<Vec<_>>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Checkpoints" } style { (PreEscaped(STYLE)) } }
            body {
                h1 { "Checkpoints: " (passed) " of " (rows.len()) " passed" }
                p { (about) }
                table {
                    tr { th { "#" } th { "checkpoint" } th { "what has to be seen" } th { "figure" } th { "time" } th {} }
                    @for row in rows {
                        tr {
                            td { (row.checkpoint.number) }
                            td { a href={ "#" (row.checkpoint.name) } { (row.checkpoint.name) } }
                            td { (row.checkpoint.claim) }
                            td { @if let Ok(outcome) = &row.outcome { (outcome.figure) } }
                            td { (format!("{:.0} s", row.took.as_secs_f64())) }
                            td { (mark(row)) }
                        }
                    }
                }
                @for detail in details { (detail) }
            }
        }
    };
    Ok(page.into_string())
}

fn mark(row: &Row) -> Markup {
    match row.outcome {
        Ok(_) => html! { span class="pass" { "passed" } },
        Err(_) => html! { span class="fail" { "failed" } },
    }
}

fn details(row: &Row) -> anyhow::Result<Markup> {
    let said = match &row.outcome {
        Ok(outcome) => html! { p { b { "Done: " } (outcome.done) br; b { "Seen: " } (outcome.seen) } },
        Err(missed) => html! { pre { (missed.why) } },
    };
    let (shown, timeline) = match &row.outcome {
        Ok(outcome) => (&outcome.shown, &outcome.timeline),
        Err(missed) => (&missed.shown, &missed.timeline),
    };
    let plot = timeline.as_ref().map(plot).transpose()?;
    Ok(html! {
        h2 id=(row.checkpoint.name) { (row.checkpoint.number) ". " (row.checkpoint.name) " " (mark(row)) }
        p { (row.checkpoint.claim) }
        (said)
        @if let Some(plot) = plot { (PreEscaped(plot)) }
        @for shown in shown {
            pre { "$ " (shown.command) "\n" (shown.output) }
        }
    })
}
