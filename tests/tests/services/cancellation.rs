//! A customer's cancellation: order and cook together, or neither.

use std::fs;

use reqwest::Method;
use tests::{
    api::text,
    platform::{Platform, Setup},
    process::Service,
};

async fn platform() -> Platform {
    Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_its_stock_back() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(5).await;
    let order = platform.api.place_one(&menu, 2).await;
    platform.api.follow(&order, "COOKING").await;
    assert_eq!(platform.api.on_hand(&menu).await, 3);

    for _ in 0..2 {
        let cancelled = platform.api.cancel(&order).await.expect(200);
        assert_eq!((text(&cancelled, "status"), text(&cancelled, "reason")), ("CANCELLED", "CUSTOMER"));
        assert_eq!(text(&cancelled, "cancellation"), "DONE");
        assert_eq!(platform.api.on_hand(&menu).await, 5);
    }
    let page = platform.api.follow(&order, "CANCELLED").await;
    assert_eq!(text(&page, "cookStatus"), "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_between_order_and_the_kitchen_is_changed_while_both_run() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(9).await;
    let cancel = async || {
        let order = platform.api.place_one(&menu, 1).await;
        platform.api.follow(&order, "COOKING").await;
        (platform.api.cancel(&order).await, order)
    };
    let (current, next) = (platform.tokens().join("current"), platform.tokens().join("next"));
    fs::write(&next, "a-new-token").unwrap();
    cancel().await.0.expect(200);
    fs::rename(&next, &current).unwrap();
    cancel().await.0.expect(200);

    // Until the two agree nothing is cancelled, and nothing is left half done.
    fs::write(&current, "\n").unwrap();
    let (refused, order) = cancel().await;
    refused.expect_problem(503);
    let page = platform.api.get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!((text(&page, "status"), text(&page, "cancellation")), ("COOKING", "NONE"));
    fs::write(&current, "a-newer-token").unwrap();
    platform.api.cancel(&order).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_cancels_as_well() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(5).await;
    let order = platform.api.place_one(&menu, 5).await;
    let request = platform.api.request(Method::DELETE, &format!("/orders/{order}"));
    let cancelled = platform.api.send(request).await.expect(200);
    assert_eq!(text(&cancelled, "status"), "CANCELLED");
    // It may have overtaken its own order on the way to the kitchen: nothing is reserved either way.
    platform.api.follow(&order, "CANCELLED").await;
    assert_eq!(platform.api.on_hand(&menu).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cooked_cannot_be_cancelled() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(5).await;
    let order = platform.api.place_one(&menu, 1).await;
    let page = platform.api.follow(&order, "COOKING").await;
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);

    platform.api.cancel(&order).await.expect_problem(409);
    platform.api.follow(&order, "DELIVERED").await;
    let order = platform.api.until(&format!("/orders/{order}"), "status", "DELIVERED").await;
    assert_ne!(text(&order, "cancellation"), "DONE");
    assert_eq!(platform.api.on_hand(&menu).await, 4);
    platform.api.cancel(text(&order, "orderId")).await.expect_problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_order_cannot_be_cancelled() {
    let platform = platform().await;
    platform.api.cancel("0197a000-0000-7000-8000-000000000000").await.expect_problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_kitchen_away_nothing_is_cancelled() {
    let mut platform = platform().await;
    let menu = platform.api.menu_with_stock(5).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "COOKING").await;

    platform.kill(Service::Cook).await;
    let answer = platform.api.cancel(&order).await;
    assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
    answer.expect_problem(503);
    let unchanged = platform.api.get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!((text(&unchanged, "status"), text(&unchanged, "cancellation")), ("COOKING", "NONE"));

    platform.restart(Service::Cook).await;
    assert_eq!(text(&platform.api.cancel(&order).await.expect(200), "status"), "CANCELLED");
    assert_eq!(platform.api.on_hand(&menu).await, 5);
}
