//! Taking orders outlives order.

use contract::{Event, Topic};
use tests::{
    api::{Api, fresh, order_of, text},
    platform::{Platform, Setup},
    process::Service,
    wait,
};

/// Places an order while order is away, and gives its id.
async fn place_for_later(api: &Api, menu: &str, quantity: i64, key: &str) -> String {
    let answer = api.place(&order_of(menu, quantity), Some(key)).await;
    let (location, header) = (answer.header("location").to_owned(), answer.header("order-id").to_owned());
    let body = answer.expect(202);
    let order = text(&body, "orderId").to_owned();
    assert_eq!((text(&body, "status"), header), ("REQUESTED", order.clone()));
    assert_eq!(location, format!("/mypages/{order}"));
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_taken_while_order_is_away_is_delivered_when_it_is_back() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(5).await;
    let (key, early) = (fresh(), fresh());
    let before = platform.api.place(&order_of(&menu, 1), Some(&early)).await.expect(201);
    platform.kill(Service::Order).await;

    let order = place_for_later(&platform.api, &menu, 2, &key).await;
    let page = platform.api.follow(&order, "REQUESTED").await;
    assert_eq!((&page["quantity"], &page["version"]), (&2.into(), &serde_json::Value::Null));
    assert_eq!(place_for_later(&platform.api, &menu, 2, &key).await, order, "the same key is the same order");
    // Repeating what was placed before is the same order, too.
    assert_eq!(place_for_later(&platform.api, &menu, 1, &early).await, text(&before, "orderId"));

    platform.restart(Service::Order).await;
    platform.api.follow(&order, "DELIVERED").await;
    let again = platform.api.place(&order_of(&menu, 2), Some(&key)).await.expect(201);
    assert_eq!(text(&again, "orderId"), order, "and the same once it is placed");
    assert_eq!(platform.rows(Service::Order, "orders").await, Ok(2));
    platform.api.follow(text(&before, "orderId"), "DELIVERED").await;
    assert_eq!(platform.api.on_hand(&menu).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_orders_with_one_key_the_first_counts() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(5).await;
    platform.kill(Service::Order).await;
    let key = fresh();
    let order = place_for_later(&platform.api, &menu, 1, &key).await;
    assert_eq!(place_for_later(&platform.api, &menu, 3, &key).await, order);
    platform.restart(Service::Order).await;
    let page = platform.api.follow(&order, "DELIVERED").await;
    assert_eq!(page["quantity"], 1);
    wait::until("the second to be recorded as rejected", wait::SOON, async || {
        let events = platform.records(Topic::Menu).into_iter().map(|record| record.event().event);
        let rejected = events.filter_map(|event| match event {
            Event::OrderRejected(request) => Some(request.order.quantity.get()),
            _ => None,
        });
        wait::equals(rejected.collect::<Vec<_>>(), vec![3])
    })
    .await;
    assert_eq!(platform.api.on_hand(&menu).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_taken_while_order_is_away_is_carried_out_when_it_is_back() {
    let mut platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(5).await;
    let cooking = platform.api.place_one(&menu, 1).await;
    let cooked = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&cooking, "COOKING").await;
    let page = platform.api.follow(&cooked, "COOKING").await;
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
    platform.api.follow(&cooked, "DELIVERED").await;
    platform.kill(Service::Order).await;

    let requested = place_for_later(&platform.api, &menu, 1, &fresh()).await;
    for order in [&requested, &cooking, &cooked] {
        let answer = platform.api.cancel(order).await.expect(202);
        assert_eq!((text(&answer, "orderId"), text(&answer, "cancellation")), (order.as_str(), "PENDING"));
    }
    let page = format!("/mypages/{requested}");
    platform.api.until(&page, "cancellation", "PENDING").await;

    platform.restart(Service::Order).await;
    for order in [&requested, &cooking] {
        platform.api.follow(order, "CANCELLED").await;
        platform.api.until(&format!("/orders/{order}"), "cancellation", "DONE").await;
    }
    platform.api.until(&format!("/orders/{cooked}"), "cancellation", "REFUSED").await;
    assert_eq!(platform.api.on_hand(&menu).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_still_waits_for_order_can_be_cancelled() {
    let mut platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(5).await;
    platform.kill(Service::Order).await;
    let order = place_for_later(&platform.api, &menu, 1, &fresh()).await;
    platform.api.follow(&order, "REQUESTED").await;

    // Order is back, and slow to take what waits.
    let process = platform.process(Service::Order);
    let plan = process.plan().clone();
    let mut slow = plan.clone();
    slow.environment.insert("FAILPOINTS".to_owned(), "commit.before=sleep(3000)".to_owned());
    *process = slow.start();
    process.ready().await;
    platform.api.get(&format!("/orders/{order}")).await.expect_problem(404);
    let answer = platform.api.cancel(&order).await.expect(202);
    assert_eq!(text(&answer, "cancellation"), "PENDING");
    platform.kill(Service::Order).await;
    *platform.process(Service::Order) = plan.start();
    platform.process(Service::Order).ready().await;
    platform.api.follow(&order, "CANCELLED").await;
    platform.api.until(&format!("/orders/{order}"), "cancellation", "DONE").await;
    platform.api.cancel("nobody-has-this").await.expect_problem(404);
    assert_eq!(platform.api.on_hand(&menu).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_order_would_refuse_is_refused_though_it_is_away() {
    let mut platform = Platform::start(Setup::default()).await;
    platform.kill(Service::Order).await;
    let mut order = order_of("soup", 1);
    order["quantity"] = 1001.into();
    let problem = platform.api.place(&order, Some(&fresh())).await.expect_problem(422);
    assert_eq!(problem["errors"][0]["field"], "quantity");
    let problem = platform.api.place(&order_of("soup", 1), Some(&"k".repeat(256))).await.expect_problem(400);
    assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    platform.api.act("/orders/a%20b/cancel").await.expect_problem(400);
    assert!(platform.records(Topic::OrderRequests).is_empty());
}
