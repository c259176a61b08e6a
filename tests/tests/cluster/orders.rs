//! Orders through the gateway's own address, as a customer outside the cluster places them.

use tests::{
    api::{Api, text},
    cluster::Cluster,
    servers,
};

async fn gateway() -> Api {
    Cluster::connect().await.quickstart().await.until_ready().await;
    Api::new(servers::gateway())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_delivered() {
    let api = gateway().await;
    let menu = api.menu_with_stock(10).await;
    let order = api.place_one(&menu, 2).await;
    let page = api.follow(&order, "DELIVERED").await;
    assert_eq!((text(&page, "cookStatus"), text(&page, "deliveryStatus")), ("COMPLETED", "DELIVERED"));
    assert_eq!(api.on_hand(&menu).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_stock_is_cancelled() {
    let api = gateway().await;
    let menu = api.menu_with_stock(1).await;
    let order = api.place_one(&menu, 2).await;
    api.follow(&order, "CANCELLED").await;
    let order = api.until(&format!("/orders/{order}"), "status", "CANCELLED").await;
    assert_eq!(text(&order, "reason"), "OUT_OF_STOCK");
    assert_eq!(api.on_hand(&menu).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_its_stock_back() {
    let api = gateway().await;
    let menu = api.menu_with_stock(3).await;
    let order = api.place_one(&menu, 3).await;
    // Cooking takes a second at least in the quickstart: this is in time.
    let cancelled = api.cancel(&order).await.expect(200);
    assert_eq!((text(&cancelled, "status"), text(&cancelled, "reason")), ("CANCELLED", "CUSTOMER"));
    api.follow(&order, "CANCELLED").await;
    assert_eq!(api.on_hand(&menu).await, 3);
}
