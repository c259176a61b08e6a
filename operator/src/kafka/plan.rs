//! What has to happen to one topic: wanted against live, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::{Record, WantedTopic};

/// A topic as Kafka describes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LiveTopic {
    /// Kafka's id of it.
    pub id: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the first partition.
    pub replication_factor: i32,
    /// Partitions with replicas that are not in sync.
    pub under_replicated: i32,
    /// Every setting in effect, by name.
    pub settings: BTreeMap<String, String>,
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
    /// Settings differ: those that have to change.
    Configure {
        /// What they have to be.
        settings: BTreeMap<String, String>,
        /// Those that are no longer asked for, and go back to the brokers' defaults.
        reset: BTreeSet<String>,
    },
}

/// What stays other than wanted on a live topic; everything else goes on.
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
    /// Some partitions have replicas that are not in sync.
    UnderReplicated {
        /// So many of them.
        partitions: i32,
    },
    /// It was deleted by somebody, and is made anew.
    Lost,
}

/// What is to be done about one topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// The topic, or a setting of it, is about to be made: that has to be recorded first.
    Announce {
        /// The settings to record.
        settings: BTreeSet<String>,
    },
    /// A topic of that name is there, and is somebody else's.
    Foreign {
        /// Whether it took the place of one that was ours.
        replaces_ours: bool,
    },
    /// The topic is ours, or is about to be.
    Bring {
        /// Changes, in the order in which they are to be made.
        steps: Vec<Step>,
        /// What stays different.
        differences: Vec<Difference>,
    },
}

/// What is known of a topic beside what it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Knowledge<'a> {
    /// What is recorded of it.
    pub record: Option<&'a Record>,
    /// Whether it was announced, and no attempt to make it can have made it: whatever is there is somebody else's.
    pub is_untried: bool,
    /// Whether one that somebody else made is to be taken.
    pub adopt: bool,
}

impl Knowledge<'_> {
    /// Whether it may have been made for the platform without anybody knowing: the answer was lost, or who asked.
    pub(crate) fn may_be_made(&self) -> bool {
        self.record.is_some_and(|record| record.id.is_none()) && !self.is_untried
    }

    /// Whether the platform had one.
    pub(crate) fn had_one(&self) -> bool {
        self.record.is_some_and(|record| record.id.is_some())
    }
}

/// Compares a wanted topic with what is known of it and with the live one (`None`: Kafka has no such topic).
#[must_use]
pub(crate) fn plan(wanted: &WantedTopic, known: Knowledge<'_>, live: Option<&LiveTopic>) -> Plan {
    let Some(live) = live else {
        let differences = match known.record {
            None => return Plan::Announce { settings: wanted.config.keys().cloned().collect() },
            Some(Record { id: None, .. }) => Vec::new(),
            Some(Record { id: Some(_), .. }) => vec![Difference::Lost],
        };
        return Plan::Bring { steps: vec![Step::Create], differences };
    };
    // Nobody had made one when ours was announced.
    let is_ours = known.may_be_made() || known.record.is_some_and(|record| record.id.as_ref() == Some(&live.id));
    if !is_ours && !known.adopt {
        return Plan::Foreign { replaces_ours: known.had_one() };
    }
    let none = BTreeSet::new();
    let recorded = known.record.filter(|_| is_ours).map_or(&none, |record| &record.settings);
    let settings = other_settings(wanted, live);
    if settings.keys().any(|key| !recorded.contains(key)) {
        return Plan::Announce { settings: settings.into_keys().collect() };
    }
    let is_wanted = |key: &&String| wanted.config.contains_key(*key);
    let reset: BTreeSet<_> = recorded.iter().filter(|key| !is_wanted(key)).cloned().collect();
    let mut steps = Vec::new();
    if wanted.partitions > live.partitions {
        steps.push(Step::Grow { partitions: wanted.partitions });
    }
    if !settings.is_empty() || !reset.is_empty() {
        steps.push(Step::Configure { settings, reset });
    }
    Plan::Bring { steps, differences: differences(wanted, live) }
}

/// What stays different on a live topic, whoever looks after it.
pub(crate) fn differences(wanted: &WantedTopic, live: &LiveTopic) -> Vec<Difference> {
    let mut differences = Vec::new();
    if wanted.partitions < live.partitions {
        differences.push(Difference::Partitions { wanted: wanted.partitions, live: live.partitions });
    }
    if let Some(factor) = wanted.replication_factor
        && factor != live.replication_factor
    {
        differences.push(Difference::ReplicationFactor { wanted: factor, live: live.replication_factor });
    }
    if live.under_replicated > 0 {
        differences.push(Difference::UnderReplicated { partitions: live.under_replicated });
    }
    differences
}

/// The wanted settings that are not in effect.
pub(crate) fn other_settings(wanted: &WantedTopic, live: &LiveTopic) -> BTreeMap<String, String> {
    let other = |(name, value): &(&String, &String)| !live.settings.get(*name).is_some_and(|live| is_same(value, live));
    wanted.config.iter().filter(other).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether two texts are one value to Kafka, which writes numbers and lists in its own way.
fn is_same(wanted: &str, live: &str) -> bool {
    let numbers = |text: &str| text.trim().parse::<f64>().ok();
    let list = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect::<Vec<_>>();
    match (numbers(wanted), numbers(live)) {
        (Some(wanted), Some(live)) => wanted == live,
        _ => list(wanted) == list(live),
    }
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
            id: "a".to_owned(),
            partitions: 6,
            replication_factor: 1,
            under_replicated: 0,
            settings: map(&[("retention.ms", "604800000"), ("cleanup.policy", "delete")]),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn keys(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn record(id: Option<&str>, settings: &[&str]) -> Record {
        Record { id: id.map(str::to_owned), settings: keys(settings) }
    }

    fn plan_of(record: Option<&Record>, live: Option<&LiveTopic>, adopt: bool) -> Plan {
        plan(&wanted(), Knowledge { record, is_untried: false, adopt }, live)
    }

    /// Steps and differences of a topic of ours.
    fn of_ours(wanted: &WantedTopic, live: &LiveTopic) -> (Vec<Step>, Vec<Difference>) {
        let record = Record { id: Some("a".to_owned()), settings: wanted.config.keys().cloned().collect() };
        match plan(wanted, Knowledge { record: Some(&record), ..Knowledge::default() }, Some(live)) {
            Plan::Bring { steps, differences } => (steps, differences),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_missing_is_announced_and_then_made() {
        assert_eq!(plan_of(None, None, false), Plan::Announce { settings: keys(&["retention.ms"]) });
        let create = |differences| Plan::Bring { steps: vec![Step::Create], differences };
        assert_eq!(plan_of(Some(&record(None, &[])), None, false), create(vec![]));
        assert_eq!(plan_of(Some(&record(Some("a"), &[])), None, false), create(vec![Difference::Lost]));
    }

    #[test]
    fn a_topic_that_somebody_else_made_is_left_alone_unless_it_is_to_be_adopted() {
        let nothing_to_do = Plan::Bring { steps: vec![], differences: vec![] };
        // What was recorded of another topic is not of this one.
        let other = record(Some("b"), &["cleanup.policy"]);
        for (record, replaces_ours) in [(None, false), (Some(&other), true)] {
            assert_eq!(plan_of(record, Some(&live()), false), Plan::Foreign { replaces_ours });
            assert_eq!(plan_of(record, Some(&live()), true), nothing_to_do);
        }
        let announced = record(None, &["retention.ms"]);
        assert_eq!(plan_of(Some(&announced), Some(&live()), false), nothing_to_do);
    }

    #[test]
    fn what_is_there_before_we_have_tried_to_make_it_is_somebody_elses() {
        let record = record(None, &["retention.ms"]);
        let known = Knowledge { record: Some(&record), is_untried: true, adopt: false };
        assert_eq!(plan(&wanted(), known, Some(&live())), Plan::Foreign { replaces_ours: false });
    }

    #[test]
    fn a_setting_is_recorded_before_it_is_made_and_taken_back_when_it_is_no_longer_asked_for() {
        let without = LiveTopic { settings: BTreeMap::new(), ..live() };
        let (nothing, ours) = (record(Some("a"), &["x"]), record(Some("a"), &["retention.ms", "x"]));
        assert_eq!(
            plan_of(Some(&nothing), Some(&without), false),
            Plan::Announce { settings: keys(&["retention.ms"]) }
        );
        let settings = map(&[("retention.ms", "604800000")]);
        assert_eq!(
            plan_of(Some(&ours), Some(&without), false),
            Plan::Bring { steps: vec![Step::Configure { settings, reset: keys(&["x"]) }], differences: vec![] }
        );
        // One that is as wanted without us is not ours.
        assert_eq!(
            plan_of(Some(&record(Some("a"), &[])), Some(&live()), false),
            Plan::Bring { steps: vec![], differences: vec![] }
        );
    }

    #[test]
    fn leaves_an_equal_topic_alone() {
        assert_eq!(of_ours(&wanted(), &live()), (vec![], vec![]));
    }

    #[test]
    fn grows_partitions() {
        let live = LiveTopic { partitions: 3, ..live() };
        assert_eq!(of_ours(&wanted(), &live), (vec![Step::Grow { partitions: 6 }], vec![]));
    }

    #[test]
    fn reports_shrinking_and_replication_and_changes_nothing() {
        let live = LiveTopic { partitions: 12, replication_factor: 3, under_replicated: 2, ..live() };
        let (steps, differences) = of_ours(&wanted(), &live);
        assert_eq!(steps, []);
        assert_eq!(
            differences,
            [
                Difference::Partitions { wanted: 6, live: 12 },
                Difference::ReplicationFactor { wanted: 1, live: 3 },
                Difference::UnderReplicated { partitions: 2 },
            ]
        );
    }

    #[test]
    fn any_replication_will_do_when_none_is_asked_for() {
        let wanted = WantedTopic { replication_factor: None, ..wanted() };
        assert_eq!(of_ours(&wanted, &LiveTopic { replication_factor: 3, ..live() }), (vec![], vec![]));
    }

    #[test]
    fn a_wish_that_stays_open_stops_no_other() {
        let mut wanted = wanted();
        wanted.partitions = 1;
        wanted.config.insert("max.message.bytes".into(), "65536".into());
        let (steps, differences) = of_ours(&wanted, &live());
        assert_eq!((steps.len(), differences.len()), (1, 1));
    }

    #[test]
    fn only_settings_that_differ_are_changed() {
        let mut wanted = wanted();
        wanted.config.insert("cleanup.policy".into(), "compact, delete".into());
        let live =
            LiveTopic { settings: map(&[("retention.ms", "1000"), ("cleanup.policy", "compact,delete")]), ..live() };
        let settings = map(&[("retention.ms", "604800000")]);
        assert_eq!(of_ours(&wanted, &live).0, [Step::Configure { settings, reset: keys(&[]) }]);
    }

    #[test]
    fn numbers_and_lists_are_compared_as_such() {
        for (wanted, live) in [("1", "1"), ("0.50", "0.5"), (" 7", "7"), ("a, b", "a,b"), ("true", "true")] {
            assert!(is_same(wanted, live), "{wanted} {live}");
        }
        for (wanted, live) in [("1", "2"), ("a,b", "b,a"), ("true", "false"), ("", "0")] {
            assert!(!is_same(wanted, live), "{wanted} {live}");
        }
    }
}
