//! What is logged from now on, by pods that are there and by pods that are yet to come.

use std::{collections::HashMap, pin::pin, time::Duration};

use anyhow::Result;
use foodplatform_operator::controller::decisions::words;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::LogParams};
use kube_runtime::{
    WatchStreamExt as _,
    watcher::{self, Event},
};
use tokio::sync::mpsc;

use super::{
    history::Seen,
    pods::{Line, Source, next},
    print::Printer,
};
use crate::paint;

/// Lines that wait to be printed; then readers wait.
const QUEUE: usize = 1024;
/// Before a log is asked for again that broke off.
const AGAIN: Duration = Duration::from_secs(1);

/// What readers tell.
enum Told {
    Line(Source, Line),
    /// The log has come to its end, or has broken off.
    End(Source),
}

/// Prints until it is interrupted. `seen` has been printed already.
pub(super) async fn print(
    pods: &Api<Pod>,
    selector: &str,
    window: &LogParams,
    seen: Seen,
    printer: &mut Printer,
) -> Result<()> {
    let (tell, mut told) = mpsc::channel(QUEUE);
    let mut followed = Followed { pods, window, tell, seen, reading: HashMap::new() };
    let config = watcher::Config::default().labels(selector);
    let mut events = pin!(kube_runtime::watcher(pods.clone(), config).default_backoff());
    loop {
        tokio::select! {
            event = events.try_next() => match event {
                Ok(Some(Event::Apply(pod) | Event::InitApply(pod))) => followed.look_at(&pod),
                Ok(Some(Event::Delete(pod))) => followed.forget(&pod.name_any()),
                Ok(Some(Event::Init | Event::InitDone)) => {}
                // It never ends.
                Ok(None) => return Ok(()),
                Err(error) => paint::note(format!("the watch of pods broke off and is begun again: {error}")),
            },
            // There is always one who could tell: `followed` itself.
            Some(told) = told.recv() => match told {
                Told::Line(source, line) => {
                    if followed.is_new(&source, &line) {
                        printer.print(&source, &line.text)?;
                    }
                }
                Told::End(source) => followed.ended(&source).await,
            },
        }
    }
}

/// The containers that are being read.
struct Followed<'a> {
    pods: &'a Api<Pod>,
    window: &'a LogParams,
    tell: mpsc::Sender<Told>,
    seen: Seen,
    /// By pod: the container that is read, or was read to its end.
    reading: HashMap<String, Reading>,
}

struct Reading {
    container: String,
    is_over: bool,
}

impl Followed<'_> {
    /// Begins to read a container that has started.
    fn look_at(&mut self, pod: &Pod) {
        let Some(source) = Source::new(pod) else { return };
        match self.reading.get(&source.pod) {
            // The one before it comes to its end first.
            Some(reading) if !reading.is_over || reading.container == source.container => {}
            // Printed before all this.
            None if !source.runs && self.seen.contains_key(&source.pod) => {}
            _ => self.read(source, Duration::ZERO),
        }
    }

    fn forget(&mut self, pod: &str) {
        // Its last lines may still be on their way: the reader ends by itself.
        self.reading.remove(pod);
    }

    fn read(&mut self, source: Source, wait: Duration) {
        let reading = Reading { container: source.container.clone(), is_over: false };
        self.reading.insert(source.pod.clone(), reading);
        let window = self.seen.get(&source.pod).map_or_else(|| self.window.clone(), |last| since(*last));
        let window = LogParams { follow: true, ..window };
        tokio::spawn(read(self.pods.clone(), source, window, wait, self.tell.clone()));
    }

    /// Whether the line has not been printed yet: a log that is asked for again begins with the last whole second.
    fn is_new(&mut self, source: &Source, line: &Line) -> bool {
        let Some(time) = line.time else { return true };
        let is_new = self.seen.get(&source.pod).is_none_or(|last| time > *last);
        if is_new {
            self.seen.insert(source.pod.clone(), time);
        }
        is_new
    }

    /// Goes on with the pod whose log has come to its end, if there is more to come.
    async fn ended(&mut self, source: &Source) {
        match self.pods.get_opt(&source.pod).await {
            Ok(Some(pod)) => match Source::new(&pod) {
                Some(now) if now.container != source.container => self.read(now, Duration::ZERO),
                // The connection has ended, not the container; or the kubelet has yet to say so.
                Some(now) if now.runs => self.read(now, AGAIN),
                _ => {
                    if let Some(reading) = self.reading.get_mut(&source.pod) {
                        reading.is_over = true;
                    }
                }
            },
            Ok(None) => self.forget(&source.pod),
            Err(error) => {
                paint::note(format!("looking for pod {}: {}", source.pod, words(&error)));
                self.read(source.clone(), AGAIN);
            }
        }
    }
}

/// What may lie after `last`. The API server takes whole seconds only.
fn since(last: Timestamp) -> LogParams {
    let second = Timestamp::from_second(last.as_second()).unwrap_or(last);
    LogParams { timestamps: true, since_time: Some(second), ..Default::default() }
}

/// Reads one container's log to its end.
async fn read(pods: Api<Pod>, source: Source, window: LogParams, wait: Duration, tell: mpsc::Sender<Told>) {
    tokio::time::sleep(wait).await;
    // That it can't be read shows by its end; the next look at the pod shows what is to be done.
    if let Ok(log) = pods.log_stream(&source.pod, &window).await {
        let mut log = pin!(log);
        while let Ok(Some(line)) = next(&mut log).await {
            if tell.send(Told::Line(source.clone(), line)).await.is_err() {
                return;
            }
        }
    }
    // Nobody listens when the program is about to end.
    let _ = tell.send(Told::End(source)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_asked_for_from_the_second_on_that_was_seen_last() {
        let window = since("2026-01-02T03:04:05.9Z".parse().unwrap());
        assert_eq!(window.since_time.map(|time| time.to_string()).as_deref(), Some("2026-01-02T03:04:05Z"));
        assert!(window.timestamps);
    }
}
