//! The gateway: the one way in, and what it never lets in.

use serde_json::json;
use tests::{
    api::{RESTAURANT, fresh, text},
    platform::{Platform, Setup, TOKEN},
    process::Service,
};

#[tokio::test(flavor = "multi_thread")]
async fn cancellations_are_for_the_platform_alone() {
    let mut platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    let page = platform.api.follow(&order, "COOKING").await;
    let cancel = json!({
        "orderId": order, "attemptId": "0197a000-0000-7000-8000-000000000000", "customerId": "ann",
        "restaurantId": RESTAURANT, "menuId": menu, "quantity": 1,
    });
    for path in ["/cancellations", "/cancellations/", "//cancellations", "/menus/../cancellations", "/%63ancellations"]
    {
        platform.api.post(path, &cancel).await.expect_problem(404);
    }
    let path = format!("/cooks/{}", text(&page, "cookId"));
    assert_eq!(text(&platform.api.get(&path).await.expect(200), "status"), "STARTED");
    // Inside, it is there: what the gateway refused was a real path. But it is for order alone.
    let cook = platform.service(Service::Cook);
    let stranger = cook.post("/cancellations", &cancel).await;
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
    stranger.expect_problem(401);
    let with = |token: &str| {
        let request = cook.request(reqwest::Method::POST, "/cancellations").json(&cancel);
        cook.send(request.bearer_auth(token))
    };
    for wrong in ["", "another", &TOKEN[1..], &format!("{TOKEN}.")] {
        with(wrong).await.expect_problem(401);
    }
    assert_eq!(text(&cook.get(&path).await.expect(200), "status"), "STARTED");
    let decision = with(TOKEN).await.expect(200);
    assert_eq!(text(&decision, "outcome"), "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_is_behind_it() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "DELIVERED").await;
    for path in ["/orders", "/menus", "/cooks", "/deliveries", "/mypages?customerId=ann"] {
        let list = platform.api.get(path).await.expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{path}: {list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id() {
    let platform = Platform::start(Setup::default()).await;
    let id = fresh();
    let request = platform.api.request(reqwest::Method::GET, "/orders").header("x-request-id", &id);
    assert_eq!(platform.api.send(request).await.header("x-request-id"), id);
}
