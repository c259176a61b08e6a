//! How this process speaks to Kafka: small buffers, for five services share a small machine.

use std::time::Duration;

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, KafkaResult},
    message::{Header, OwnedHeaders},
    producer::FutureProducer,
};
use scopeguard::ScopeGuard;
use tracing::{debug, error, info, warn};

use crate::config::KafkaSettings;

/// Sends librdkafka's log into ours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                error!(facility, "kafka: {message}");
            }
            RDKafkaLogLevel::Warning => warn!(facility, "kafka: {message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(facility, "kafka: {message}"),
            RDKafkaLogLevel::Debug => debug!(facility, "kafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        warn!(%error, "kafka: {reason}");
    }
}

/// A producer that repeats no message and loses none, in the order of sending, and waits for Kafka without end.
pub(crate) type Producer = FutureProducer<LogContext>;

pub(crate) fn producer(settings: &KafkaSettings) -> KafkaResult<Producer> {
    // No message is given up: the outbox has it anyway, and giving up one would let a later one overtake it.
    producer_giving_up_after(settings, Duration::ZERO)
}

/// A producer that gives a message up after `limit`; zero: never.
pub(crate) fn producer_giving_up_after(settings: &KafkaSettings, limit: Duration) -> KafkaResult<Producer> {
    common(settings)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", limit.as_millis().to_string())
        .set("linger.ms", "1")
        .set("queue.buffering.max.messages", "10000")
        // A limit and no allocation. It has to hold a whole batch of the outbox: 16 shards of 200 rows of up to 5 KiB.
        .set("queue.buffering.max.kbytes", "32768")
        .create_with_context(LogContext)
}

/// A producer or consumer that, when dropped, ends on a thread that may wait: its end waits for Kafka, which may be away.
pub(crate) type Guarded<T> = ScopeGuard<T, fn(T)>;

/// Has `client` end on such a thread.
pub(crate) fn guarded<T: Send + 'static>(client: T) -> Guarded<T> {
    scopeguard::guard(client, |client| drop(tokio::task::spawn_blocking(move || drop(client))))
}

/// A message's headers.
pub(crate) fn headers<'a>(headers: impl ExactSizeIterator<Item = (&'a str, &'a str)>) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers.fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// What producers and consumers have in common.
pub(crate) fn common(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.kafka_bootstrap_servers)
        .set("client.id", settings.consumer_group.as_deref().unwrap_or("foodplatform"))
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.max.ms", "2000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    settings.kafka_security.configure(&mut config);
    config
}
