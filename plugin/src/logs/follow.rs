//! What is logged from now on, by pods that are there and by pods that are yet to come.

use std::{collections::HashMap, io::Write, pin::pin, time::Duration};

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
use tokio::{sync::mpsc, time::Instant};

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
    /// The API server won't give the log out, and why.
    Refusal(Source, String),
    /// The log has come to its end, or has broken off.
    End(Source),
}

/// Prints until it is interrupted. `seen` has been printed already, of pods whose lines in `window` were read from `began`
/// on.
pub(super) async fn print<W: Write>(
    pods: &Api<Pod>,
    selector: &str,
    window: &LogParams,
    began: Instant,
    seen: Seen,
    printer: &mut Printer<W>,
) -> Result<()> {
    let (tell, mut told) = mpsc::channel(QUEUE);
    let mut followed = Followed { pods, window, began, tell, seen, reading: HashMap::new() };
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
                Told::Refusal(source, why) => printer.refused(&source, &why),
                Told::End(source) => followed.ended(&source).await,
            },
        }
    }
}

/// The containers that are being read.
struct Followed<'a> {
    pods: &'a Api<Pod>,
    window: &'a LogParams,
    /// When lines in `window` began to be read.
    began: Instant,
    tell: mpsc::Sender<Told>,
    seen: Seen,
    /// By pod: the container that is read, or was read to its end.
    reading: HashMap<String, Reading>,
}

#[derive(Debug)]
struct Reading {
    container: String,
    is_over: bool,
}

impl Followed<'_> {
    /// Begins to read a container that has started.
    fn look_at(&mut self, pod: &Pod) {
        let Some(source) = Source::new(pod) else { return };
        if is_due(self.reading.get(&source.pod), &source, self.seen.contains_key(&source.pod)) {
            self.read(source, Duration::ZERO);
        }
    }

    fn forget(&mut self, pod: &str) {
        // Its last lines may still be on their way: the reader ends by itself.
        self.reading.remove(pod);
    }

    fn read(&mut self, source: Source, wait: Duration) {
        let reading = Reading { container: source.container.clone(), is_over: false };
        self.reading.insert(source.pod.clone(), reading);
        let elapsed = self.began.elapsed().saturating_add(wait);
        let window = self.seen.get(&source.pod).map_or_else(|| unseen(self.window, elapsed), |last| since(*last));
        let window = LogParams { follow: true, ..source.of(&window) };
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
            Ok(Some(pod)) => match after_the_end(source, Source::new(&pod)) {
                Some((now, wait)) => self.read(now, wait),
                None => {
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

/// Whether a container is to be read that has just been seen. `is_printed`: lines of its pod have been printed.
fn is_due(reading: Option<&Reading>, source: &Source, is_printed: bool) -> bool {
    match reading {
        // One that is read comes to its end before the next of the pod has its turn.
        Some(reading) => reading.is_over && reading.container != source.container,
        None => source.runs || !is_printed,
    }
}

/// What is to be read when the log of `source` has come to its end, and how long to wait before: `now` is its pod.
fn after_the_end(source: &Source, now: Option<Source>) -> Option<(Source, Duration)> {
    let now = now?;
    if now.container != source.container {
        return Some((now, Duration::ZERO));
    }
    // The connection has ended, not the container; or the kubelet has yet to say so.
    now.runs.then_some((now, AGAIN))
}

/// What is asked for of a pod of which nothing has been printed, when `elapsed` has passed since the beginning. It may be
/// asked for often, as the client gives up on logs that stay quiet, so that it always reaches back to the beginning; and
/// without a tail, which would leave out what was logged in between. In seconds before now: the user's clock and the node's
/// may differ.
fn unseen(window: &LogParams, elapsed: Duration) -> LogParams {
    // The API server takes whole seconds only, and no less than one.
    let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
    let since_seconds = if window.tail_lines.is_some() {
        Some(elapsed)
    } else {
        window.since_seconds.map(|since| since.saturating_add(elapsed))
    };
    LogParams { timestamps: true, since_seconds, ..Default::default() }
}

/// What may lie after `last`. The API server takes whole seconds only.
fn since(last: Timestamp) -> LogParams {
    let second = Timestamp::from_second(last.as_second()).unwrap_or(last);
    LogParams { timestamps: true, since_time: Some(second), ..Default::default() }
}

/// Reads one container's log to its end.
async fn read(pods: Api<Pod>, source: Source, window: LogParams, wait: Duration, tell: mpsc::Sender<Told>) {
    tokio::time::sleep(wait).await;
    match pods.log_stream(&source.pod, &window).await {
        Ok(log) => {
            let mut log = pin!(log);
            while let Ok(Some(line)) = next(&mut log).await {
                if tell.send(Told::Line(source.clone(), line)).await.is_err() {
                    return;
                }
            }
        }
        // The next attempt may be answered like this as well.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 400 | 403) => {
            let why = words(&kube::Error::Api(answer));
            if tell.send(Told::Refusal(source.clone(), why)).await.is_err() {
                return;
            }
        }
        // That it broke off shows by its end; the next look at the pod shows what is to be done.
        Err(_) => {}
    }
    // Nobody listens when the program is about to end.
    let _ = tell.send(Told::End(source)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(container: &str, runs: bool) -> Source {
        Source { service: "order".into(), pod: "shop-order-1".into(), container: container.into(), runs }
    }

    #[test]
    fn each_container_is_read_once_and_one_after_the_other() {
        let reading = |container: &str, is_over| Some(Reading { container: container.into(), is_over });
        for (reading, source, is_printed, expected) in [
            (None, source("a", true), false, true),
            (None, source("a", true), true, true),
            (None, source("a", false), false, true),
            (None, source("a", false), true, false),
            (reading("a", false), source("a", true), true, false),
            (reading("a", false), source("b", true), true, false),
            (reading("a", true), source("a", false), true, false),
            (reading("a", true), source("b", true), true, true),
        ] {
            assert_eq!(is_due(reading.as_ref(), &source, is_printed), expected, "{source:?} after {reading:?}");
        }
    }

    #[test]
    fn what_follows_on_the_end_of_a_log_is_what_the_pod_is_then() {
        let ended = source("a", true);
        assert_eq!(after_the_end(&ended, None), None);
        assert_eq!(after_the_end(&ended, Some(source("a", false))), None, "it has ended");
        assert_eq!(
            after_the_end(&ended, Some(source("a", true))),
            Some((source("a", true), AGAIN)),
            "the connection has"
        );
        let restarted = source("b", true);
        assert_eq!(after_the_end(&ended, Some(restarted.clone())), Some((restarted, Duration::ZERO)));
    }

    #[test]
    fn what_is_asked_for_of_a_quiet_pod_reaches_back_to_the_beginning_and_has_no_tail() {
        let elapsed = Duration::from_millis(5900);
        for (tail_lines, since_seconds, expected) in [
            (None, None, None),
            (Some(0), None, Some(6)),
            (Some(20), Some(60), Some(6)),
            (None, Some(60), Some(66)),
            (None, Some(i64::MAX), Some(i64::MAX)),
        ] {
            let window = unseen(&LogParams { tail_lines, since_seconds, ..Default::default() }, elapsed);
            assert_eq!(window.since_seconds, expected, "{tail_lines:?} {since_seconds:?}");
            assert_eq!((window.tail_lines, window.since_time, window.timestamps), (None, None, true));
        }
        let window = unseen(&LogParams { tail_lines: Some(0), ..Default::default() }, Duration::ZERO);
        assert_eq!(window.since_seconds, Some(1), "no less is taken");
    }

    #[test]
    fn a_log_is_asked_for_from_the_second_on_that_was_seen_last() {
        let window = since("2026-01-02T03:04:05.9Z".parse().unwrap());
        assert_eq!(window.since_time.map(|time| time.to_string()).as_deref(), Some("2026-01-02T03:04:05Z"));
        assert!(window.timestamps);
    }
}
