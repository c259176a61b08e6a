//! What Kafka holds of a topic, from the oldest message to the newest, without a group.

use std::time::Duration;

use anyhow::Context;
use contract::{CloudEvent, Topic};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{BorrowedMessage, Headers as _},
};
use tokio::sync::mpsc;

use crate::{config::KafkaSettings, kafka};

/// For one question to Kafka, and for the next message.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Events that are given at a time.
const BATCH: usize = 500;

/// Gives `each` message that `topics`, by their full names, hold now: those of one partition in their order.
pub(crate) fn read(
    settings: &KafkaSettings,
    topics: &[String],
    mut each: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer = kafka::common(settings)
        // No group is joined and nothing committed; librdkafka wants a name all the same.
        .set("group.id", "history")
        .set("enable.auto.commit", "false")
        .create()
        .context("cannot make a Kafka consumer")?;
    let mut left = Vec::new();
    let mut assignment = TopicPartitionList::new();
    for name in topics {
        let metadata = consumer.fetch_metadata(Some(name), TIMEOUT).context("cannot ask Kafka for its topics")?;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (low, high) = consumer
                .fetch_watermarks(name, partition.id(), TIMEOUT)
                .with_context(|| format!("cannot ask Kafka for the offsets of {name}"))?;
            if low < high {
                assignment.add_partition_offset(name, partition.id(), Offset::Offset(low))?;
                left.push((name.clone(), partition.id(), high));
            }
        }
    }
    consumer.assign(&assignment)?;
    while !left.is_empty() {
        let message = consumer.poll(TIMEOUT).context("Kafka has stopped to answer")??;
        // Compared with where the next one would be: what lies between may have been removed.
        left.retain(|(topic, partition, end)| {
            (topic.as_str(), *partition) != (message.topic(), message.partition()) || message.offset() + 1 < *end
        });
        each(&message)?;
    }
    Ok(())
}

/// A message's header as bytes.
pub(crate) fn header<'a>(message: &'a impl Message, name: &str) -> Option<&'a [u8]> {
    let headers = message.headers()?;
    // The last of several with one name counts, as for Kafka's own clients.
    (0..headers.count()).rev().map(|index| headers.get(index)).find(|header| header.key == name)?.value
}

/// Sends every event that `topics` hold now to `events`, in batches: those of one partition in their order. What is no
/// event of ours is left out.
///
/// # Errors
/// When Kafka can't be read, or nobody takes the events any more.
pub async fn replay(
    settings: &KafkaSettings,
    topics: &[Topic],
    events: mpsc::Sender<Vec<CloudEvent>>,
) -> anyhow::Result<()> {
    let settings = settings.clone();
    let names: Vec<_> = topics.iter().map(|topic| topic.name(&settings.topic_prefix)).collect();
    tokio::task::spawn_blocking(move || {
        let mut batch = Vec::with_capacity(BATCH);
        read(&settings, &names, |message| {
            let decoded = CloudEvent::from_message(|name| header(message, name), message.payload().unwrap_or_default());
            batch.extend(decoded.ok().flatten());
            if batch.len() == BATCH {
                events.blocking_send(std::mem::take(&mut batch)).context("nobody takes the events")?;
            }
            Ok(())
        })?;
        events.blocking_send(batch).context("nobody takes the events")
    })
    .await?
}
