//! Events straight to Kafka, for a service without a database and so without an outbox.

use std::time::Duration;

use contract::CloudEvent;
use rdkafka::{error::KafkaError, producer::FutureRecord, util::Timeout};

use crate::{
    config::KafkaSettings,
    kafka::{self, Producer},
};

/// How long a message may take to all of the partition's replicas that are in sync.
const LIMIT: Duration = Duration::from_secs(4);

/// Publishes events. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    producer: Producer,
    prefix: String,
}

/// Kafka did not confirm an event; it may or may not have it.
#[derive(Debug, thiserror::Error)]
#[error("not confirmed by Kafka: {0}")]
pub struct NotConfirmed(String);

impl Publisher {
    /// A publisher to the Kafka of `settings`.
    ///
    /// # Errors
    /// When the settings make no sense. Kafka is not asked yet.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let producer = kafka::producer_giving_up_after(settings, LIMIT)?;
        Ok(Self { producer, prefix: settings.topic_prefix.clone() })
    }

    /// Publishes `event` and returns when every replica in sync has it (acks=all).
    ///
    /// # Errors
    /// When that is not confirmed within 4 s. Repeating is safe where the reader is idempotent.
    pub async fn publish(&self, event: &CloudEvent) -> Result<(), NotConfirmed> {
        let payload = event.event.payload().map_err(|error| NotConfirmed(error.to_string()))?;
        let topic = event.event.topic().name(&self.prefix);
        let headers = event.headers();
        let headers = kafka::headers(headers.iter().map(|(key, value)| (*key, value.as_str())));
        let key = event.event.order_id().as_str();
        let record = FutureRecord::to(&topic).key(key).payload(&payload).headers(headers);
        // A full queue is not waited for: whoever asked repeats.
        let sent = self.producer.send(record, Timeout::After(Duration::ZERO)).await;
        sent.map(drop).map_err(|(error, _)| NotConfirmed(error.to_string()))
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
