//! Deletes topics in the background, in at most one attempt for each platform at a time.
//!
//! An attempt that failed is followed by another after a while, which is longer each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Unreachable,
    connection::{Clients, Connection},
    direct::{self, Deleted},
    keeper::RETRY,
};
use crate::{build::Records, controller::backoff, sync::lock};

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// In which cluster.
    pub connection: Connection,
    /// What is recorded of the topics.
    pub records: Records,
}

/// How an attempt ended.
pub(crate) type Outcome = Result<Deleted, Unreachable>;

/// See the module.
pub(crate) struct TopicDeletions {
    kafka: Arc<Clients>,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    request: Request,
    outcome: Option<Outcome>,
    due: Instant,
    running: bool,
    failures: u32,
    /// Of the attempt that was begun last.
    stop: CancellationToken,
}

impl TopicDeletions {
    /// Deletes nothing yet, and takes its turns with all who have the same clients of Kafka.
    pub(crate) fn new(kafka: Arc<Clients>) -> Self {
        Self { kafka, entries: Mutex::default() }
    }

    /// How the last attempt at exactly this ended for the platform `key`; `None` until the first one has. Begins one when
    /// one is due; `wake` is called when it has ended.
    pub(crate) fn go_on(
        self: &Arc<Self>,
        key: &str,
        request: &Request,
        wake: impl FnOnce() + Send + 'static,
    ) -> Option<Outcome> {
        let now = Instant::now();
        let mut entries = lock(&self.entries);
        let entry = entries.entry(key.to_owned()).or_insert_with(|| Entry::new(request.clone(), now));
        if entry.request != *request {
            entry.stop.cancel();
            *entry = Entry { running: entry.running, ..Entry::new(request.clone(), now) };
        }
        if entry.is_due(now) {
            entry.running = true;
            entry.stop = CancellationToken::new();
            tokio::spawn(Arc::clone(self).attempt(key.to_owned(), request.clone(), entry.stop.clone(), wake));
        }
        entry.outcome.clone()
    }

    /// The same, and begins nothing.
    pub(crate) fn outcome(&self, key: &str, request: &Request) -> Option<Outcome> {
        let entries = lock(&self.entries);
        entries.get(key).filter(|entry| entry.request == *request)?.outcome.clone()
    }

    /// Has the attempt for the platform `key` delete nothing any more, but for what Kafka has been asked for already.
    pub(crate) fn stop(&self, key: &str) {
        if let Some(entry) = lock(&self.entries).get(key) {
            entry.stop.cancel();
        }
    }

    /// Stops and forgets all platforms but those that `is_there` knows.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        for (_, gone) in lock(&self.entries).extract_if(|key, _| !is_there(key)) {
            gone.stop.cancel();
        }
    }

    async fn attempt(
        self: Arc<Self>,
        key: String,
        request: Request,
        stop: CancellationToken,
        wake: impl FnOnce() + Send + 'static,
    ) {
        // It has no time-out: each of its requests has, and what hangs nevertheless could still delete something.
        let outcome = match stop.run_until_cancelled(self.kafka.turn(&request.connection)).await {
            Some(turn) => {
                let Request { connection, records } = request.clone();
                Some(direct::delete(&turn, &connection, records, stop.clone()).await)
            }
            None => None,
        };
        // What failed because it was stopped tells nothing.
        let outcome = outcome.filter(|outcome| outcome.is_ok() || !stop.is_cancelled());
        if let Some(entry) = lock(&self.entries).get_mut(&key) {
            entry.finish(&request, outcome, Instant::now());
        }
        wake();
    }
}

impl Entry {
    fn new(request: Request, now: Instant) -> Self {
        Self { request, outcome: None, due: now, running: false, failures: 0, stop: CancellationToken::new() }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.running && self.due <= now && !matches!(self.outcome, Some(Ok(_)))
    }

    /// Takes in how an attempt ended, unless it was stopped or something else is to be deleted by now: then the next one is
    /// due at once.
    fn finish(&mut self, request: &Request, outcome: Option<Outcome>, now: Instant) {
        self.running = false;
        let Some(outcome) = outcome.filter(|_| self.request == *request) else { return };
        self.due = now + backoff::exponential(RETRY.0, RETRY.1, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.outcome = Some(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{net::TcpListener, sync::oneshot, time::timeout};

    use super::*;
    use crate::{build::KafkaCredentials, fence::Fence, kafka::connection::THREADS};

    const MOMENT: Duration = Duration::from_millis(200);

    fn request(servers: impl ToString) -> Request {
        let connection =
            Connection { bootstrap_servers: servers.to_string(), credentials: KafkaCredentials::default() };
        Request { connection, records: Records::new() }
    }

    fn entry(now: Instant) -> Entry {
        Entry { running: true, ..Entry::new(request("a:9092"), now) }
    }

    fn deletions() -> Arc<TopicDeletions> {
        Arc::new(TopicDeletions::new(Arc::new(Clients::new(Fence::open()))))
    }

    fn begin(deletions: &Arc<TopicDeletions>, request: &Request) -> (Option<Outcome>, oneshot::Receiver<()>) {
        let (wake, woken) = oneshot::channel();
        let wake = || wake.send(()).unwrap();
        (deletions.go_on("q", request, wake), woken)
    }

    #[tokio::test]
    async fn an_attempt_is_made_beside_and_its_end_is_told() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (deletions, request) = (deletions(), request(nobody));
        let (outcome, woken) = begin(&deletions, &request);
        assert!(outcome.is_none());
        let (_, other) = begin(&deletions, &request);
        assert!(other.await.is_err(), "one at a time");
        woken.await.unwrap();
        let (outcome, again) = begin(&deletions, &request);
        assert!(matches!(outcome, Some(Err(_))), "{outcome:?}");
        assert!(again.await.is_err(), "the next one is later");
        assert!(deletions.outcome("q", &request).is_some());
    }

    #[tokio::test]
    async fn one_that_is_stopped_before_its_turn_asks_nobody() {
        let kafka = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (deletions, request) = (deletions(), request(kafka.local_addr().unwrap()));
        let mut turns = Vec::new();
        for _ in 1..THREADS {
            turns.push(deletions.kafka.turn(&request.connection).await);
        }
        let (_, mut woken) = begin(&deletions, &request);
        assert!(timeout(MOMENT, &mut woken).await.is_err(), "it waits for its turn");
        deletions.stop("q");
        woken.await.unwrap();
        drop(turns);
        assert!(timeout(MOMENT, kafka.accept()).await.is_err());
        assert!(deletions.outcome("q", &request).is_none());
    }

    #[tokio::test]
    async fn whoever_is_gone_is_stopped() {
        let deletions = deletions();
        let stop = CancellationToken::new();
        let entry = Entry { stop: stop.clone(), ..entry(Instant::now()) };
        lock(&deletions.entries).insert("q".to_owned(), entry);
        deletions.retain(|key| key == "q");
        assert!(!stop.is_cancelled());
        deletions.retain(|_| false);
        assert!(stop.is_cancelled() && lock(&deletions.entries).is_empty());
    }

    #[test]
    fn what_failed_is_tried_again_and_what_is_done_is_not() {
        let now = Instant::now();
        let mut entry = entry(now);
        assert!(!entry.is_due(now));
        entry.finish(&request("a:9092"), Some(Err(Unreachable("no answer".into()))), now);
        assert!(!entry.is_due(now) && entry.is_due(now + RETRY.0));
        entry.running = true;
        entry.finish(&request("a:9092"), Some(Ok(Deleted::default())), now);
        assert!(!entry.is_due(now + RETRY.1) && matches!(entry.outcome, Some(Ok(_))));
    }

    #[test]
    fn what_was_stopped_or_is_about_something_else_tells_nothing() {
        let now = Instant::now();
        for (servers, outcome) in [("a:9092", None), ("b:9092", Some(Ok(Deleted::default())))] {
            let mut entry = entry(now);
            entry.finish(&request(servers), outcome, now);
            assert!(entry.is_due(now) && entry.outcome.is_none());
        }
    }
}
