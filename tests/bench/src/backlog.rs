//! How much of what was taken is not yet done: rows of the outboxes, and messages that readers have not committed.

use std::{
    thread,
    time::{Duration, Instant},
};

use ::tests::{invariants::Quiet, process::Service};
use anyhow::{Context, Result, anyhow, bail};
use contract::Topic;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use tokio::sync::watch;

/// Between two looks. Each costs the servers a little.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks when the load is over: how exactly it is known when nothing is left.
const SHORT_INTERVAL: Duration = Duration::from_millis(200);

const TIMEOUT: Duration = Duration::from_secs(20);

/// One look.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// When, from the start of the load.
    pub(crate) at: Duration,
    /// Rows of each outbox.
    pub(crate) outboxes: Vec<(Service, i64)>,
    /// Messages that each reader has not committed.
    pub(crate) lags: Vec<(Service, i64)>,
}

impl Look {
    pub(crate) fn total(&self) -> i64 {
        self.rows() + self.lags.iter().map(|(_, lag)| lag).sum::<i64>()
    }

    /// Rows of all outboxes.
    pub(crate) fn rows(&self) -> i64 {
        self.outboxes.iter().map(|(_, rows)| rows).sum()
    }

    /// What that reader has not committed.
    pub(crate) fn lag(&self, reader: Service) -> i64 {
        self.lags.iter().find(|(service, _)| *service == reader).map_or(0, |(_, lag)| *lag)
    }
}

/// The backlog from the start of a load until nothing was left.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) looks: Vec<Look>,
    /// How long it took from the load's end until nothing was left.
    pub(crate) drained: Duration,
}

impl History {
    pub(crate) fn largest(&self) -> i64 {
        self.looks.iter().map(Look::total).max().unwrap_or_default()
    }

    /// What was left when a load that took so long ended.
    pub(crate) fn at_end(&self, took: Duration) -> i64 {
        self.looks.iter().find(|look| look.at >= took).map_or(0, Look::total)
    }
}

/// Runs `load` and looks at the backlog of `platform` until nothing is left of it.
///
/// # Errors
/// When something is left `limit` after the load's end, or when nobody can look.
pub(crate) async fn watch<T>(platform: Quiet, limit: Duration, load: impl Future<Output = T>) -> Result<(T, History)> {
    let (over, is_over) = watch::channel(None);
    let watcher = tokio::spawn(follow(platform, limit, is_over));
    let tally = load.await;
    over.send_replace(Some(Instant::now()));
    Ok((tally, watcher.await??))
}

/// Waits until nothing is left of a load that has ended just now.
///
/// # Errors
/// Those of [`watch`].
pub(crate) async fn drain(platform: Quiet, limit: Duration) -> Result<History> {
    Ok(watch(platform, limit, async {}).await?.1)
}

async fn follow(platform: Quiet, limit: Duration, mut over: watch::Receiver<Option<Instant>>) -> Result<History> {
    let (mut history, mut empty) = (History::default(), 0);
    let looker = Looker::new(platform)?;
    loop {
        // Before the look: only one that began after the end tells what is left then.
        let end = *over.borrow();
        let look = looker.look().await?;
        let left = look.total();
        history.looks.push(look);
        let Some(end) = end else {
            // Woken early by the end.
            let _ = tokio::time::timeout(INTERVAL, over.changed()).await;
            continue;
        };
        if left > 0 {
            empty = 0;
        } else {
            empty += 1;
        }
        match empty {
            0 | 1 => history.drained = end.elapsed(),
            // What is under way goes from outbox to topic to reader: one look may meet it at none, two may not.
            _ => return Ok(history),
        }
        if end.elapsed() > limit {
            bail!("{left} rows and messages are left {limit:?} after the load's end");
        }
        tokio::time::sleep(SHORT_INTERVAL).await;
    }
}

/// The services that have an outbox.
pub(crate) const PUBLISHERS: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];

/// Who looks.
pub(crate) struct Looker {
    platform: Quiet,
    lags: Lags,
    start: Instant,
}

impl Looker {
    /// Its clock starts now.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(crate) fn new(platform: Quiet) -> Result<Self> {
        let start = Instant::now();
        let lags = tokio::task::block_in_place(|| Lags::of(&platform)?.once_led())?;
        Ok(Self { platform, lags, start })
    }

    /// Looks once.
    ///
    /// # Errors
    /// When Kafka or PostgreSQL does not answer.
    pub(crate) async fn look(&self) -> Result<Look> {
        let (at, mut outboxes) = (self.start.elapsed(), vec![]);
        for service in PUBLISHERS {
            outboxes.push((service, self.outbox(service, |table| format!("SELECT count(*) FROM {table}")).await?));
        }
        Ok(Look { at, outboxes, lags: tokio::task::block_in_place(|| self.lags.each())? })
    }

    /// The number that a query about a service's outbox gives; it is told the table's name.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub(crate) async fn outbox(&self, service: Service, query: impl FnOnce(&str) -> String) -> Result<i64> {
        let schema = self.platform.schemas.get(&service).ok_or_else(|| anyhow!("{service} has no schema"))?;
        self.number(&query(&format!("{schema}.outbox"))).await
    }

    /// The number that a query gives.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        self.platform.database.number(query).await.map_err(|error| anyhow!(error))
    }
}

/// Who asks Kafka. Its clients are kept: making them anew for each look would cost more than the looks.
struct Lags {
    asker: BaseConsumer,
    partitions: TopicPartitionList,
    readers: Vec<(Service, BaseConsumer, TopicPartitionList)>,
}

impl Lags {
    fn of(platform: &Quiet) -> Result<Self> {
        let asker = consumer(platform, "bench-backlog")?;
        let list = |topics: &[Topic]| -> Result<_> {
            let mut list = TopicPartitionList::new();
            for topic in topics {
                let name = topic.name(&platform.prefix);
                let metadata = asker.fetch_metadata(Some(&name), TIMEOUT)?;
                for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                    list.add_partition_offset(&name, partition.id(), Offset::End)?;
                }
            }
            Ok(list)
        };
        let readers = ::tests::invariants::reads().into_iter().map(|(service, topics)| {
            let group = platform.groups.get(&service).ok_or_else(|| anyhow!("{service} has no consumer group"))?;
            // Asking for a group's offsets does not join it.
            Ok((service, consumer(platform, group)?, list(topics)?))
        });
        let readers = readers.collect::<Result<_>>()?;
        Ok(Self { partitions: list(Topic::ALL)?, asker, readers })
    }

    /// Itself, once Kafka answers about all partitions: those that were made just now have no leader for a moment.
    fn once_led(self) -> Result<Self> {
        let start = Instant::now();
        while let Err(error) = self.each() {
            if start.elapsed() > TIMEOUT {
                return Err(error);
            }
            thread::sleep(SHORT_INTERVAL);
        }
        Ok(self)
    }

    /// How many messages each reader has not committed.
    fn each(&self) -> Result<Vec<(Service, i64)>> {
        let ends = self.asker.offsets_for_times(self.partitions.clone(), TIMEOUT)?.to_topic_map();
        let lags = self.readers.iter().map(|(service, reader, partitions)| {
            let mut sum = 0;
            for (partition, committed) in reader.committed_offsets(partitions.clone(), TIMEOUT)?.to_topic_map() {
                let end = ends.get(&partition).and_then(|end| end.to_raw());
                let end = end.with_context(|| format!("Kafka did not say where {partition:?} ends"))?;
                // Without an offset nothing is committed yet: topics are new, so all of them begin at 0.
                sum += end - if let Offset::Offset(offset) = committed { offset } else { 0 };
            }
            // A message may have come, and been committed, since the ends were asked for.
            Ok((*service, sum.max(0)))
        });
        lags.collect()
    }
}

fn consumer(platform: &Quiet, group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", platform.kafka.bootstrap()).set("group.id", group);
    Ok(config.set("enable.auto.commit", "false").create()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_first_look_after_it() {
        let look = |at, rows, lag| {
            let lags = vec![(Service::Cook, lag), (Service::Mypage, 0)];
            Look { at: Duration::from_secs(at), outboxes: vec![(Service::Order, rows), (Service::Delivery, 0)], lags }
        };
        let looks = vec![look(0, 0, 0), look(5, 7, 8), look(11, 3, 1), look(12, 0, 0)];
        let history = History { looks, drained: Duration::from_secs(2) };
        assert_eq!((history.largest(), history.at_end(Duration::from_secs(10))), (15, 4));
    }
}
