//! Runs the checks of the topics in the background, at most one for each platform at a time.
//!
//! A check runs when the wish changed, then every few minutes, and sooner while something is wrong. Kafka is never asked
//! because a reconciliation happened to run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use kube::{Client, core::DynamicObject};
use tokio::time::Instant;

use super::{
    Fate, TopicReport, Unreachable,
    connection::{Clients, Connection},
    direct, strimzi,
    untried::Untried,
};
use crate::{
    api::TopicManagement,
    build::{Records, WantedTopic},
    controller::backoff,
    sync::lock,
};

/// Between two checks of topics that are as wanted.
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Between two attempts while something is wrong, growing from the first to the second.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// For a whole check by way of Strimzi.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);

/// What a platform wants of Kafka.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Of which cluster.
    pub connection: Connection,
    /// The topics.
    pub topics: Vec<WantedTopic>,
    /// Who makes them and changes them.
    pub management: TopicManagement,
    /// The KafkaTopics by which Strimzi is asked for them, in the same order; none where it isn't.
    pub kafka_topics: Vec<DynamicObject>,
    /// Whether topics that somebody else made are taken.
    pub adopt: bool,
    /// What is recorded of them.
    pub records: Records,
}

impl Request {
    /// Whether `other` asks for the same, whatever is recorded.
    fn asks_for_the_same_as(&self, other: &Self) -> bool {
        *self == Self { records: self.records.clone(), ..other.clone() }
    }
}

/// How a check ended.
pub(crate) type Outcome = Result<Vec<TopicReport>, Unreachable>;

/// What is known of a platform's topics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// How the last check of exactly this wish ended; `None` until the first one has.
    pub outcome: Option<Arc<Outcome>>,
    /// How long until the next check is due; `None` while one runs, whose end wakes the platform up.
    pub next_check: Option<Duration>,
}

/// See the module.
pub(crate) struct TopicKeeper {
    client: Client,
    kafka: Arc<Clients>,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    request: Request,
    outcome: Option<Arc<Outcome>>,
    untried: Untried,
    due: Instant,
    running: bool,
    failures: u32,
}

impl TopicKeeper {
    /// A keeper that knows nothing yet, and takes its turns with all who have the same clients of Kafka.
    pub(crate) fn new(client: Client, kafka: Arc<Clients>) -> Self {
        Self { client, kafka, entries: Mutex::default() }
    }

    /// Whether a check of the platform `key` is under way, whose end wakes the platform up.
    pub(crate) fn is_checking(&self, key: &str) -> bool {
        lock(&self.entries).get(key).is_some_and(|entry| entry.running)
    }

    /// What is known about the topics of the platform `key`. Starts a check when one is due; `wake` is called when it
    /// has ended.
    pub(crate) fn observe(
        self: &Arc<Self>,
        key: &str,
        request: &Request,
        wake: impl FnOnce() + Send + 'static,
    ) -> Known {
        let now = Instant::now();
        let mut entries = lock(&self.entries);
        let entry = entries.entry(key.to_owned()).or_insert_with(|| Entry::new(request.clone(), now));
        if entry.request.asks_for_the_same_as(request) && !entry.waits_for_records() {
            // What was found is recorded by now.
            entry.request.records.clone_from(&request.records);
        } else if entry.request != *request {
            let (running, untried) = (entry.running, entry.untried.clone());
            *entry = Entry { running, untried, ..Entry::new(request.clone(), now) };
        }
        if !entry.running && entry.due <= now {
            entry.running = true;
            let untried = entry.untried.clone();
            tokio::spawn(Arc::clone(self).check(key.to_owned(), request.clone(), untried, wake));
        }
        let next_check = (!entry.running).then(|| entry.due.saturating_duration_since(now));
        Known { outcome: entry.outcome.clone(), next_check }
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.entries).retain(|key, _| is_there(key));
    }

    /// Adds to what is recorded of the platform `key` what its last check found.
    pub(crate) fn add_found(&self, key: &str, records: &mut Records) {
        if let Some(entry) = lock(&self.entries).get(key) {
            entry.add_found(records);
        }
    }

    async fn check(
        self: Arc<Self>,
        key: String,
        request: Request,
        untried: Untried,
        wake: impl FnOnce() + Send + 'static,
    ) {
        let turn = self.kafka.turn(&request.connection).await;
        let outcome = match request.management {
            TopicManagement::Strimzi => {
                let check = strimzi::ensure(&self.client, &turn, &request);
                tokio::time::timeout(CHECK_TIMEOUT, check).await.unwrap_or_else(|_| {
                    let servers = &request.connection.bootstrap_servers;
                    Err(Unreachable(format!("Kafka at {servers} answers too slowly to check the topics; retrying")))
                })
            }
            // Each of its requests has a time-out, and what hangs nevertheless could still make a topic.
            TopicManagement::Direct | TopicManagement::External => {
                direct::ensure(&turn, request.clone(), untried).await
            }
        };
        crate::metrics::topics_checked(if is_settled(&outcome) { "good" } else { "bad" });
        if let Some(entry) = lock(&self.entries).get_mut(&key) {
            entry.finish(&request, outcome, Instant::now());
        }
        wake();
    }
}

impl Entry {
    fn new(request: Request, now: Instant) -> Self {
        Self { request, outcome: None, untried: Untried::default(), due: now, running: false, failures: 0 }
    }

    /// Whether other records would change what the last check found: topics that can be made only when that is recorded,
    /// or that are somebody else's as far as was known.
    fn waits_for_records(&self) -> bool {
        let waits = |report: &TopicReport| matches!(report.fate, Fate::Announced | Fate::Foreign(_));
        matches!(self.outcome.as_deref(), Some(Ok(reports)) if reports.iter().any(waits))
    }

    /// See [`TopicKeeper::add_found`]. Topics that somebody else looks after are never the platform's own.
    fn add_found(&self, records: &mut Records) {
        if let Some(Ok(reports)) = self.outcome.as_deref()
            && self.request.management != TopicManagement::External
        {
            reports.iter().for_each(|report| report.add_to(records));
        }
    }

    /// Takes in how a check ended, unless the wish has changed meanwhile: then the next one is due at once.
    fn finish(&mut self, request: &Request, outcome: Outcome, now: Instant) {
        self.running = false;
        if !self.request.asks_for_the_same_as(request) {
            return;
        }
        self.failures = if is_settled(&outcome) { 0 } else { self.failures.saturating_add(1) };
        self.due = now
            + match self.failures {
                0 => backoff::jittered(INTERVAL),
                failures => backoff::exponential(RETRY.0, RETRY.1, failures - 1),
            };
        if let Ok(reports) = &outcome {
            self.untried.announce(reports);
        }
        self.outcome = Some(Arc::new(outcome));
    }
}

/// Whether asking again soon could change nothing.
fn is_settled(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|reports| reports.iter().all(|report| !matches!(report.fate, Fate::Refused(_))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::KafkaCredentials;

    fn request(servers: &str) -> Request {
        Request {
            connection: Connection { bootstrap_servers: servers.into(), credentials: KafkaCredentials::default() },
            topics: Vec::new(),
            management: TopicManagement::Direct,
            kafka_topics: Vec::new(),
            adopt: false,
            records: Records::new(),
        }
    }

    fn entry(now: Instant) -> Entry {
        Entry { running: true, ..Entry::new(request("a:9092"), now) }
    }

    #[test]
    fn a_good_check_is_repeated_after_minutes() {
        let now = Instant::now();
        let mut entry = entry(now);
        entry.finish(&request("a:9092"), Ok(Vec::new()), now);
        assert!(entry.due >= now + INTERVAL / 2);
        assert!(entry.outcome.is_some() && !entry.running);
    }

    #[test]
    fn a_bad_check_is_repeated_soon_and_then_later() {
        let now = Instant::now();
        let mut entry = entry(now);
        let bad = || Err(Unreachable("away".into()));
        entry.finish(&request("a:9092"), bad(), now);
        let first = entry.due - now;
        assert!(first <= RETRY.0 * 2);
        for _ in 0..20 {
            entry.finish(&request("a:9092"), bad(), now);
        }
        assert!(entry.due - now > first && entry.due - now <= RETRY.1);
    }

    #[test]
    fn the_result_for_an_older_wish_is_not_used() {
        let now = Instant::now();
        let mut entry = Entry { running: true, ..Entry::new(request("b:9092"), now) };
        entry.finish(&request("a:9092"), Ok(Vec::new()), now);
        assert!(entry.outcome.is_none() && entry.due <= now && !entry.running);
    }

    fn report(id: Option<&str>, fate: Fate) -> TopicReport {
        let (partitions, id) = (id.map(|_| 1), id.map(str::to_owned));
        TopicReport { name: "cook".into(), partitions, id, made: [].into(), reset: [].into(), fate }
    }

    #[test]
    fn what_was_announced_is_untried_however_checks_end_that_do_not_try_it() {
        let now = Instant::now();
        let mut entry = entry(now);
        entry.finish(&request("a:9092"), Ok(vec![report(None, Fate::Announced)]), now);
        for (servers, outcome) in [
            ("a:9092", Err(Unreachable("away".into()))),
            ("a:9092", Ok(vec![report(None, Fate::Refused("no".into()))])),
            ("b:9092", Ok(vec![])),
        ] {
            entry.finish(&request(servers), outcome, now);
            assert!(entry.untried.contains("cook"));
        }
    }

    #[test]
    fn what_somebody_else_looks_after_is_not_found_to_be_the_platforms_own() {
        let now = Instant::now();
        for (management, count) in
            [(TopicManagement::Direct, 1), (TopicManagement::Strimzi, 1), (TopicManagement::External, 0)]
        {
            let request = Request { management, ..request("a:9092") };
            let mut entry = Entry { running: true, ..Entry::new(request.clone(), now) };
            entry.finish(&request, Ok(vec![report(Some("a"), Fate::AsWanted)]), now);
            let mut records = Records::new();
            entry.add_found(&mut records);
            assert_eq!(records.len(), count, "{management:?}");
        }
    }
}
