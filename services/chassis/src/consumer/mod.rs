//! Reads events from Kafka and gives them to the service in batches, each applied in one transaction.
//!
//! A message is handled at least once and applied once: the service's state tells that it was applied, and where that is
//! not enough, its id in the [`Inbox`], written in the same transaction. Its offset is stored after the commit. Database
//! errors, and errors of the handler, are retried until they pass, since going on would lose the event. Only what is no
//! event of ours goes to the dead-letter topic.

mod batch;
pub(crate) mod dead_letter;
mod inbox;
mod inbox_days;
mod told;

use std::{future::Future, time::Duration};

use anyhow::Context;
use contract::{CloudEvent, Event, Topic};
use rdkafka::{
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use scopeguard::ScopeGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    config::KafkaSettings,
    db::is_unavailable,
    kafka::{self, LogContext},
    tasks::Backoff,
};
use batch::Batch;
use dead_letter::DeadLetters;
pub use inbox::Inbox;
pub(crate) use inbox_days::start as keep_inbox_days;
use told::Told;

/// How long a stopping reader tries to finish its batch, and then to leave the group.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
const LEAVE_WITHIN: Duration = Duration::from_secs(4);

/// How long a reader pauses after an error. Kafka's library tries again by itself; its errors are news, which come in one
/// queue with the messages: were each waited for, the news of an outage would hold back what comes after it.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// What a service does with events.
pub trait Handler: Send + Sync + 'static {
    /// Applies `events`, at least one, in one transaction that it commits: in the order of their partitions, and only of
    /// types that this version knows. After an error the same events come again, and they may after a success.
    fn handle(&self, events: &[CloudEvent]) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Whether an event matters to the service at all. One that does not costs no transaction.
    fn wants(&self, _event: &Event) -> bool {
        true
    }

    /// How long it is at least from one batch to the next. A reader whom nobody waits for takes more at a time and leaves
    /// the machine to others: a transaction costs nearly the same for one event as for ten.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// Reads topics in the service's group.
pub(crate) struct Consumer<H> {
    settings: KafkaSettings,
    group: String,
    topics: Vec<Topic>,
    handler: H,
}

impl<H: Handler> Consumer<H> {
    pub(crate) fn new(settings: &KafkaSettings, topics: &[Topic], handler: H) -> anyhow::Result<Self> {
        let group = settings.reader()?.to_owned();
        Ok(Self { settings: settings.clone(), group, topics: topics.to_vec(), handler })
    }

    /// Reads until `stop`: then finishes the batch, commits its offsets and leaves the group.
    pub(crate) async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let stream = kafka::guarded(self.subscribe().context("cannot make a Kafka consumer")?);
        let dead_letters = DeadLetters::new(self.settings.clone(), self.group.clone());
        let mut next = Instant::now();
        loop {
            let received = async {
                tokio::time::sleep_until(next).await;
                batch::receive(&stream, &self.group).await
            };
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                received = received => received,
            };
            next = Instant::now() + self.handler.pace();
            match received {
                Ok(batch) => {
                    tokio::select! {
                        biased;
                        () = self.process(&stream, &dead_letters, batch) => {}
                        // Kafka gives the batch to another replica when it can't be finished.
                        () = async { stop.cancelled().await; tokio::time::sleep(FINISH_WITHIN).await } => {
                            warn!("stopping with a batch that could not be finished; it is read again");
                            break;
                        }
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot read from Kafka");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
        // Dropping it commits the stored offsets and leaves the group.
        let stream = ScopeGuard::into_inner(stream);
        let leaving = tokio::task::spawn_blocking(move || drop(stream));
        if tokio::time::timeout(LEAVE_WITHIN, leaving).await.is_err() {
            warn!("Kafka did not answer in time; it will notice that this reader is gone");
        }
        Ok(())
    }

    fn subscribe(&self) -> Result<StreamConsumer<Told>, KafkaError> {
        // A reader with a pace asks for more when it has taken what it had, instead of having a few messages at a time sent.
        let ahead = if self.handler.pace().is_zero() { "500" } else { "1" };
        let stream: StreamConsumer<Told> = kafka::common(&self.settings)
            .set("group.id", &self.group)
            .set("auto.offset.reset", "earliest")
            // Offsets are stored by us after the commit, and sent to Kafka by librdkafka in the background.
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", "500")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("fetch.wait.max.ms", "100")
            .set("queued.min.messages", ahead)
            // With so short a queue it is often full, and its default would leave it empty for the rest of a second.
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.max.messages.kbytes", "2048")
            .set("fetch.message.max.bytes", "262144")
            .set("fetch.max.bytes", "1048576")
            .set("statistics.interval.ms", "5000")
            .create_with_context(Told(LogContext))?;
        let names: Vec<_> = self.topics.iter().map(|topic| topic.name(&self.settings.topic_prefix)).collect();
        stream.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(stream)
    }

    /// Applies a batch, as often as it takes.
    async fn process(&self, stream: &StreamConsumer<Told>, dead_letters: &DeadLetters, mut batch: Batch) {
        batch.events.retain(|event| self.handler.wants(&event.event));
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        while !batch.events.is_empty()
            && let Err(error) = self.handler.handle(&batch.events).await
        {
            let retry_in = backoff.next_delay();
            metrics::counter!("consumer_errors_total").increment(1);
            let events: Vec<_> = batch.events.iter().take(5).map(|event| event.id.to_string()).collect();
            let text = format!("{error:#}");
            match error.downcast_ref::<sqlx::Error>().is_some_and(is_unavailable) {
                true => warn!(error = text, ?retry_in, "the database is not available for events; trying again"),
                false => {
                    error!(error = text, ?retry_in, first_events = ?events, "handling events failed; trying again")
                }
            }
            tokio::time::sleep(retry_in).await;
        }
        dead_letters.send(&batch.undecodable).await;
        metrics::counter!("consumer_events_total").increment(batch.events.len() as u64);
        for (topic, partition, offset) in batch.last_offsets() {
            match stream.store_offset(topic, partition, offset) {
                // The partition has been given to another replica meanwhile, which reads on from the offset before.
                Err(KafkaError::StoreOffset(RDKafkaErrorCode::State)) | Ok(()) => {}
                Err(error) => warn!(%error, topic, partition, "cannot store the offset; the messages come again"),
            }
        }
    }
}
