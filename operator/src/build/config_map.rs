//! The ConfigMap of a service: its environment, but for what is secret or the pod's own.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{
    deployment, labels, names,
    platform::{Platform, ServiceSettings},
    topics::WantedTopic,
};
use crate::api::FoodService;

pub(super) fn build(platform: &Platform, settings: &ServiceSettings) -> ConfigMap {
    let service = settings.service;
    let mut data = BTreeMap::from([
        ("LOG_LEVEL", platform.logs.level.clone()),
        ("LOG_MAX_FILES", platform.logs.max_files.to_string()),
        ("LOG_MAX_TOTAL_SIZE", platform.logs.max_total_size.to_string()),
        ("KAFKA_BOOTSTRAP_SERVERS", platform.bootstrap_servers.clone()),
        ("TOPIC_PREFIX", platform.topic_prefix.clone()),
        ("DRAIN_TIMEOUT", format!("{}s", deployment::DRAIN_SECONDS)),
    ]);
    if service.consumes() {
        data.insert("CONSUMER_GROUP", names::consumer_group(platform, service));
        data.insert("INBOX_RETENTION", inbox_retention(&platform.topics));
    }
    if service.has_database() {
        data.insert("DATABASE_SCHEMA", names::schema(&platform.namespace, &platform.name, service));
    }
    for (variable, called) in calls(service) {
        data.insert(variable, names::url(&platform.name, *called));
    }
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value));
    let called = calls(service).iter().filter_map(|(_, called)| platform.service(*called));
    let data = data.chain(called.filter(|_| breaks(service)).flat_map(circuit_breaker));
    ConfigMap {
        metadata: labels::metadata(platform, settings, names::child(&platform.name, service)),
        data: Some(data.chain(settings.config.clone()).collect()),
        ..Default::default()
    }
}

/// Whether it keeps to circuit breakers: MyPage calls others by a command alone.
const fn breaks(service: FoodService) -> bool {
    matches!(service, FoodService::Order | FoodService::Gateway)
}

/// What a caller of a service is told of its circuit breaker; what is not set is left to the caller's defaults.
fn circuit_breaker(called: &ServiceSettings) -> impl Iterator<Item = (String, String)> {
    let prefix = called.service.as_str().to_uppercase();
    let set = called.circuit_breaker.clone();
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    [
        ("MAX_PENDING_REQUESTS", number(set.max_pending_requests)),
        ("MAX_REQUESTS_PER_CONNECTION", number(set.max_requests_per_connection)),
        ("CONSECUTIVE_5XX_ERRORS", number(set.consecutive_5xx_errors)),
        ("INTERVAL", set.interval),
        ("BASE_EJECTION_TIME", set.base_ejection_time),
        ("MAX_EJECTION_PERCENT", number(set.max_ejection_percent)),
    ]
    .into_iter()
    .filter_map(move |(name, value)| Some((format!("{prefix}_{name}"), value?)))
}

/// Whom a service calls, by the variable that holds the URL.
pub(super) const fn calls(service: FoodService) -> &'static [(&'static str, FoodService)] {
    match service {
        FoodService::Order => &[("COOK_URL", FoodService::Cook)],
        FoodService::Gateway => &[
            ("ORDER_URL", FoodService::Order),
            ("COOK_URL", FoodService::Cook),
            ("DELIVERY_URL", FoodService::Delivery),
            ("MYPAGE_URL", FoodService::MyPage),
        ],
        // For `mypage rebuild` alone.
        FoodService::MyPage => &[
            ("ORDER_URL", FoodService::Order),
            ("COOK_URL", FoodService::Cook),
            ("DELIVERY_URL", FoodService::Delivery),
        ],
        FoodService::Cook | FoodService::Delivery => &[],
    }
}

/// How long services remember which events they applied: as long as a topic keeps one, and the time that an event may
/// wait to be published besides.
fn inbox_retention(topics: &[WantedTopic]) -> String {
    const UNPUBLISHED: i64 = 3 * 24 * 60 * 60;
    // Dead letters are read by nobody.
    let read = topics.iter().filter(|topic| !topic.name.ends_with(".dlq"));
    let kept = read.filter_map(|topic| topic.config.get("retention.ms")?.parse::<i64>().ok());
    let longest = kept.map(|millis| if millis < 0 { i64::MAX } else { millis }).max();
    match longest {
        Some(i64::MAX) | None => "forever".to_owned(),
        // In seconds, for Kafka's milliseconds are more than anyone's patience.
        Some(millis) => format!("{}s", millis.div_euclid(1000) + UNPUBLISHED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(retention: &str) -> WantedTopic {
        WantedTopic {
            name: "menu".to_owned(),
            partitions: 1,
            replication_factor: None,
            config: [("retention.ms".to_owned(), retention.to_owned())].into(),
        }
    }

    #[test]
    fn what_was_applied_is_remembered_longer_than_any_topic_keeps_it() {
        assert_eq!(inbox_retention(&[topic("604800000"), topic("86400000")]), "864000s");
        assert_eq!(inbox_retention(&[topic("604800000"), topic("-1")]), "forever");
        let dead_letters = WantedTopic { name: "menu.dlq".to_owned(), ..topic("-1") };
        assert_eq!(inbox_retention(&[topic("604800000"), dead_letters]), "864000s");
    }
}
