//! What librdkafka tells of a reader: rebalances into the log, lag into the metrics.

use rdkafka::{
    ClientContext, Statistics,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext, Rebalance},
    error::KafkaError,
};
use tracing::{info, warn};

use crate::kafka::LogContext;

/// Takes what librdkafka tells.
pub(super) struct Told(pub(super) LogContext);

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    /// The lag of a topic: messages that its partitions with this reader hold beyond the committed offsets.
    fn stats(&self, statistics: Statistics) {
        for (topic, told) in statistics.topics {
            // -1 stands for a partition that this reader does not have, or not yet.
            let lag: i64 = told.partitions.values().map(|partition| partition.consumer_lag.max(0)).sum();
            // A gauge is a float: exact up to 2^53 messages.
            metrics::gauge!("consumer_lag", "topic" => topic).set(lag as f64);
        }
    }
}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let (change, partitions) = match rebalance {
            Rebalance::Assign(partitions) => ("assigned", partitions),
            Rebalance::Revoke(partitions) => ("revoked", partitions),
            Rebalance::Error(error) => return warn!(%error, "a rebalance failed"),
        };
        info!(change, partitions = partitions.count(), "partitions");
    }
}
