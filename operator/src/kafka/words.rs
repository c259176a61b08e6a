//! What is said of topics that aren't as wanted.

use super::{
    Fate,
    plan::{Difference, LiveTopic, differences, other_settings},
};
use crate::build::WantedTopic;

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Partitions { wanted, live } => {
            format!("keeps its {live} partitions, though {wanted} are asked for: Kafka can't take partitions away")
        }
        Difference::ReplicationFactor { wanted, live } => format!(
            "keeps its replication factor {live}, though {wanted} is asked for: move the replicas with Kafka's own tools"
        ),
        Difference::UnderReplicated { partitions } => {
            format!("has {partitions} partitions with replicas that are not in sync: look at Kafka's brokers")
        }
        Difference::Lost => "was deleted by somebody and is made anew: the events that it held are gone".to_owned(),
    }
}

/// How a topic with these differences stands.
pub(super) fn fate(name: &str, differences: &[Difference]) -> Fate {
    told(name, &differences.iter().map(sentence).collect::<Vec<_>>())
}

fn told(name: &str, differences: &[String]) -> Fate {
    if differences.is_empty() { Fate::AsWanted } else { Fate::Differs(format!("{name} {}", differences.join(" and "))) }
}

/// How a topic stands that somebody else looks after.
pub(super) fn look(wanted: &WantedTopic, live: Option<&LiveTopic>) -> Fate {
    let name = &wanted.name;
    let Some(live) = live else {
        return Fate::Refused(format!(
            "topic {name} is not there: create it with {} partitions at least, or let the operator do so with \
             kafka.topicManagement: Direct",
            wanted.partitions
        ));
    };
    let mut found: Vec<_> = differences(wanted, live).iter().map(sentence).collect();
    if live.partitions < wanted.partitions {
        found.push(format!("has {} partitions, though {} are asked for", live.partitions, wanted.partitions));
    }
    let other = |(name, value): (&String, &String)| {
        let live = live.settings.get(name).map_or("none", String::as_str);
        format!("has {name}={live}, though {value} is asked for")
    };
    found.extend(other_settings(wanted, live).iter().map(other));
    told(name, &found)
}

/// A topic of that name that isn't ours.
pub(super) fn foreign(name: &str, replaces_ours: bool) -> Fate {
    let what = if replaces_ours {
        format!("topic {name} was deleted and made anew by somebody else")
    } else {
        format!("topic {name} is there already and was not made for this platform")
    };
    Fate::Foreign(format!(
        "{what}: set kafka.adopt: true to take it, if no other platform uses it, or another kafka.topicPrefix on a new \
         platform"
    ))
}
