//! Two replicas of a service share the work.

use std::collections::BTreeMap;

use contract::Topic;
use tests::{
    api::{fresh, order_of, text},
    metrics::Metrics,
    platform::{Platform, Setup},
    process::Service,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_orders_and_two_cooks_share_without_doubling() {
    const ORDERS: i64 = 20;
    let mut platform = Platform::start(Setup::default()).await;
    let orders = [platform.service(Service::Order), platform.add_replica(Service::Order).await];
    platform.add_replica(Service::Cook).await;
    for service in [Service::Order, Service::Cook] {
        wait::until(&format!("two members in the group of {service}"), wait::SOON, async || {
            wait::equals(platform.group_members(service), 2)
        })
        .await;
    }

    let menu = platform.api.menu_with_stock(ORDERS).await;
    let mut placed = Vec::new();
    for api in orders.iter().cycle().take(usize::try_from(ORDERS).expect("small")) {
        let order = api.place(&order_of(&menu, 1), Some(&fresh())).await.expect(201);
        placed.push(text(&order, "orderId").to_owned());
    }
    for order in &placed {
        platform.api.follow(order, "DELIVERED").await;
        // Either replica knows every order.
        orders[1].until(&format!("/orders/{order}"), "status", "DELIVERED").await;
    }
    platform.outboxes_drained().await;

    assert_eq!(platform.api.on_hand(&menu).await, 0);
    assert_eq!(platform.rows(Service::Cook, "cooks").await, Ok(ORDERS));
    assert_eq!(platform.rows(Service::Delivery, "deliveries").await, Ok(ORDERS));
    for topic in [Topic::Menu, Topic::Cook, Topic::Delivery] {
        let mut told: BTreeMap<(String, &str), u32> = BTreeMap::new();
        for record in platform.records(topic) {
            *told.entry((record.key.clone(), record.event().event.kind())).or_default() += 1;
        }
        assert!(told.values().all(|times| *times == 1), "told once: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_publishes_hears_of_what_another_wrote() {
    let mut platform = Platform::start(Setup::default()).await;
    let first = platform.service(Service::Order);
    platform.add_replica(Service::Order).await;
    let second = platform.processes().last().expect("the one just added").admin("/metrics");
    // Each has its share of the shards once both know of each other.
    let schema = platform.schema(Service::Order).to_owned();
    let holders = format!("SELECT count(DISTINCT holder) FROM {schema}.outbox_shards WHERE expires_at > now()");
    wait::until("two relays", wait::SOON, async || wait::equals(platform.database.number(&holders).await?, 2)).await;

    let menu = platform.api.menu_with_stock(1000).await;
    wait::until("the second to be told", wait::SOON, async || {
        first.place(&order_of(&menu, 1), Some(&fresh())).await.expect(201);
        let told = Metrics::scrape(&second).await?.sum("outbox_announcements_total").unwrap_or_default();
        if told > 0.0 { Ok(()) } else { Err("it has heard nothing".to_owned()) }
    })
    .await;
    platform.outboxes_drained().await;
}
