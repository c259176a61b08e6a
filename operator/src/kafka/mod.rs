//! The platform's topics in Kafka.
//!
//! [`plan`] decides (pure), [`direct`] carries it out by Kafka's admin protocol, and [`keeper`] and [`deletions`]
//! run it beside the reconciliations, so that a Kafka that doesn't answer holds up nothing else.

mod answers;
pub(crate) mod connection;
pub(crate) mod deletions;
pub(crate) mod direct;
pub(crate) mod keeper;
mod native;
pub(crate) mod plan;
mod session;
pub(crate) mod strimzi;
mod untried;
mod words;

use std::collections::BTreeSet;

use crate::build::{Record, Records, WantedTopic};

/// A topic after it has been brought to what is wanted, as far as Kafka can and may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TopicReport {
    /// Full name.
    pub name: String,
    /// Number of partitions that it has now; `None` when it isn't there.
    pub partitions: Option<i32>,
    /// Kafka's id of it; `None` when it isn't there.
    pub id: Option<String>,
    /// Settings that are made for the platform: now, or once that is recorded.
    pub made: BTreeSet<String>,
    /// Settings that were made for the platform before, and were taken back.
    pub reset: BTreeSet<String>,
    /// How it stands.
    pub fate: Fate,
}

impl TopicReport {
    /// Of a topic of which nothing is known yet.
    fn new(wanted: &WantedTopic) -> Self {
        Self {
            name: wanted.name.clone(),
            partitions: None,
            id: None,
            made: BTreeSet::new(),
            reset: BTreeSet::new(),
            fate: Fate::AsWanted,
        }
    }

    /// Adds what it tells to what is recorded. It may have been found with less than that in mind.
    pub(crate) fn add_to(&self, records: &mut Records) {
        match (&self.fate, &self.id) {
            // It was announced, and made by somebody else.
            (Fate::Foreign(_), _) if records.get(&self.name).is_some_and(|record| record.id.is_none()) => {
                records.remove(&self.name);
                return;
            }
            (Fate::Foreign(_), _) | (Fate::AsWanted | Fate::Differs(_) | Fate::Refused(_), None) => return,
            (Fate::Announced, _) | (_, Some(_)) => {}
        }
        let record = records.entry(self.name.clone()).or_default();
        if record.id.is_some() && record.id != self.id {
            // What was recorded is of another topic.
            *record = Record::default();
        }
        record.id.clone_from(&self.id);
        record.settings.extend(self.made.iter().cloned());
        record.settings.retain(|key| !self.reset.contains(key));
    }

    /// Takes in what the topic is.
    fn show(&mut self, live: Option<&plan::LiveTopic>) {
        self.partitions = live.map(|live| live.partitions);
        self.id = live.map(|live| live.id.clone());
    }
}

/// How a topic stands after a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// As wanted.
    AsWanted,
    /// Some of what is wanted can't be had on a live topic, in a sentence. The rest is as wanted.
    Differs(String),
    /// It isn't there, or settings of it are to change, and it is made so once that is recorded.
    Announced,
    /// A topic of that name is there that isn't this platform's, in a sentence.
    Foreign(String),
    /// Kafka says no, in a sentence. It is tried again.
    Refused(String),
}

/// Kafka gives no answer, in a sentence that says where and why. It heals by itself when Kafka is back.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn report(id: Option<&str>, fate: Fate) -> TopicReport {
        let (made, reset) = (keys(&["new"]), keys(&["old"]));
        TopicReport { name: "menu".to_owned(), partitions: None, id: id.map(str::to_owned), made, reset, fate }
    }

    fn record(id: Option<&str>, settings: &[&str]) -> Record {
        Record { id: id.map(str::to_owned), settings: keys(settings) }
    }

    #[test]
    fn what_a_check_tells_is_added_to_what_is_recorded() {
        let foreign = || Fate::Foreign(String::new());
        let own = record(Some("a"), &["old", "other"]);
        for (before, report, after) in [
            (None, report(None, Fate::Announced), Some(record(None, &["new"]))),
            (Some(record(None, &[])), report(Some("a"), Fate::AsWanted), Some(record(Some("a"), &["new"]))),
            (Some(own.clone()), report(Some("a"), Fate::AsWanted), Some(record(Some("a"), &["new", "other"]))),
            // Made anew, or adopted in its place.
            (Some(own.clone()), report(Some("b"), Fate::AsWanted), Some(record(Some("b"), &["new"]))),
            // What somebody else made is not ours, and what was ours may come to light again.
            (Some(record(None, &["new"])), report(Some("b"), foreign()), None),
            (Some(own.clone()), report(Some("b"), foreign()), Some(own.clone())),
            (Some(own.clone()), report(None, Fate::Refused(String::new())), Some(own)),
        ] {
            let name = || "menu".to_owned();
            let mut records: Records = before.clone().map(|record| (name(), record)).into_iter().collect();
            report.add_to(&mut records);
            assert_eq!(records.get("menu"), after.as_ref(), "{before:?}, {report:?}");
        }
    }
}
