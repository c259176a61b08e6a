//! What is waiting at Kafka, at once.

use std::collections::BTreeMap;

use contract::{CloudEvent, DecodeError};
use futures::FutureExt;
use rdkafka::{
    Message,
    consumer::StreamConsumer,
    error::KafkaError,
    message::{BorrowedMessage, Headers, OwnedMessage},
};

use super::Rebalances;

/// The most messages of one batch.
const MOST_MESSAGES: usize = 500;

/// Messages that are applied together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order of their partitions.
    pub(super) events: Vec<CloudEvent>,
    pub(super) undecodable: Vec<Undecodable>,
    last_offsets: BTreeMap<(String, i32), i64>,
}

/// A message that is no event of ours.
#[derive(Debug)]
pub(super) struct Undecodable {
    pub(super) message: OwnedMessage,
    pub(super) error: DecodeError,
}

/// Waits for a message and takes with it what has already come, up to a limit: batches are small when there is little
/// to do and large when there is much, without anything waiting.
pub(super) async fn receive(stream: &StreamConsumer<Rebalances>, prefix: &str) -> Result<Batch, KafkaError> {
    let mut batch = Batch::default();
    batch.add(stream.recv().await?);
    for _ in 1..MOST_MESSAGES {
        match stream.recv().now_or_never() {
            Some(Ok(message)) => batch.add(message),
            // What came before it is handled first; an error that matters comes again.
            Some(Err(error)) => {
                tracing::warn!(%error, prefix, "cannot read from Kafka");
                break;
            }
            None => break,
        }
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, message: BorrowedMessage<'_>) {
        self.last_offsets.insert((message.topic().to_owned(), message.partition()), message.offset());
        let header = |name: &str| {
            let headers = message.headers()?;
            // The last of several with one name counts, as for Kafka's own clients.
            (0..headers.count()).rev().map(|index| headers.get(index)).find(|header| header.key == name)?.value
        };
        match CloudEvent::from_message(header, message.payload().unwrap_or_default()) {
            Ok(Some(event)) => self.events.push(event),
            Ok(None) => {}
            Err(error) => self.undecodable.push(Undecodable { error, message: message.detach() }),
        }
    }

    /// The last offset of each partition: topic, partition, offset.
    pub(super) fn last_offsets(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.last_offsets.iter().map(|((topic, partition), offset)| (topic.as_str(), *partition, *offset))
    }
}
