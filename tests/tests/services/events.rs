//! What lies on the topics: CloudEvents, keyed by order, in each order's own sequence.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Topic, header};
use serde_json::Value;
use tests::{
    kafka::Record,
    platform::{Platform, Setup},
    wait,
};
use uuid::Uuid;

fn version(record: &Record) -> i64 {
    let payload: Value = serde_json::from_slice(&record.payload).expect("JSON");
    payload["version"].as_i64().unwrap_or_else(|| panic!("no version in {payload}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_as_a_cloud_event() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(10).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(platform.api.place_one(&menu, 1).await);
    }
    for order in &orders {
        platform.api.follow(order, "DELIVERED").await;
        platform.api.until(&format!("/orders/{order}"), "status", "DELIVERED").await;
    }
    platform.outboxes_drained().await;

    let mut ids = BTreeSet::new();
    for (topic, kinds) in [
        (Topic::Menu, &["Ordered"] as &[_]),
        (Topic::Cook, &["CookStockChecked", "CookStarted", "CookCompleted"]),
        (Topic::Delivery, &["DeliveryStarted", "DeliveryPickedUp", "DeliveryCompleted"]),
    ] {
        let mut by_order: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in platform.records(topic) {
            let event = record.event();
            assert!(ids.insert(event.id), "said twice without any fault: {record:?}");
            let headers = &record.headers;
            assert_eq!((headers[header::SPEC_VERSION].as_str(), &headers[header::SUBJECT]), ("1.0", &record.key));
            assert_eq!(headers[header::CONTENT_TYPE], "application/json");
            assert!(!headers[header::SOURCE].is_empty());
            assert!(headers[header::TRACEPARENT].starts_with("00-"), "{headers:?}");
            assert_eq!(event.event.topic(), topic);
            by_order.entry(record.key.clone()).or_default().push(record);
        }
        assert_eq!(by_order.keys().collect::<BTreeSet<_>>(), orders.iter().collect(), "{topic}");
        for (order, records) in by_order {
            let seen: Vec<_> = records.iter().map(|record| record.event().event.kind()).collect();
            assert_eq!(seen, kinds, "{topic} of {order}");
            assert!(records.iter().all(|record| record.partition == records[0].partition), "one order, one partition");
            assert!(records.is_sorted_by_key(version), "versions only grow: {records:?}");
        }
    }
    for topic in [Topic::Menu, Topic::Cook, Topic::Delivery, Topic::OrderRequests] {
        assert!(
            platform.kafka.records(&topic.dead_letter_name(&platform.prefix)).is_empty(),
            "dead letters of {topic}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_goes_to_the_dead_letters_and_stops_nobody() {
    let platform = Platform::start(Setup::default()).await;
    let topic = Topic::Menu.name(&platform.prefix);
    let id = Uuid::new_v4().to_string();
    let headers = [
        (header::SPEC_VERSION, "1.0"),
        (header::ID, id.as_str()),
        (header::TYPE, "Ordered"),
        (header::SOURCE, "/tests"),
        (header::TIME, "2026-01-02T03:04:05Z"),
        (header::SUBJECT, "o-1"),
    ];
    platform.kafka.write(&topic, "o-1", &headers, b"not an order").await;
    let mut unknown = headers;
    unknown[2] = (header::TYPE, "MenuRenamed");
    platform.kafka.write(&topic, "o-1", &unknown, b"{}").await;

    let dead = Topic::Menu.dead_letter_name(&platform.prefix);
    // Cook and MyPage read the topic, and each puts away what it could not read.
    let letters = wait::until("two dead letters", wait::SOON, async || {
        let records = platform.kafka.records(&dead);
        if records.len() == 2 { Ok(records) } else { Err(format!("{records:?}")) }
    })
    .await;
    for letter in &letters {
        assert_eq!((letter.key.as_str(), letter.payload.as_slice()), ("o-1", b"not an order".as_slice()));
        assert_eq!(letter.headers[header::ID], id);
        assert!(letter.headers.values().any(|value| value.contains("payload of Ordered")), "why: {:?}", letter.headers);
    }

    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "DELIVERED").await;
    assert_eq!(platform.kafka.records(&dead).len(), 2, "a type that nobody knows is no dead letter");
}
