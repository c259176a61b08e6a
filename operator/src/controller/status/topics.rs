//! What the last check of the topics means for the status. Pure.

use crate::{
    api::{Reason, TopicState, TopicStatus},
    build::WantedTopic,
    controller::obstacle::Obstacle,
    kafka::{Fate, keeper::Outcome},
};

/// How the topics stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum View {
    /// They have not been checked yet for this spec.
    Unknown,
    /// Some of them are about to be made or changed.
    Changing,
    /// They are there; what can't be as asked for, in sentences.
    Ready(Vec<String>),
    /// Something is in the way.
    Hindered(Obstacle),
}

/// How the topics stand after the last check.
pub(super) fn view(outcome: Option<&Outcome>) -> View {
    match outcome {
        None => View::Unknown,
        Some(Err(unreachable)) => View::Hindered(Obstacle::new(Reason::KafkaUnreachable, unreachable.0.clone())),
        Some(Ok(reports)) => {
            let told = |what: fn(&Fate) -> Option<&str>| -> Vec<&str> {
                reports.iter().filter_map(|report| what(&report.fate)).collect()
            };
            let foreign = told(|fate| if let Fate::Foreign(sentence) = fate { Some(sentence) } else { None });
            let refused = told(|fate| if let Fate::Refused(sentence) = fate { Some(sentence) } else { None });
            let differ = told(|fate| if let Fate::Differs(sentence) = fate { Some(sentence) } else { None });
            if !foreign.is_empty() {
                return View::Hindered(Obstacle::new(Reason::TopicConflict, foreign.join("; ")));
            }
            if !refused.is_empty() {
                return View::Hindered(Obstacle::new(Reason::TopicRefused, refused.join("; ")));
            }
            if reports.iter().any(|report| report.fate == Fate::Announced) {
                return View::Changing;
            }
            View::Ready(differ.into_iter().map(str::to_owned).collect())
        }
    }
}

/// The topics one by one. What Kafka can't be asked about keeps what was last known of it.
pub(super) fn list(outcome: Option<&Outcome>, wanted: &[WantedTopic], previous: &[TopicStatus]) -> Vec<TopicStatus> {
    wanted
        .iter()
        .map(|topic| {
            let before = previous.iter().find(|status| status.name == topic.name);
            let report = match outcome {
                Some(Ok(reports)) => reports.iter().find(|report| report.name == topic.name),
                Some(Err(_)) | None => None,
            };
            let unknown =
                TopicStatus { name: topic.name.clone(), partitions: None, topic_id: None, state: TopicState::Unknown };
            match (report, outcome) {
                (Some(report), _) => {
                    let state = match (&report.fate, report.partitions) {
                        (Fate::AsWanted, _) => TopicState::Ready,
                        (Fate::Foreign(_), _) => TopicState::Foreign,
                        (Fate::Announced | Fate::Refused(_), None) => TopicState::Missing,
                        (Fate::Announced | Fate::Differs(_) | Fate::Refused(_), Some(_)) => TopicState::Differs,
                        (Fate::Differs(_), None) => TopicState::Differs,
                    };
                    TopicStatus { partitions: report.partitions, topic_id: report.id.clone(), state, ..unknown }
                }
                // Not asked yet: a restart of the operator is no news.
                (None, None) => before.cloned().unwrap_or(unknown),
                (None, Some(_)) => TopicStatus { state: TopicState::Unknown, ..before.cloned().unwrap_or(unknown) },
            }
        })
        .collect()
}
