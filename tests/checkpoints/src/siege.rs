//! Readers who ask one thing after the other, as siege's do, and what siege prints of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use ::tests::{api::Api, wait};
use reqwest::Method;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Shown, Timeline};

/// What a reader does between an answer and the next question.
const THINKING: Duration = Duration::from_millis(10);
/// How long an answer is waited for: longer than the gateway itself waits.
const PATIENCE: Duration = Duration::from_secs(12);

/// Readers at work.
pub(crate) struct Siege {
    readers: usize,
    url: String,
    started: Instant,
    tally: Arc<Mutex<Tally>>,
    stop: CancellationToken,
    work: JoinSet<()>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) timeline: Timeline,
    /// How often which status was answered; 0 is no answer.
    pub(crate) statuses: BTreeMap<u16, usize>,
    bytes: usize,
    waited: Duration,
    longest: Duration,
    shortest: Option<Duration>,
}

impl Siege {
    /// Starts readers of a path.
    pub(crate) fn start(api: &Api, path: &'static str, readers: usize) -> Self {
        let (api, tally, stop) = (api.clone().within(PATIENCE), Arc::default(), CancellationToken::new());
        let (url, started, mut work) = (api.url(path), Instant::now(), JoinSet::new());
        for _ in 0..readers {
            work.spawn(read(api.clone(), path, started, Arc::clone(&tally), stop.clone()));
        }
        Self { readers, url, started, tally, stop, work }
    }

    /// Marks the moment at which something is done.
    pub(crate) fn mark(&self, what: impl Into<String>) {
        lock(&self.tally).timeline.marks.push((self.started.elapsed(), what.into()));
    }

    /// Waits until so many more were answered as they should be.
    ///
    /// # Panics
    /// When that takes too long.
    pub(crate) async fn hits(&self, more: usize) {
        self.more(more, "answered", |(answered, _)| answered).await;
    }

    /// Waits until so many more were not.
    ///
    /// # Panics
    /// When that takes too long.
    pub(crate) async fn failures(&self, more: usize) {
        self.more(more, "failed", |(_, failed)| failed).await;
    }

    async fn more(&self, more: usize, what: &str, of: impl Fn((usize, usize)) -> usize) {
        let totals = || lock(&self.tally).timeline.totals();
        let before = of(totals());
        wait::until(&format!("{more} more {what}"), wait::SOON, async || {
            let (answered, failed) = totals();
            if of((answered, failed)) >= before + more {
                Ok(())
            } else {
                Err(format!("{answered} answered, {failed} failed"))
            }
        })
        .await;
    }

    /// Ends it.
    ///
    /// # Panics
    /// When a reader has failed itself.
    pub(crate) async fn stop(mut self) -> (Tally, Shown) {
        self.stop.cancel();
        while let Some(ended) = self.work.join_next().await {
            ended.expect("a reader ends");
        }
        let tally = lock(&self.tally).clone();
        let command = format!("# {} readers of {}, as siege tells it", self.readers, self.url);
        let shown = Shown { command, output: tally.lines(self.started.elapsed()) };
        (tally, shown)
    }
}

async fn read(api: Api, path: &str, started: Instant, tally: Arc<Mutex<Tally>>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let asked = Instant::now();
        let answer = api.try_send(api.request(Method::GET, path)).await;
        let (status, bytes) = answer.map_or((0, 0), |answer| (answer.status, answer.text.len()));
        lock(&tally).count(asked - started, asked.elapsed(), status, bytes);
        tokio::time::sleep(THINKING).await;
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().expect("nobody panics while counting")
}

impl Tally {
    fn count(&mut self, at: Duration, took: Duration, status: u16, bytes: usize) {
        self.timeline.count(at, status != 200);
        *self.statuses.entry(status).or_default() += 1;
        self.bytes += bytes;
        self.waited += took;
        self.longest = self.longest.max(took);
        self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
    }

    /// The share of what was answered as it should be, in percent.
    pub(crate) fn availability(&self) -> f64 {
        self.timeline.availability().unwrap_or_default()
    }

    /// As siege prints it.
    #[allow(clippy::cast_precision_loss, reason = "there are fewer than 2^52 requests and bytes")]
    fn lines(&self, elapsed: Duration) -> String {
        let (hits, failed) = self.timeline.totals();
        let (all, seconds, waited) = ((hits + failed) as f64, elapsed.as_secs_f64(), self.waited.as_secs_f64());
        let megabytes = self.bytes as f64 / (1024.0 * 1024.0);
        let lines = [
            ("Transactions:", format!("{hits} hits")),
            ("Availability:", format!("{:.2} %", self.availability())),
            ("Elapsed time:", format!("{seconds:.2} secs")),
            ("Data transferred:", format!("{megabytes:.2} MB")),
            ("Response time:", format!("{:.3} secs", waited / all.max(1.0))),
            ("Transaction rate:", format!("{:.2} trans/sec", hits as f64 / seconds)),
            ("Throughput:", format!("{:.2} MB/sec", megabytes / seconds)),
            ("Concurrency:", format!("{:.2}", waited / seconds)),
            ("Failed transactions:", failed.to_string()),
            ("Longest transaction:", format!("{:.3}", self.longest.as_secs_f64())),
            ("Shortest transaction:", format!("{:.3}", self.shortest.unwrap_or_default().as_secs_f64())),
        ];
        lines.iter().map(|(name, value)| format!("{name:<22}{value:>22}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_200_lowers_the_availability() {
        let mut tally = Tally::default();
        let millis = Duration::from_millis;
        for (at, took, status) in [(0, 4, 200), (100, 2, 200), (1_200, 6, 200), (1_300, 0, 0), (1_400, 8, 503)] {
            tally.count(millis(at), millis(took), status, 1024 * 1024);
        }
        assert_eq!((tally.availability(), tally.statuses[&200], tally.timeline.seconds.len()), (60.0, 3, 2));
        let lines = tally.lines(Duration::from_secs(2));
        let value = |name: &str| {
            let line = lines.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {lines}")).trim().to_owned()
        };
        for (name, expected) in [
            ("Transactions:", "3 hits"),
            ("Availability:", "60.00 %"),
            ("Response time:", "0.004 secs"),
            ("Transaction rate:", "1.50 trans/sec"),
            ("Throughput:", "2.50 MB/sec"),
            ("Failed transactions:", "2"),
            ("Longest transaction:", "0.008"),
            ("Shortest transaction:", "0.000"),
        ] {
            assert_eq!(value(name), expected);
        }
    }
}
