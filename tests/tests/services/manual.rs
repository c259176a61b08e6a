//! Kitchen and courier by hand: `COOKING_TIME=manual`, `DELIVERY_TIME=manual`.

use tests::{
    api::text,
    platform::{Platform, Setup},
};

async fn platform() -> Platform {
    Platform::start(Setup { cooking_time: "manual", delivery_time: "manual", ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kitchen_and_courier_say_when_they_are_done() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;

    let page = platform.api.follow(&order, "COOKING").await;
    let cook = format!("/cooks/{}", text(&page, "cookId"));
    assert_eq!(text(&platform.api.get(&cook).await.expect(200), "status"), "STARTED");
    for _ in 0..2 {
        let done = platform.api.act(&format!("{cook}/complete")).await.expect(200);
        assert_eq!(text(&done, "status"), "COMPLETED", "repeating it changes nothing");
    }
    platform.api.act(&format!("{cook}/reject")).await.expect_problem(409);

    let page = platform.api.follow(&order, "DELIVERING").await;
    let delivery = format!("/deliveries/{}", text(&page, "deliveryId"));
    assert_eq!(text(&platform.api.get(&delivery).await.expect(200), "status"), "STARTED");
    let picked_up = platform.api.act(&format!("{delivery}/pick-up")).await.expect(200);
    assert_eq!(text(&picked_up, "status"), "PICKED_UP");
    let delivered = platform.api.act(&format!("{delivery}/complete")).await.expect(200);
    assert_eq!(text(&delivered, "status"), "DELIVERED");
    platform.api.act(&format!("{delivery}/fail")).await.expect_problem(409);
    platform.api.follow(&order, "DELIVERED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kitchen_rejects_and_the_stock_is_back() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(4).await;
    let order = platform.api.place_one(&menu, 3).await;
    let page = platform.api.follow(&order, "COOKING").await;
    assert_eq!(platform.api.on_hand(&menu).await, 1);

    platform.api.act(&format!("/cooks/{}/reject", text(&page, "cookId"))).await.expect(200);
    let order = platform.api.until(&format!("/orders/{order}"), "status", "CANCELLED").await;
    assert_eq!(text(&order, "reason"), "KITCHEN");
    assert_eq!(platform.api.on_hand(&menu).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_courier_fails_and_the_order_shows_it() {
    let platform = platform().await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    let page = platform.api.follow(&order, "COOKING").await;
    platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
    let page = platform.api.follow(&order, "DELIVERING").await;
    platform.api.act(&format!("/deliveries/{}/fail", text(&page, "deliveryId"))).await.expect(200);
    platform.api.follow(&order, "DELIVERY_FAILED").await;
    platform.api.until(&format!("/orders/{order}"), "status", "DELIVERY_FAILED").await;
}
