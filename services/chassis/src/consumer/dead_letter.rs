//! The topics for messages that are no events of ours.

use rdkafka::{
    Message,
    message::{Header, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
    util::Timeout,
};
use std::time::Duration;
use tokio::sync::OnceCell;
use tracing::{error, warn};

use super::batch::Undecodable;
use crate::{
    config::KafkaSettings,
    kafka::{self, Producer},
    tasks::Backoff,
};

/// Names the one reader that a message sent again is for.
pub(crate) const FOR_READER: &str = "dlq_for";
/// What a dead letter tells of itself.
pub(crate) const ERROR: &str = "dlq_error";
pub(crate) const TOPIC: &str = "dlq_topic";
pub(crate) const PARTITION: &str = "dlq_partition";
pub(crate) const OFFSET: &str = "dlq_offset";
pub(crate) const READER: &str = "dlq_reader";

/// Sends to dead-letter topics. Its producer is made when first needed, which is hardly ever.
pub(super) struct DeadLetters {
    settings: KafkaSettings,
    reader: String,
    producer: OnceCell<Producer>,
}

impl DeadLetters {
    pub(super) fn new(settings: KafkaSettings, reader: String) -> Self {
        Self { settings, reader, producer: OnceCell::new() }
    }

    /// Returns when Kafka has all of them, however long that takes: their offsets are stored after it.
    pub(super) async fn send(&self, letters: &[Undecodable]) {
        for Undecodable { message, error } in letters {
            let source = format!("{}/{}@{}", message.topic(), message.partition(), message.offset());
            error!(%error, from = source, "a message is no event of ours; it goes to the dead-letter topic");
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
            while let Err(error) = self.try_send(message, &error.to_string()).await {
                let retry_in = backoff.next_delay();
                warn!(
                    error = format!("{error:#}"),
                    ?retry_in,
                    message = source,
                    "cannot send to the dead-letter topic"
                );
                tokio::time::sleep(retry_in).await;
            }
            metrics::counter!("dead_letters_total", "topic" => message.topic().to_owned()).increment(1);
        }
    }

    async fn try_send(&self, message: &OwnedMessage, error: &str) -> anyhow::Result<()> {
        let make = || async { kafka::producer(&self.settings) };
        let producer = self.producer.get_or_try_init(make).await?;
        let topic = format!("{}.dlq", message.topic());
        let (partition, offset) = (message.partition().to_string(), message.offset().to_string());
        let headers = message.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        let headers = [
            (ERROR, error),
            (TOPIC, message.topic()),
            (PARTITION, &partition),
            (OFFSET, &offset),
            (READER, &self.reader),
        ]
        .into_iter()
        .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut record = FutureRecord::<[u8], [u8]>::to(&topic).headers(headers);
        record.key = message.key();
        record.payload = message.payload();
        producer.send(record, Timeout::Never).await.map_err(|(error, _)| error)?;
        Ok(())
    }
}
