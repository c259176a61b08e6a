//! The ConfigMap of a service: its environment, but for what is secret or the pod's own.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{
    deployment, labels, names,
    platform::{Platform, ServiceSettings},
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
    }
    if service.has_database() {
        data.insert("DATABASE_SCHEMA", names::schema(&platform.namespace, &platform.name, service));
    }
    for (variable, called) in calls(service) {
        data.insert(variable, names::url(&platform.name, *called));
    }
    let data = data.into_iter().map(|(key, value)| (key.to_owned(), value));
    ConfigMap {
        metadata: labels::metadata(platform, settings, names::child(&platform.name, service)),
        data: Some(data.chain(settings.config.clone()).collect()),
        ..Default::default()
    }
}

/// Whom a service calls, by the variable that holds the URL.
const fn calls(service: FoodService) -> &'static [(&'static str, FoodService)] {
    match service {
        FoodService::Order => &[("COOK_URL", FoodService::Cook)],
        FoodService::Gateway => &[
            ("ORDER_URL", FoodService::Order),
            ("COOK_URL", FoodService::Cook),
            ("DELIVERY_URL", FoodService::Delivery),
            ("MYPAGE_URL", FoodService::MyPage),
        ],
        FoodService::Cook | FoodService::Delivery | FoodService::MyPage => &[],
    }
}
