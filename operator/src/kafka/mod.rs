//! The platform's topics in Kafka.
//!
//! [`plan`] decides (pure), [`direct`] carries it out by Kafka's admin protocol, and [`keeper`] runs the checks beside
//! the reconciliations, so that a Kafka that doesn't answer holds up nothing else.

mod answers;
pub(crate) mod connection;
pub(crate) mod direct;
pub(crate) mod keeper;
mod native;
pub(crate) mod plan;
pub(crate) mod strimzi;
mod words;

use std::collections::BTreeSet;

use crate::build::{Record, WantedTopic};

/// A topic after it has been brought to what is wanted, as far as Kafka can and may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TopicReport {
    /// Full name.
    pub name: String,
    /// Number of partitions that it has now; `None` when it isn't there.
    pub partitions: Option<i32>,
    /// Kafka's id of it; `None` when it isn't there.
    pub id: Option<String>,
    /// The settings of it that were, or are to be, made for the platform.
    pub settings: BTreeSet<String>,
    /// How it stands.
    pub fate: Fate,
}

impl TopicReport {
    /// Of a topic of which nothing is known yet.
    fn new(wanted: &WantedTopic) -> Self {
        Self { name: wanted.name.clone(), partitions: None, id: None, settings: BTreeSet::new(), fate: Fate::AsWanted }
    }

    /// What is to be recorded of it, by its name; `None` where nothing new is known of whose it is.
    pub(crate) fn record(&self) -> Option<(String, Record)> {
        let is_known = match self.fate {
            Fate::Foreign(_) => false,
            Fate::Announced => true,
            Fate::AsWanted | Fate::Differs(_) | Fate::Refused(_) => self.id.is_some(),
        };
        let record = || Record { id: self.id.clone(), settings: self.settings.clone() };
        is_known.then(|| (self.name.clone(), record()))
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
