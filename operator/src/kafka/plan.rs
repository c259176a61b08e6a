//! What has to happen to one topic: wanted against live, without I/O.

use std::collections::BTreeMap;

use crate::build::WantedTopic;

/// A topic as Kafka describes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LiveTopic {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the first partition.
    pub replication_factor: i32,
    /// Every setting in effect, by name.
    pub effective: BTreeMap<String, String>,
    /// The settings made on the topic itself: a subset of `effective`.
    pub overrides: BTreeMap<String, String>,
}

/// One change to a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The topic isn't there.
    Create,
    /// It has fewer partitions than wanted.
    Grow {
        /// The wanted total.
        partitions: i32,
    },
    /// Settings differ. Kafka's AlterConfigs replaces all of a topic's own settings, so this is the merged whole.
    Configure {
        /// What the topic's own settings have to be afterwards.
        config: BTreeMap<String, String>,
    },
}

/// A wish that Kafka can't fulfil on a live topic; the live value stays and everything else goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Difference {
    /// Fewer partitions are wanted than there are.
    Partitions {
        /// Wanted number.
        wanted: i32,
        /// Live number.
        live: i32,
    },
    /// Another number of replicas is wanted.
    ReplicationFactor {
        /// Wanted number.
        wanted: i32,
        /// Live number.
        live: i32,
    },
}

/// The steps that bring one topic to what is wanted, and what will stay different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    /// Changes, in the order in which they are to be made.
    pub steps: Vec<Step>,
    /// Wishes that stay open.
    pub differences: Vec<Difference>,
}

/// Compares a wanted topic with the live one (`None`: Kafka has no such topic).
#[must_use]
pub(crate) fn plan(wanted: &WantedTopic, live: Option<&LiveTopic>) -> Plan {
    let Some(live) = live else {
        return Plan { steps: vec![Step::Create], differences: Vec::new() };
    };
    let mut plan = Plan::default();
    if wanted.partitions > live.partitions {
        plan.steps.push(Step::Grow { partitions: wanted.partitions });
    } else if wanted.partitions < live.partitions {
        plan.differences.push(Difference::Partitions { wanted: wanted.partitions, live: live.partitions });
    }
    if let Some(factor) = wanted.replication_factor
        && factor != live.replication_factor
    {
        plan.differences.push(Difference::ReplicationFactor { wanted: factor, live: live.replication_factor });
    }
    if wanted.config.iter().any(|(name, value)| live.effective.get(name) != Some(value)) {
        let mut config = live.overrides.clone();
        config.extend(wanted.config.clone());
        plan.steps.push(Step::Configure { config });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> WantedTopic {
        WantedTopic {
            name: "food.quickstart.menu".into(),
            partitions: 6,
            replication_factor: Some(1),
            config: map(&[("retention.ms", "604800000")]),
        }
    }

    fn live() -> LiveTopic {
        LiveTopic {
            partitions: 6,
            replication_factor: 1,
            effective: map(&[("retention.ms", "604800000"), ("cleanup.policy", "delete")]),
            overrides: map(&[("retention.ms", "604800000")]),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn creates_what_is_missing() {
        assert_eq!(plan(&wanted(), None).steps, [Step::Create]);
    }

    #[test]
    fn leaves_an_equal_topic_alone() {
        assert_eq!(plan(&wanted(), Some(&live())), Plan::default());
    }

    #[test]
    fn grows_partitions() {
        let live = LiveTopic { partitions: 3, ..live() };
        assert_eq!(plan(&wanted(), Some(&live)).steps, [Step::Grow { partitions: 6 }]);
    }

    #[test]
    fn reports_shrinking_and_replication_and_changes_nothing() {
        let live = LiveTopic { partitions: 12, replication_factor: 3, ..live() };
        let plan = plan(&wanted(), Some(&live));
        assert_eq!(plan.steps, []);
        assert_eq!(
            plan.differences,
            [Difference::Partitions { wanted: 6, live: 12 }, Difference::ReplicationFactor { wanted: 1, live: 3 }]
        );
    }

    #[test]
    fn any_replication_will_do_when_none_is_asked_for() {
        let wanted = WantedTopic { replication_factor: None, ..wanted() };
        assert_eq!(plan(&wanted, Some(&LiveTopic { replication_factor: 3, ..live() })), Plan::default());
    }

    #[test]
    fn a_wish_that_stays_open_stops_no_other() {
        let mut wanted = wanted();
        wanted.partitions = 1;
        wanted.config.insert("max.message.bytes".into(), "65536".into());
        let plan = plan(&wanted, Some(&live()));
        assert_eq!(plan.differences.len(), 1);
        assert_eq!(plan.steps.len(), 1);
    }

    #[test]
    fn merges_settings_with_those_that_others_made() {
        let live = LiveTopic {
            effective: map(&[("retention.ms", "1000"), ("segment.bytes", "1048576")]),
            overrides: map(&[("retention.ms", "1000"), ("segment.bytes", "1048576")]),
            ..live()
        };
        assert_eq!(
            plan(&wanted(), Some(&live)).steps,
            [Step::Configure { config: map(&[("retention.ms", "604800000"), ("segment.bytes", "1048576")]) }]
        );
    }

    #[test]
    fn a_setting_that_the_broker_has_already_is_not_written() {
        let live = LiveTopic { overrides: BTreeMap::new(), ..live() };
        assert_eq!(plan(&wanted(), Some(&live)).steps, []);
    }
}
