//! Topics by Kafka's own admin protocol.

use std::{collections::HashMap, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};
use tokio::{net::TcpStream, runtime::Handle, time::timeout};

use super::{
    Fate, TopicReport, Unreachable,
    plan::{Difference, LiveTopic, Step, plan},
};
use crate::build::WantedTopic;

/// For opening a connection to one bootstrap server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For one request to a cluster that accepts connections.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A replication factor that leaves the choice to the brokers (KIP-464).
const BROKER_DEFAULT: i32 = -1;

type Admin = AdminClient<DefaultClientContext>;

/// Kafka's answers about several topics: each by itself.
type Answers<T, N> = Vec<Result<T, (N, RDKafkaErrorCode)>>;

/// Why one topic isn't as wanted.
enum Problem {
    Unreachable(Unreachable),
    Refused(String),
}

/// Brings the topics to what is wanted, each by itself, and reports each of them.
///
/// # Errors
/// When no bootstrap server can be reached or Kafka gives no answer. Topics before the one in question have been
/// changed; calling again goes on from there.
pub(crate) async fn ensure(bootstrap_servers: &str, wanted: Vec<WantedTopic>) -> Result<Vec<TopicReport>, Unreachable> {
    probe(bootstrap_servers).await?;
    let servers = bootstrap_servers.to_owned();
    let runtime = Handle::current();
    // Describing blocks its thread, and so does dropping the client.
    tokio::task::spawn_blocking(move || {
        let session = Session { admin: connect(&servers)?, runtime, servers };
        wanted.iter().map(|topic| session.ensure(topic)).collect()
    })
    .await
    .map_err(|error| Unreachable(format!("the check of the topics was broken off: {error}")))?
}

/// Opens and closes a connection to one of the servers: librdkafka itself never says why it can't.
async fn probe(bootstrap_servers: &str) -> Result<(), Unreachable> {
    let mut reason = "no bootstrap server is named".to_owned();
    for server in bootstrap_servers.split(',').map(str::trim).filter(|server| !server.is_empty()) {
        reason = match timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => plain(&error),
            Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        };
    }
    Err(Unreachable(format!("Kafka at {bootstrap_servers} can't be reached: {reason}; retrying")))
}

/// The error without the number of the operating system.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn connect(servers: &str) -> Result<Admin, Unreachable> {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("client.id", "foodplatform-operator")
        // Asking for a topic must not make it, with the broker's defaults.
        .set("allow.auto.create.topics", "false")
        .set("socket.connection.setup.timeout.ms", CONNECT_TIMEOUT.as_millis().to_string())
        .create()
        .map_err(|error| Unreachable(format!("Kafka at {servers} can't be used: {error}")))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Partitions { wanted, live } => {
            format!("keeps its {live} partitions, though {wanted} are asked for: Kafka can't take partitions away")
        }
        Difference::ReplicationFactor { wanted, live } => format!(
            "keeps its replication factor {live}, though {wanted} is asked for: move the replicas with Kafka's own tools"
        ),
    }
}

/// A connection to one cluster. Its methods block.
struct Session {
    admin: Admin,
    runtime: Handle,
    servers: String,
}

impl Session {
    fn ensure(&self, wanted: &WantedTopic) -> Result<TopicReport, Unreachable> {
        let mut partitions = None;
        let fate = match self.try_ensure(wanted, &mut partitions) {
            Ok(fate) => fate,
            Err(Problem::Refused(sentence)) => Fate::Refused(sentence),
            Err(Problem::Unreachable(unreachable)) => return Err(unreachable),
        };
        Ok(TopicReport { name: wanted.name.clone(), partitions, fate })
    }

    fn try_ensure(&self, wanted: &WantedTopic, partitions: &mut Option<i32>) -> Result<Fate, Problem> {
        let live = self.describe(&wanted.name)?;
        *partitions = live.as_ref().map(|live| live.partitions);
        let plan = plan(wanted, live.as_ref());
        for step in &plan.steps {
            self.carry_out(wanted, step)?;
            match step {
                Step::Create => *partitions = Some(wanted.partitions),
                Step::Grow { partitions: grown } => *partitions = Some(*grown),
                Step::Configure { .. } => {}
            }
        }
        if plan.differences.is_empty() {
            return Ok(Fate::AsWanted);
        }
        let sentences: Vec<_> = plan.differences.iter().map(sentence).collect();
        Ok(Fate::Differs(format!("{} {}", wanted.name, sentences.join(" and "))))
    }

    /// The topic as it is; `None` when Kafka has none of that name.
    fn describe(&self, name: &str) -> Result<Option<LiveTopic>, Problem> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(Some(name), REQUEST_TIMEOUT)
            .map_err(|error| self.failed(&format!("describing topic {name}"), &error))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        match topic.error() {
            None => {}
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Ok(None),
            Some(error) => return Err(self.refused(&format!("describing topic {name}"), error.into())),
        }
        let specifier = [ResourceSpecifier::Topic(name)];
        let described = self
            .runtime
            .block_on(self.admin.describe_configs(&specifier, &options()))
            .map_err(|error| self.failed(&format!("reading the settings of topic {name}"), &error))?;
        let mut live = LiveTopic {
            partitions: count(topic.partitions().len()),
            replication_factor: topic.partitions().first().map_or(0, |partition| count(partition.replicas().len())),
            ..LiveTopic::default()
        };
        for entry in described.into_iter().flatten().flat_map(|resource| resource.entries) {
            let Some(value) = entry.value else { continue };
            if entry.source == ConfigSource::DynamicTopic {
                live.overrides.insert(entry.name.clone(), value.clone());
            }
            live.effective.insert(entry.name, value);
        }
        if live.effective.is_empty() {
            // The client library drops Kafka's own error here. Going on would reset everybody's settings.
            return Err(Problem::Refused(format!(
                "Kafka at {} doesn't show the settings of topic {name}: allow DescribeConfigs on it",
                self.servers
            )));
        }
        Ok(Some(live))
    }

    fn carry_out(&self, wanted: &WantedTopic, step: &Step) -> Result<(), Problem> {
        let name = wanted.name.as_str();
        match step {
            Step::Create => {
                let factor = wanted.replication_factor.unwrap_or(BROKER_DEFAULT);
                let mut topic = NewTopic::new(name, wanted.partitions, TopicReplication::Fixed(factor));
                for (key, value) in &wanted.config {
                    topic = topic.set(key, value);
                }
                let result = self.runtime.block_on(self.admin.create_topics([&topic], &options()));
                let replication = wanted.replication_factor.map_or_else(
                    || "the brokers' default replication factor".to_owned(),
                    |factor| format!("replication factor {factor}"),
                );
                self.settle(
                    &format!("creating topic {name} with {} partitions and {replication}", wanted.partitions),
                    result,
                )
            }
            Step::Grow { partitions } => {
                let growth = NewPartitions::new(name, usize::try_from(*partitions).unwrap_or_default());
                let result = self.runtime.block_on(self.admin.create_partitions([&growth], &options()));
                self.settle(&format!("growing topic {name} to {partitions} partitions"), result)
            }
            Step::Configure { config } => {
                let entries: HashMap<&str, &str> = config.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                let change = AlterConfig { specifier: ResourceSpecifier::Topic(name), entries };
                let result = self.runtime.block_on(self.admin.alter_configs([&change], &options()));
                self.settle(&format!("changing the settings of topic {name}"), result)
            }
        }
    }

    /// The one result of a request about one topic.
    fn settle<T, N>(&self, doing: &str, result: KafkaResult<Answers<T, N>>) -> Result<(), Problem> {
        let results = result.map_err(|error| self.failed(doing, &error))?;
        results.into_iter().try_for_each(|result| match result {
            // Somebody else was faster; the next check describes what they made.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
            Err((_, code)) => Err(self.refused(doing, code)),
        })
    }

    /// Tells "no answer" from "no".
    fn failed(&self, doing: &str, error: &KafkaError) -> Problem {
        let servers = &self.servers;
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve,
            ) => Problem::Unreachable(Unreachable(format!(
                "Kafka at {servers} accepts connections but doesn't answer: check that its advertised listeners can be \
                 reached from here, and that this listener is a plaintext one; retrying"
            ))),
            Some(code) => self.refused(doing, code),
            None => Problem::Unreachable(Unreachable(format!("Kafka at {servers} can't be used, {doing}: {error}"))),
        }
    }

    fn refused(&self, doing: &str, code: RDKafkaErrorCode) -> Problem {
        Problem::Refused(format!("Kafka at {} refuses {doing}: {code}", self.servers))
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
