//! Which of a platform's announced topics can't be its own, for no request to make them has got anywhere.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use rdkafka::{admin::TopicResult, error::RDKafkaErrorCode};

use super::{Fate, TopicReport};
use crate::sync::lock;

/// Answers after which a topic may be there all the same, or will be.
const UNCERTAIN: [RDKafkaErrorCode; 4] = [
    RDKafkaErrorCode::TopicAlreadyExists,
    RDKafkaErrorCode::RequestTimedOut,
    RDKafkaErrorCode::NetworkException,
    RDKafkaErrorCode::Unknown,
];

/// The names of topics that were announced, and that either nobody has tried to make since, or Kafka has refused to. It is
/// shared between a platform's check and what is known of the platform, whose wish may change while the check is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Untried(Arc<Mutex<BTreeSet<String>>>);

impl Untried {
    /// Whether a topic of that name is one of them.
    pub(super) fn contains(&self, name: &str) -> bool {
        lock(&self.0).contains(name)
    }

    /// Takes in the topics that a check has announced.
    pub(super) fn announce(&self, reports: &[TopicReport]) {
        let announced = reports.iter().filter(|report| report.fate == Fate::Announced && report.id.is_none());
        lock(&self.0).extend(announced.map(|report| report.name.clone()));
    }

    /// Asks for a topic to be made. Unless Kafka's answer says for certain that it was not, it may be from now on.
    pub(super) fn attempt<E>(
        &self,
        name: &str,
        create: impl FnOnce() -> Result<Vec<TopicResult>, E>,
    ) -> Result<Vec<TopicResult>, E> {
        let was_untried = lock(&self.0).remove(name);
        let answer = create();
        let is_others = |code| was_untried && code == RDKafkaErrorCode::TopicAlreadyExists;
        let is_no =
            |result: &TopicResult| matches!(result, Err((_, code)) if !UNCERTAIN.contains(code) || is_others(*code));
        if answer.as_ref().is_ok_and(|results| results.iter().any(is_no)) {
            lock(&self.0).insert(name.to_owned());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a topic is still one that nobody has tried to make, after it was tried with this end.
    fn after(answer: Result<TopicResult, ()>, was_untried: bool) -> bool {
        let untried = Untried::default();
        if was_untried {
            lock(&untried.0).insert("cook".to_owned());
        }
        let during = || {
            assert!(!untried.contains("cook"), "whoever asks meanwhile can't know");
            answer.map(|result| vec![result])
        };
        let _ = untried.attempt("cook", during);
        untried.contains("cook")
    }

    #[test]
    fn only_a_certain_no_leaves_a_topic_untried() {
        let no = |code| Ok(Err(("cook".to_owned(), code)));
        for was_untried in [true, false] {
            assert!(after(no(RDKafkaErrorCode::InvalidReplicationFactor), was_untried));
            assert!(after(no(RDKafkaErrorCode::TopicAuthorizationFailed), was_untried));
            assert!(!after(Ok(Ok("cook".to_owned())), was_untried));
            assert!(!after(no(RDKafkaErrorCode::RequestTimedOut), was_untried));
            assert!(!after(Err(()), was_untried), "the answer was lost");
        }
    }

    #[test]
    fn a_topic_that_is_there_before_the_first_attempt_is_somebody_elses_and_later_may_be_ours() {
        let exists = || Ok(Err(("cook".to_owned(), RDKafkaErrorCode::TopicAlreadyExists)));
        assert!(after(exists(), true));
        assert!(!after(exists(), false));
    }
}
