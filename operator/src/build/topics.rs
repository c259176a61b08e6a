//! The Kafka topics that a platform wants.

use std::collections::BTreeMap;

use contract::Topic;

use crate::api::{KafkaSpec, TopicSpec, defaults};

/// A topic as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTopic {
    /// Its full name in Kafka.
    pub name: String,
    /// The partitions that it has at least.
    pub partitions: i32,
    /// Copies of each partition; none leaves it to the brokers' `default.replication.factor` (-1 in Kafka's protocol).
    /// Used when the topic is created.
    pub replication_factor: Option<i32>,
    /// Topic settings of Kafka, with `retention.ms` among them. Those that aren't named here stay as they are.
    pub config: BTreeMap<String, String>,
}

/// Every topic that `kafka` wants under `prefix`, dead-letter topics included, by name.
pub(super) fn wanted(kafka: &KafkaSpec, prefix: &str) -> Result<Vec<WantedTopic>, InvalidRetention> {
    let none = TopicSpec::default();
    let fallback = kafka.topic_defaults.as_ref().unwrap_or(&none);
    let mut topics = Vec::new();
    for &topic in Topic::ALL {
        let own = own_settings(kafka, topic).unwrap_or(&none);
        let retention = own.retention.as_deref().or(fallback.retention.as_deref()).unwrap_or(defaults::RETENTION);
        let retention = Retention::parse(retention)?;
        let config: BTreeMap<_, _> = [&fallback.config, &own.config]
            .into_iter()
            .flatten()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let replication_factor = own.replication_factor.or(fallback.replication_factor);
        let of = |name, partitions, retention: Retention| {
            let mut config = config.clone();
            config.insert("retention.ms".to_owned(), retention.to_string());
            WantedTopic { name, partitions, replication_factor, config }
        };
        let partitions = own.partitions.or(fallback.partitions).unwrap_or(defaults::PARTITIONS);
        topics.push(of(topic.name(prefix), partitions, retention));
        let dead_letters = retention.max(Retention::parse(defaults::DEAD_LETTER_RETENTION)?);
        topics.push(of(topic.dead_letter_name(prefix), 1, dead_letters));
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

fn own_settings(kafka: &KafkaSpec, topic: Topic) -> Option<&TopicSpec> {
    let topics = kafka.topics.as_ref()?;
    match topic {
        Topic::Menu => topics.menu.as_ref(),
        Topic::Cook => topics.cook.as_ref(),
        Topic::Delivery => topics.delivery.as_ref(),
        Topic::OrderRequests => topics.order_requests.as_ref(),
    }
}

/// The text is no retention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("retention {0:?} is none such as 7d, 36h or forever")]
pub struct InvalidRetention(String);

/// How long a topic's messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Retention {
    Milliseconds(u64),
    Forever,
}

impl Retention {
    fn parse(text: &str) -> Result<Self, InvalidRetention> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(InvalidRetention(text.to_owned())),
        };
        let number: u32 = number.parse().map_err(|_| InvalidRetention(text.to_owned()))?;
        Ok(Self::Milliseconds(u64::from(number) * factor))
    }
}

impl std::fmt::Display for Retention {
    /// As `retention.ms` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Milliseconds(ms) => write!(f, "{ms}"),
            Self::Forever => f.write_str("-1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(json: serde_json::Value) -> KafkaSpec {
        serde_json::from_value(json).unwrap()
    }

    fn topic<'a>(topics: &'a [WantedTopic], name: &str) -> &'a WantedTopic {
        topics.iter().find(|topic| topic.name == name).unwrap()
    }

    #[test]
    fn all_topics_have_a_dead_letter_topic() {
        let topics = wanted(&kafka(serde_json::json!({ "bootstrapServers": "k:9092" })), "food.shop.").unwrap();
        let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "food.shop.cook",
                "food.shop.cook.dlq",
                "food.shop.delivery",
                "food.shop.delivery.dlq",
                "food.shop.menu",
                "food.shop.menu.dlq",
                "food.shop.order-requests",
                "food.shop.order-requests.dlq",
            ]
        );
        let menu = topic(&topics, "food.shop.menu");
        assert_eq!((menu.partitions, menu.replication_factor), (12, None));
        assert_eq!(menu.config["retention.ms"], "604800000");
        let dead = topic(&topics, "food.shop.menu.dlq");
        assert_eq!((dead.partitions, dead.config["retention.ms"].as_str()), (1, "2592000000"));
    }

    #[test]
    fn a_topic_s_own_settings_lie_over_the_defaults() {
        let kafka = kafka(serde_json::json!({
            "bootstrapServers": "k:9092",
            "topicDefaults": {
                "partitions": 3, "replicationFactor": 3, "retention": "36h",
                "config": { "min.insync.replicas": "2", "compression.type": "zstd" },
            },
            "topics": { "orderRequests": {
                "partitions": 6, "retention": "forever", "config": { "min.insync.replicas": "1" },
            } },
        }));
        let topics = wanted(&kafka, "").unwrap();
        let cook = topic(&topics, "cook");
        assert_eq!((cook.partitions, cook.replication_factor), (3, Some(3)));
        assert_eq!(cook.config["retention.ms"], "129600000");
        assert_eq!(cook.config["min.insync.replicas"], "2");
        let requests = topic(&topics, "order-requests");
        assert_eq!((requests.partitions, requests.replication_factor), (6, Some(3)));
        assert_eq!(requests.config["retention.ms"], "-1");
        assert_eq!(requests.config["min.insync.replicas"], "1");
        assert_eq!(requests.config["compression.type"], "zstd");
        assert_eq!(topic(&topics, "order-requests.dlq").config["retention.ms"], "-1");
    }

    #[test]
    fn refuses_what_is_no_retention() {
        for text in ["", "7", "d", "-1", "7 d", "7w", "99999999999d"] {
            assert!(Retention::parse(text).is_err(), "{text}");
        }
    }
}
