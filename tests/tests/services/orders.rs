//! Placing orders and following them.

use serde_json::{Value, json};
use tests::{
    api::{RESTAURANT, fresh, order_of, text},
    platform::{Platform, Setup},
    sse::Events,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cooked_and_delivered_and_mypage_shows_it() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(10).await;

    let answer = platform.api.place(&order_of(&menu, 2), Some(&fresh())).await;
    let location = answer.header("location").to_owned();
    let order = answer.expect(201);
    let id = text(&order, "orderId");
    assert!(location.ends_with(&format!("/orders/{id}")), "{location}");
    assert_eq!((text(&order, "status"), text(&order, "cancellation")), ("PLACED", "NONE"));
    assert_eq!((text(&order, "customerId"), text(&order, "restaurantId")), ("ann", RESTAURANT));
    assert_eq!((text(&order, "menuId"), &order["quantity"]), (menu.as_str(), &json!(2)));
    assert_eq!((&order["reason"], &order["version"]), (&Value::Null, &json!(1)));

    let page = platform.api.follow(id, "DELIVERED").await;
    assert_eq!((text(&page, "cookStatus"), text(&page, "deliveryStatus")), ("COMPLETED", "DELIVERED"));
    assert!(!text(&page, "cookId").is_empty() && !text(&page, "deliveryId").is_empty(), "{page}");
    assert_eq!((text(&page, "customerId"), &page["quantity"]), ("ann", &json!(2)));

    platform.api.until(&format!("/orders/{id}"), "status", "DELIVERED").await;
    assert_eq!(platform.api.on_hand(&menu).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_stock_is_cancelled_and_takes_nothing() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(2).await;

    let id = platform.api.place_one(&menu, 3).await;
    let page = platform.api.follow(&id, "CANCELLED").await;
    assert_eq!(text(&page, "cookStatus"), "CANCELLED");

    let order = platform.api.until(&format!("/orders/{id}"), "status", "CANCELLED").await;
    assert_eq!((text(&order, "reason"), text(&order, "cancellation")), ("OUT_OF_STOCK", "NONE"));
    assert_eq!(platform.api.on_hand(&menu).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_an_unknown_menu_is_cancelled() {
    let platform = Platform::start(Setup::default()).await;
    let id = platform.api.place_one("nobody-cooks-this", 1).await;
    let order = platform.api.until(&format!("/orders/{id}"), "status", "CANCELLED").await;
    assert_eq!(text(&order, "reason"), "UNKNOWN_MENU");
    platform.api.follow(&id, "CANCELLED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn placing_is_idempotent_by_customer_and_key() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(10).await;
    let (order, key) = (order_of(&menu, 1), fresh());

    let first = platform.api.place(&order, Some(&key)).await.expect(201);
    platform.api.follow(text(&first, "orderId"), "DELIVERED").await;
    let again = platform.api.place(&order, Some(&key)).await;
    assert!(matches!(again.status, 200 | 201), "{}: {}", again.status, again.text);
    for field in ["orderId", "customerId", "restaurantId", "menuId", "quantity", "createdAt"] {
        assert_eq!(again.body[field], first[field], "{field}");
    }
    assert_eq!(platform.api.on_hand(&menu).await, 9, "one order, however often it is sent");

    platform.api.place(&order_of(&menu, 2), Some(&key)).await.expect_problem(422);

    let mut other = order.clone();
    other["customerId"] = json!("bob");
    let other = platform.api.place(&other, Some(&key)).await.expect(201);
    assert_ne!(other["orderId"], first["orderId"], "a key belongs to a customer");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_every_request_is_an_order() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(10).await;
    let first = platform.api.place(&order_of(&menu, 1), None).await.expect(201);
    let second = platform.api.place(&order_of(&menu, 1), None).await.expect(201);
    assert_ne!(first["orderId"], second["orderId"]);
    for order in [&first, &second] {
        platform.api.follow(text(order, "orderId"), "DELIVERED").await;
    }
    assert_eq!(platform.api.on_hand(&menu).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_page_by_page() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(10).await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(platform.api.place_one(&menu, 1).await);
    }
    for order in &placed {
        platform.api.follow(order, "DELIVERED").await;
    }
    for list in ["/orders?customerId=ann&limit=2", "/mypages?customerId=ann&limit=2"] {
        let (mut seen, mut path) = (Vec::new(), list.to_owned());
        loop {
            let page = platform.api.get(&path).await.expect(200);
            let items = page["items"].as_array().expect("items");
            assert!(items.len() <= 2, "{page}");
            seen.extend(items.iter().map(|item| text(item, "orderId").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("{list}&cursor={next}");
        }
        seen.sort();
        let mut expected = placed.clone();
        expected.sort();
        assert_eq!(seen, expected, "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_follows_an_order_to_delivered() {
    let setup = Setup { cooking_time: "manual", delivery_time: "manual", ..Setup::default() };
    let platform = Platform::start(setup).await;
    let menu = platform.api.menu_with_stock(1).await;
    let id = platform.api.place_one(&menu, 1).await;
    // MyPage learns of an order by its events.
    let page = platform.api.follow(&id, "COOKING").await;

    let mut events = Events::open(&platform.api.url(&format!("/mypages/{id}/events"))).await;
    let first = events.until_status("COOKING").await;
    assert_eq!(first.len(), 1, "it begins with the order as it is");
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
    let pages = events.until_status("DELIVERING").await;
    let delivery = format!("/deliveries/{}", text(pages.last().expect("one at least"), "deliveryId"));
    platform.api.act(&format!("{delivery}/pick-up")).await.expect(200);
    platform.api.act(&format!("{delivery}/complete")).await.expect(200);
    let last = events.until_status("DELIVERED").await.pop().expect("one at least");
    assert_eq!(text(&last, "deliveryStatus"), "DELIVERED");
}
