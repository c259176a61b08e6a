//! What has been logged so far, in the order of time.

use std::{collections::HashMap, io::Write};

use anyhow::Result;
use foodplatform_operator::controller::decisions::words;
use futures::{AsyncBufRead, future::join_all};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

use super::{
    pods::{Line, Source, next},
    print::Printer,
};
use crate::paint;

/// When the last line of each pod was written that has been printed.
pub(super) type Seen = HashMap<String, Timestamp>;

/// Prints the lines of `sources` that lie in `window`.
pub(super) async fn print<W: Write>(
    pods: &Api<Pod>,
    sources: Vec<Source>,
    window: &LogParams,
    printer: &mut Printer<W>,
) -> Result<Seen> {
    let opened = join_all(sources.into_iter().map(|source| async move {
        let log = pods.log_stream(&source.pod, &source.of(window)).await;
        (source, log)
    }));
    let mut logs = Vec::new();
    for (source, log) in opened.await {
        printer.make_room_for(&source);
        match log {
            Ok(log) => logs.push(Log { source, log: Box::pin(log), head: None }),
            // It may have gone since it was listed. The others' are worth showing.
            Err(error) => printer.refused(&source, &words(&error)),
        }
    }
    merge(logs, printer).await
}

struct Log<L> {
    source: Source,
    log: L,
    /// Its next line.
    head: Option<Line>,
}

impl<L: AsyncBufRead + Unpin> Log<L> {
    /// Whether there is one more line.
    async fn advance(&mut self) -> bool {
        let line = next(&mut self.log).await.unwrap_or_else(|error| {
            paint::note(format!("the log of pod {} breaks off: {error}", self.source.pod));
            None
        });
        self.head = line;
        self.head.is_some()
    }
}

/// Each log is in order: the earliest of all is among their next lines. Only those are held in memory.
async fn merge<L, W>(mut logs: Vec<Log<L>>, printer: &mut Printer<W>) -> Result<Seen>
where
    L: AsyncBufRead + Unpin,
    W: Write,
{
    let mut seen = Seen::new();
    let has_lines = join_all(logs.iter_mut().map(Log::advance)).await;
    let mut has_lines = has_lines.into_iter();
    logs.retain(|_| has_lines.next().unwrap_or_default());
    // A line without a time belongs to the one before it, so that it comes at once.
    while let Some(first) = (0..logs.len()).min_by_key(|index| logs[*index].head.as_ref().map(|line| line.time)) {
        let log = &mut logs[first];
        if let Some(line) = log.head.take() {
            printer.print(&log.source, &line.text)?;
            if let Some(time) = line.time {
                seen.insert(log.source.pod.clone(), time);
            }
        }
        if !log.advance().await {
            logs.swap_remove(first);
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(pod: &str, text: &'static str) -> Log<&'static [u8]> {
        let source = Source { service: "order".into(), pod: pod.into(), container: pod.into(), runs: true };
        Log { source, log: text.as_bytes(), head: None }
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_their_times() {
        let logs = vec![
            log("a", "2026-01-01T00:00:01Z a1\n2026-01-01T00:00:04Z a4\n  more of a4\n2026-01-01T00:00:07Z a7\n"),
            log("b", ""),
            log("c", "2026-01-01T00:00:02Z c2\n2026-01-01T00:00:03Z c3\n2026-01-01T00:00:05Z c5\n"),
        ];
        let mut printer = Printer::to_memory(true);
        let seen = merge(logs, &mut printer).await.unwrap();
        assert_eq!(printer.printed(), "a1\nc2\nc3\na4\n  more of a4\nc5\na7\n");
        assert_eq!(seen["a"].to_string(), "2026-01-01T00:00:07Z");
        assert_eq!(seen.len(), 2);
    }
}
