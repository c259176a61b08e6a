//! What is waiting at Kafka, at once.

use std::collections::BTreeMap;

use contract::{CloudEvent, DecodeError};
use futures::FutureExt;
use rdkafka::{
    Message,
    consumer::StreamConsumer,
    error::KafkaError,
    message::{BorrowedMessage, OwnedMessage},
};

use super::{Told, dead_letter};
use crate::history;

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
pub(super) async fn receive(stream: &StreamConsumer<Told>, group: &str) -> Result<Batch, KafkaError> {
    let mut batch = Batch::default();
    batch.add(stream.recv().await?, group);
    for _ in 1..MOST_MESSAGES {
        match stream.recv().now_or_never() {
            Some(Ok(message)) => batch.add(message, group),
            // What came before it is handled first; an error that matters comes again.
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot read from Kafka");
                break;
            }
            None => break,
        }
    }
    Ok(batch)
}

impl Batch {
    /// Adds a message for the reader `group`.
    fn add(&mut self, message: BorrowedMessage<'_>, group: &str) {
        self.last_offsets.insert((message.topic().to_owned(), message.partition()), message.offset());
        let header = |name: &str| history::header(&message, name);
        if header(dead_letter::FOR_READER).is_some_and(|reader| reader != group.as_bytes()) {
            // A dead letter that was sent again: this reader has had it.
            return;
        }
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
