//! Topics by Kafka's own admin protocol.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

use rdkafka::admin::{
    AdminOptions, NewPartitions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use tokio_util::sync::CancellationToken;

use super::{
    Fate, TopicReport, Unreachable,
    answers::{Problem, Went},
    connection::Connection,
    keeper::Request,
    native::{self, Described},
    plan::{Knowledge, LiveTopic, Plan, Step, plan},
    session::{Session, Turn, on_session},
    untried::Untried,
    words,
};
use crate::{
    api::TopicManagement,
    build::{Records, WantedTopic},
    fence::Fenced,
};

/// For one request to a cluster that accepts connections.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at a topic that was just changed.
const SHOWN_INTERVAL: Duration = Duration::from_millis(50);
/// A replication factor that leaves the choice to the brokers (KIP-464).
const BROKER_DEFAULT: i32 = -1;

/// What has become of topics that were to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deleted {
    /// How many of the platform's own are no more.
    pub count: usize,
    /// Those that are there and may be the platform's own: they were announced, and what became of that nobody knows.
    pub unsure: Vec<String>,
}

/// Brings the topics to what is wanted, or looks at them only, each by itself, and reports each of them. Takes down in
/// `untried` which it tries to make.
///
/// # Errors
/// When no bootstrap server can be reached or Kafka gives no answer. Topics before the one in question have been
/// changed; calling again goes on from there.
pub(super) async fn ensure(turn: &Turn, request: Request, untried: Untried) -> Result<Vec<TopicReport>, Unreachable> {
    on_session(turn, &request.connection.clone(), move |session| session.ensure(&request, &untried)).await
}

/// The topics as they are, in the sequence of their names; `None` for one that isn't there, a sentence for one that Kafka
/// doesn't show.
///
/// # Errors
/// When no bootstrap server can be reached or Kafka gives no answer.
pub(super) async fn look(
    turn: &Turn,
    connection: &Connection,
    names: Vec<String>,
) -> Result<Vec<Result<Option<LiveTopic>, String>>, Unreachable> {
    on_session(turn, connection, move |session| session.describe(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
}

/// Deletes those topics whose ids are in `records`, unless `stop` comes before. Others of these names are left.
///
/// # Errors
/// When Kafka gives no answer, or says no. Calling again goes on from there.
pub(super) async fn delete(
    turn: &Turn,
    connection: &Connection,
    records: Records,
    stop: CancellationToken,
) -> Result<Deleted, Unreachable> {
    on_session(turn, connection, move |session| session.delete(&records, &stop)).await
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

impl Session {
    /// Brings all topics to what is wanted, or looks at them only.
    fn ensure(&self, request: &Request, untried: &Untried) -> Result<Vec<TopicReport>, Unreachable> {
        let names: Vec<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
        let live = self.describe(&names)?;
        let known = |wanted: &WantedTopic| Knowledge {
            record: request.records.get(&wanted.name),
            is_untried: untried.contains(&wanted.name),
            adopt: request.adopt,
        };
        let topics = request.topics.iter().zip(live);
        topics.map(|(wanted, live)| self.bring(request.management, wanted, known(wanted), live, untried)).collect()
    }

    /// Brings one topic to what is wanted.
    fn bring(
        &self,
        management: TopicManagement,
        wanted: &WantedTopic,
        known: Knowledge<'_>,
        live: Result<Option<LiveTopic>, String>,
        untried: &Untried,
    ) -> Result<TopicReport, Unreachable> {
        let mut report = TopicReport::new(wanted);
        let live = match live {
            Ok(live) => live,
            Err(sentence) => return Ok(TopicReport { fate: Fate::Refused(sentence), ..report }),
        };
        report.show(live.as_ref());
        report.fate = if management == TopicManagement::External {
            words::look(wanted, live.as_ref())
        } else {
            match self.try_to_bring(wanted, known, live.as_ref(), untried, &mut report) {
                Ok(fate) => fate,
                Err(Problem::Refused(sentence)) => Fate::Refused(sentence),
                Err(Problem::Unreachable(unreachable)) => return Err(unreachable),
            }
        };
        Ok(report)
    }

    fn try_to_bring(
        &self,
        wanted: &WantedTopic,
        known: Knowledge<'_>,
        live: Option<&LiveTopic>,
        untried: &Untried,
        report: &mut TopicReport,
    ) -> Result<Fate, Problem> {
        let name = &wanted.name;
        let (steps, differences) = match plan(wanted, known, live) {
            Plan::Announce { settings } => {
                report.made = settings;
                return Ok(Fate::Announced);
            }
            Plan::Foreign { replaces_ours } => return Ok(words::foreign(name, replaces_ours)),
            Plan::Bring { steps, differences } => (steps, differences),
        };
        for step in &steps {
            let went = self.carry_out(wanted, step, untried)?;
            if *step == Step::Create && went == Went::Overtaken && !known.may_be_made() {
                return Ok(words::foreign(name, known.had_one()));
            }
            match step {
                Step::Create => report.made = wanted.config.keys().cloned().collect(),
                Step::Configure { reset, .. } => report.reset.clone_from(reset),
                Step::Grow { .. } => {}
            }
        }
        if !steps.is_empty() {
            report.show(Some(&self.await_shown(wanted)?));
        }
        Ok(words::fate(name, &differences))
    }

    /// The topic once a broker shows what the controller has made of it: the news takes a moment to get around.
    fn await_shown(&self, wanted: &WantedTopic) -> Result<LiveTopic, Problem> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let live = self.describe(&[&wanted.name]).map_err(Problem::Unreachable)?.pop();
            match live {
                Some(Ok(Some(live))) if live.partitions >= wanted.partitions => return Ok(live),
                _ if Instant::now() < deadline => thread::sleep(SHOWN_INTERVAL),
                Some(Err(sentence)) => return Err(Problem::Refused(sentence)),
                _ => {
                    return Err(Problem::Refused(format!(
                        "topic {} has been changed, but Kafka at {} doesn't show it with {} partitions yet; retrying",
                        wanted.name,
                        self.servers(),
                        wanted.partitions
                    )));
                }
            }
        }
    }

    /// The topics as they are, in the sequence of their names; `None` for one that isn't there, a sentence for one that
    /// Kafka doesn't show.
    fn describe(&self, names: &[&str]) -> Result<Vec<Result<Option<LiveTopic>, String>>, Unreachable> {
        let told = |problem: Problem| match problem {
            Problem::Unreachable(unreachable) => Err(unreachable),
            Problem::Refused(sentence) => Ok(sentence),
        };
        let described = match native::describe(self.client.admin.inner(), names, REQUEST_TIMEOUT) {
            Ok(described) => described,
            Err(code) => {
                let sentence = told(self.failed("describing topics", code))?;
                return Ok(names.iter().map(|_| Err(sentence.clone())).collect());
            }
        };
        let there: Vec<_> =
            names.iter().zip(&described).filter(|(_, topic)| topic.is_some()).map(|(name, _)| *name).collect();
        let settings = match self.settings(&there) {
            Ok(settings) => settings,
            Err(problem) => {
                let sentence = told(problem)?;
                return Ok(names.iter().map(|_| Err(sentence.clone())).collect());
            }
        };
        Ok(names.iter().zip(described).map(|(name, topic)| self.live(name, topic, &settings)).collect())
    }

    fn live(
        &self,
        name: &str,
        topic: Option<Described>,
        settings: &HashMap<String, BTreeMap<String, String>>,
    ) -> Result<Option<LiveTopic>, String> {
        let Some(topic) = topic else { return Ok(None) };
        // The client library drops Kafka's own error here.
        let settings = settings.get(name).filter(|settings| !settings.is_empty()).ok_or_else(|| {
            format!(
                "Kafka at {} doesn't show the settings of topic {name}: allow DescribeConfigs on it",
                self.servers()
            )
        })?;
        Ok(Some(LiveTopic {
            id: topic.id,
            partitions: count(topic.partitions),
            replication_factor: count(topic.replication_factor),
            under_replicated: count(topic.under_replicated),
            settings: settings.clone(),
        }))
    }

    /// Every setting in effect, by topic.
    fn settings(&self, topics: &[&str]) -> Result<HashMap<String, BTreeMap<String, String>>, Problem> {
        if topics.is_empty() {
            return Ok(HashMap::new());
        }
        let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let described = self
            .runtime
            .block_on(self.client.admin.describe_configs(&resources, &options()))
            .map_err(|error| self.no_answer("reading the settings of topics", &error))?;
        let settings = described.into_iter().flatten().filter_map(|resource| {
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { return None };
            Some((name, resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()))
        });
        Ok(settings.collect())
    }

    /// Deletes those topics whose ids are in `records`, unless `stop` comes before.
    fn delete(&self, records: &Records, stop: &CancellationToken) -> Result<Deleted, Unreachable> {
        let unreachable = |problem| match problem {
            Problem::Unreachable(unreachable) => unreachable,
            Problem::Refused(sentence) => Unreachable(sentence),
        };
        let names: Vec<&str> = records.keys().map(String::as_str).collect();
        let described = native::describe(self.client.admin.inner(), &names, REQUEST_TIMEOUT)
            .map_err(|code| unreachable(self.failed("describing topics", code)))?;
        let ids: Vec<_> = described.iter().map(|live| live.as_ref().map(|live| live.id.as_str())).collect();
        let (own, deleted) = deletion(records, &ids);
        if !own.is_empty() {
            self.is_allowed()?;
            if stop.is_cancelled() {
                return Err(Unreachable("the deletion of the topics was given up".to_owned()));
            }
            let results = self.runtime.block_on(self.client.admin.delete_topics(&own, &options()));
            self.settle(&format!("deleting topics {}", own.join(", ")), results).map_err(unreachable)?;
        }
        Ok(deleted)
    }

    /// Whether this operator may change anything: it may have stood still since it looked.
    fn is_allowed(&self) -> Result<(), Unreachable> {
        if self.fence.is_open(Instant::now()) { Ok(()) } else { Err(Unreachable(Fenced.to_string())) }
    }

    fn carry_out(&self, wanted: &WantedTopic, step: &Step, untried: &Untried) -> Result<Went, Problem> {
        self.is_allowed().map_err(Problem::Unreachable)?;
        let name = wanted.name.as_str();
        match step {
            Step::Create => {
                let factor = wanted.replication_factor.unwrap_or(BROKER_DEFAULT);
                let mut topic = NewTopic::new(name, wanted.partitions, TopicReplication::Fixed(factor));
                for (key, value) in &wanted.config {
                    topic = topic.set(key, value);
                }
                let result = untried
                    .attempt(name, || self.runtime.block_on(self.client.admin.create_topics([&topic], &options())));
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
                let result = self.runtime.block_on(self.client.admin.create_partitions([&growth], &options()));
                self.settle(&format!("growing topic {name} to {partitions} partitions"), result)
            }
            Step::Configure { settings, reset } => {
                let settings = settings.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
                let settings = settings.chain(reset.iter().map(|key| (key.as_str(), None)));
                let done = native::configure(self.client.admin.inner(), name, settings, REQUEST_TIMEOUT);
                done.map(|()| Went::Well).map_err(|(code, words)| {
                    let doing = format!("changing the settings of topic {name}");
                    match (self.failed(&doing, code), words) {
                        (Problem::Refused(sentence), Some(words)) => Problem::Refused(format!("{sentence}: {words}")),
                        (problem, _) => problem,
                    }
                })
            }
        }
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Which topics of `records` are to be deleted, and what will have become of all of them then. `live` are the ids of those
/// that are there, in the same order.
fn deletion<'a>(records: &'a Records, live: &[Option<&str>]) -> (Vec<&'a str>, Deleted) {
    let (mut own, mut deleted) = (Vec::new(), Deleted::default());
    for ((name, record), live) in records.iter().zip(live) {
        match (record.id.as_deref(), *live) {
            (Some(id), Some(live)) if id == live => {
                own.push(name.as_str());
                deleted.count += 1;
            }
            // By an earlier attempt, or with its KafkaTopic.
            (Some(_), None) => deleted.count += 1,
            (None, Some(_)) => deleted.unsure.push(name.clone()),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    (own, deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Record;

    #[test]
    fn what_is_recorded_by_its_id_is_deleted_and_nothing_else() {
        let record = |id: Option<&str>| Record { id: id.map(str::to_owned), ..Record::default() };
        let topics = [
            ("announced and made", None, Some("a")),
            ("announced only", None, None),
            ("deleted", Some("b"), None),
            ("made anew by others", Some("c"), Some("d")),
            ("own", Some("e"), Some("e")),
        ];
        let records = topics.iter().map(|(name, id, _)| ((*name).to_owned(), record(*id))).collect();
        let (own, deleted) = deletion(&records, &topics.map(|(_, _, live)| live));
        assert_eq!(own, ["own"]);
        assert_eq!((deleted.count, deleted.unsure), (2, vec!["announced and made".to_owned()]));
    }
}
