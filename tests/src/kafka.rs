//! Kafka, as its own admin and a plain reader see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use contract::{CloudEvent, Topic};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    metadata::Metadata,
    producer::{FutureProducer, FutureRecord},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A group that is never joined: partitions are assigned by hand and nothing is committed.
const READER: &str = "tests-reader";

/// The topic in which Kafka keeps the groups' offsets. The leaders of its partitions are the groups' coordinators.
pub const OFFSETS: &str = "__consumer_offsets";

/// A Kafka cluster.
#[derive(Clone)]
pub struct Kafka {
    bootstrap: String,
}

/// A message, as it lies in its partition.
#[derive(Debug, Clone)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// Where it lies in the partition.
    pub offset: i64,
    /// The key as text.
    pub key: String,
    /// The headers as text.
    pub headers: BTreeMap<String, String>,
    /// The value.
    pub payload: Vec<u8>,
}

impl Record {
    /// The event that it carries.
    ///
    /// # Panics
    /// When it carries none, or one of an unknown type.
    pub fn event(&self) -> CloudEvent {
        let header = |name: &str| self.headers.get(name).map(String::as_bytes);
        let event = CloudEvent::from_message(header, &self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        event.unwrap_or_else(|| panic!("a type that the contract does not know: {self:?}"))
    }
}

/// Where partitions begin and end: by topic and partition, the first offset and the one that the next message gets.
pub type Watermarks = BTreeMap<(String, i32), (i64, i64)>;

/// What Kafka's admin says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The number of partitions.
    pub partitions: usize,
    /// The smallest number of replicas of a partition.
    pub replicas: usize,
    /// Every setting by its name.
    pub config: BTreeMap<String, String>,
}

impl Kafka {
    /// The cluster behind `bootstrap`.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into() }
    }

    /// The bootstrap servers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
    }

    /// Creates a platform's topics and their dead-letter topics, all with that many partitions: on `broker`, or where
    /// Kafka chooses.
    pub async fn create_topics(&self, prefix: &str, partitions: i32, broker: Option<i32>) {
        let names = topic_names(prefix);
        let placed: Vec<_> = (0..partitions).map(|_| broker.as_slice()).collect();
        let replication = || match broker {
            Some(_) => TopicReplication::Variable(&placed),
            None => TopicReplication::Fixed(1),
        };
        let new: Vec<_> = names.iter().map(|name| NewTopic::new(name, partitions, replication())).collect();
        let results = self.admin().create_topics(&new, &Self::options()).await.expect("Kafka answers");
        for result in results {
            result.unwrap_or_else(|(topic, error)| panic!("creating topic {topic}: {error}"));
        }
    }

    /// Gives each of a platform's topics more partitions, so that it has that many.
    pub async fn grow_topics(&self, prefix: &str, partitions: usize) {
        let names = Topic::ALL.iter().map(|topic| topic.name(prefix)).collect::<Vec<_>>();
        let new: Vec<_> = names.iter().map(|name| NewPartitions::new(name, partitions)).collect();
        let results = self.admin().create_partitions(&new, &Self::options()).await.expect("Kafka answers");
        for result in results {
            result.unwrap_or_else(|(topic, error)| panic!("growing topic {topic}: {error}"));
        }
    }

    /// Deletes a platform's topics and the consumer groups named. What is not there, or still in use, is left.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn delete(&self, prefix: &str, groups: &[String]) -> Result<(), String> {
        let names = topic_names(prefix);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let admin = self.admin();
        admin.delete_topics(&names, &Self::options()).await.map_err(|error| error.to_string())?;
        admin.delete_groups(&groups, &Self::options()).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The topic as Kafka's admin describes it; `None` if there is no such topic.
    pub async fn describe(&self, topic: &str) -> Option<Description> {
        let admin = self.admin();
        // All topics are asked for, since asking for one may create it.
        let metadata = tokio::task::block_in_place(|| admin.inner().fetch_metadata(None, TIMEOUT)).expect("metadata");
        let found = metadata.topics().iter().find(|candidate| candidate.name() == topic)?;
        let mut results =
            admin.describe_configs([&ResourceSpecifier::Topic(topic)], &Self::options()).await.expect("Kafka answers");
        let resource = results.pop().expect("one answer for one question").ok()?;
        let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        Some(Description {
            partitions: found.partitions().len(),
            replicas: found.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
            config: entries.collect(),
        })
    }

    fn metadata(&self) -> Result<Metadata, String> {
        let metadata = tokio::task::block_in_place(|| self.admin().inner().fetch_metadata(None, TIMEOUT));
        metadata.map_err(|error| format!("asking for the brokers and topics: {error}"))
    }

    /// The brokers that are in the cluster now.
    ///
    /// # Errors
    /// What Kafka says, or that it does not answer.
    pub fn brokers(&self) -> Result<BTreeSet<i32>, String> {
        Ok(self.metadata()?.brokers().iter().map(|broker| broker.id()).collect())
    }

    /// The brokers that lead partitions of `topics` now; -1 stands for a partition without a leader.
    ///
    /// # Errors
    /// What Kafka says, or that it does not answer.
    pub fn leaders(&self, topics: &[String]) -> Result<BTreeSet<i32>, String> {
        let metadata = self.metadata()?;
        let found = metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == topic.name()));
        Ok(found.flat_map(|topic| topic.partitions()).map(|partition| partition.leader()).collect())
    }

    /// Makes Kafka create [`OFFSETS`] on the brokers that there are, which it otherwise does for the first group.
    ///
    /// # Errors
    /// What Kafka says, or that it does not answer.
    pub fn create_offsets(&self) -> Result<(), String> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition("none", 0);
        // A group's coordinator is the leader of its partition: asking makes both.
        let asked = tokio::task::block_in_place(|| self.consumer(READER)?.committed_offsets(partitions, TIMEOUT));
        asked.map(drop).map_err(|error| format!("asking for a group's offsets: {error}"))
    }

    /// How many members a consumer group has.
    pub fn group_members(&self, group: &str) -> usize {
        tokio::task::block_in_place(|| {
            let groups = self.admin().inner().fetch_group_list(Some(group), TIMEOUT).expect("a list of groups");
            groups.groups().iter().map(|group| group.members().len()).sum()
        })
    }

    /// Where the partitions of `topics` begin and end now.
    ///
    /// # Errors
    /// What Kafka says, or that it does not answer.
    pub fn watermarks(&self, topics: &[String]) -> Result<Watermarks, String> {
        let consumer = self.consumer(READER).map_err(|error| error.to_string())?;
        let mut marks = Watermarks::new();
        for topic in topics {
            let failed = |error: KafkaError| format!("asking for the ends of {topic}: {error}");
            let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).map_err(failed)?;
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                let marks_of = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT).map_err(failed)?;
                marks.insert((topic.clone(), partition.id()), marks_of);
            }
        }
        Ok(marks)
    }

    /// How many messages of `topics` a group has not read and committed, of those up to `ends`.
    ///
    /// # Errors
    /// What Kafka says, or that it does not answer.
    pub fn lag(&self, group: &str, topics: &[String], ends: &Watermarks) -> Result<i64, String> {
        let failed = |error: KafkaError| format!("asking for the offsets of {group}: {error}");
        let mut partitions = TopicPartitionList::new();
        for (topic, partition) in ends.keys().filter(|(topic, _)| topics.contains(topic)) {
            partitions.add_partition(topic, *partition);
        }
        // Asking for a group's offsets does not join it.
        let committed = self.consumer(group).and_then(|consumer| consumer.committed_offsets(partitions, TIMEOUT));
        let committed = committed.map_err(failed)?;
        let left = committed.elements().into_iter().map(|element| {
            let (low, high) = ends[&(element.topic().to_owned(), element.partition())];
            match element.offset() {
                Offset::Offset(offset) => high - offset.max(low),
                // Nothing is committed yet: groups begin at the earliest message.
                _ => high - low,
            }
        });
        Ok(left.map(|left| left.max(0)).sum())
    }

    fn consumer(&self, group: &str) -> Result<BaseConsumer, KafkaError> {
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false").set("enable.partition.eof", "false");
        config.create()
    }

    /// Every message that lies in `topic` now, in the order of each partition.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        tokio::task::block_in_place(|| self.read(topic))
    }

    fn read(&self, topic: &str) -> Vec<Record> {
        let consumer = self.consumer(READER).expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("metadata");
        let mut assignment = TopicPartitionList::new();
        let mut left: i64 = 0;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT).expect("watermarks");
            assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a new partition");
            left += high - low;
        }
        consumer.assign(&assignment).expect("an assignment");
        let (mut records, start) = (Vec::new(), Instant::now());
        while left > 0 {
            assert!(start.elapsed() < TIMEOUT, "{left} messages of {topic} could not be read within {TIMEOUT:?}");
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap_or_else(|error| panic!("reading {topic}: {error}"));
            left -= 1;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(text).unwrap_or_default(),
                headers: headers
                    .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                    .collect(),
                payload: message.payload().unwrap_or_default().to_vec(),
            });
        }
        records
    }

    /// Writes a message as a stranger could: any bytes, any headers, keyed by `key`.
    pub async fn write(&self, topic: &str, key: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let record = Record { partition: 0, offset: 0, key: key.to_owned(), headers, payload: payload.to_owned() };
        self.write_all(topic, &[record]).await;
    }

    /// Writes messages with the keys, headers and values of `records`, in their order. Kafka places them anew.
    pub async fn write_all(&self, topic: &str, records: &[Record]) {
        let producer: FutureProducer = self.config().create().expect("a producer");
        let mut sent = vec![];
        for record in records {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            let record = FutureRecord::to(topic).key(&record.key).payload(&record.payload).headers(headers);
            let queued = producer.send_result(record);
            sent.push(queued.unwrap_or_else(|(error, _)| panic!("writing to {topic}: {error}")));
        }
        for delivery in sent {
            let delivered = delivery.await.expect("the producer lives");
            delivered.unwrap_or_else(|(error, _)| panic!("writing to {topic}: {error}"));
        }
    }
}

/// The names of a platform's topics with those for dead letters.
pub fn topic_names(prefix: &str) -> Vec<String> {
    Topic::ALL.iter().flat_map(|topic| [topic.name(prefix), topic.dead_letter_name(prefix)]).collect()
}
