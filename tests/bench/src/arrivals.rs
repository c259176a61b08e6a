//! When deliveries start, as a reader of the topic sees it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use contract::header;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// By order, when its `DeliveryStarted` came in.
pub(crate) type Arrived = HashMap<String, Instant>;

/// A reader, on a thread of its own, so that nothing else delays its clock.
pub(crate) struct Arrivals {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Result<Arrived>>,
}

impl Arrivals {
    /// Reads `topic` from its present end on.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(crate) fn start(bootstrap: &str, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            // It is never joined: partitions are assigned by hand, and nothing is committed.
            .set("group.id", "bench-arrivals")
            .set("enable.auto.commit", "false")
            .create()?;
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        let mut assignment = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (_, end) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT)?;
            assignment.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
        }
        consumer.assign(&assignment)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Ok(Self { stop, reader: thread::spawn(move || read(&consumer, &stopped)) })
    }

    /// What has arrived until now.
    ///
    /// # Errors
    /// When Kafka failed meanwhile.
    pub(crate) fn finish(self) -> Result<Arrived> {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().map_err(|_| anyhow!("the reader of deliveries panicked"))?
    }
}

fn read(consumer: &BaseConsumer, stop: &AtomicBool) -> Result<Arrived> {
    let mut arrived = Arrived::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let (message, now) = (message?, Instant::now());
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let is_start = headers
            .into_iter()
            .any(|found| found.key == header::TYPE && found.value.is_some_and(|value| value == b"DeliveryStarted"));
        if let Some(key) = message.key().filter(|_| is_start) {
            arrived.entry(String::from_utf8_lossy(key).into_owned()).or_insert(now);
        }
    }
    Ok(arrived)
}
