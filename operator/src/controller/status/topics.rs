//! What the last check of the topics means for the status. Pure.

use crate::{
    api::{TopicState, TopicStatus},
    build::WantedTopic,
    controller::obstacle::{Obstacle, Reason},
    kafka::{Fate, keeper::Outcome},
};

/// How the topics stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum View {
    /// They have not been checked yet for this spec.
    Unknown,
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
            let refusals: Vec<_> = reports.iter().filter_map(|report| refusal(&report.fate)).collect();
            if refusals.is_empty() {
                return View::Ready(reports.iter().filter_map(|report| difference(&report.fate)).collect());
            }
            View::Hindered(Obstacle::new(Reason::TopicRefused, refusals.join("; ")))
        }
    }
}

fn refusal(fate: &Fate) -> Option<&str> {
    match fate {
        Fate::Refused(sentence) => Some(sentence),
        Fate::AsWanted | Fate::Differs(_) => None,
    }
}

fn difference(fate: &Fate) -> Option<String> {
    match fate {
        Fate::Differs(sentence) => Some(sentence.clone()),
        Fate::AsWanted | Fate::Refused(_) => None,
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
            let (partitions, state) = match (report, outcome) {
                (Some(report), _) => {
                    let state = match (&report.fate, report.partitions) {
                        (Fate::AsWanted, _) => TopicState::Ready,
                        (Fate::Refused(_), None) => TopicState::Missing,
                        (Fate::Differs(_) | Fate::Refused(_), _) => TopicState::Differs,
                    };
                    (report.partitions, state)
                }
                // Not asked yet: a restart of the operator is no news.
                (None, None) => before.map_or((None, TopicState::Unknown), |before| (before.partitions, before.state)),
                (None, Some(_)) => (before.and_then(|before| before.partitions), TopicState::Unknown),
            };
            TopicStatus { name: topic.name.clone(), partitions, state }
        })
        .collect()
}
