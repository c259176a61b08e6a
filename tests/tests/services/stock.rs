//! Stock is exact: every change of it is a movement in a ledger, once.

use serde_json::{Value, json};
use tests::{
    api::{Api, fresh, text},
    platform::{Platform, Setup},
};

async fn movements(api: &Api, menu: &str) -> Vec<Value> {
    let page = api.get(&format!("/menus/{menu}/movements")).await.expect(200);
    page["items"].as_array().cloned().unwrap_or_else(|| panic!("no items in {page}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn restocking_is_idempotent_by_key() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(0).await;
    assert_eq!(platform.api.on_hand(&menu).await, 0, "a new item has no stock");

    let key = fresh();
    for _ in 0..3 {
        let answer = platform.api.restock(&menu, 5, &key).await;
        assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text);
    }
    assert_eq!(platform.api.on_hand(&menu).await, 5);
    platform.api.restock(&menu, 6, &key).await.expect_problem(422);
    assert_eq!(platform.api.on_hand(&menu).await, 5);
    platform.api.restock(&menu, 6, &fresh()).await;
    assert_eq!(platform.api.on_hand(&menu).await, 11);
    assert_eq!(movements(&platform.api, &menu).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_an_item_again_leaves_its_stock() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(5).await;
    let item = json!({ "restaurantId": "r-1", "name": "Kimchi jjigae" });
    let request = platform.api.request(reqwest::Method::PUT, &format!("/menus/{menu}")).json(&item);
    let answer = platform.api.send(request).await.expect(200);
    assert_eq!((text(&answer, "name"), &answer["onHand"]), ("Kimchi jjigae", &json!(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_tells_the_stock() {
    let platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(5).await;
    let kept = platform.api.place_one(&menu, 2).await;
    let cancelled = platform.api.place_one(&menu, 1).await;
    // Only what one order says to the kitchen has an order: the third could take the stock before them.
    platform.api.follow(&kept, "COOKING").await;
    platform.api.follow(&cancelled, "COOKING").await;
    let refused = platform.api.place_one(&menu, 4).await;
    platform.api.follow(&refused, "CANCELLED").await;
    platform.api.cancel(&cancelled).await.expect(200);

    let ledger = movements(&platform.api, &menu).await;
    let sum: i64 = ledger.iter().map(|movement| movement["quantity"].as_i64().expect("a number")).sum();
    assert_eq!(sum, 3, "{ledger:?}");
    assert_eq!(platform.api.on_hand(&menu).await, 3);
    let mut kinds: Vec<_> = ledger.iter().map(|movement| text(movement, "kind")).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["RESERVE", "RESERVE", "RESTOCK", "RESTORE"], "an order without stock moves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_portions_are_sold_once() {
    let platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(3).await;
    let mut orders = Vec::new();
    for _ in 0..8 {
        orders.push(platform.api.place_one(&menu, 1).await);
    }
    let mut cooking = 0;
    for order in &orders {
        let page = tests::wait::until("the kitchen's answer", tests::wait::SOON, async || {
            let page = platform.api.mypage(order).await.body;
            if page["cookStatus"].is_string() { Ok(page) } else { Err(page.to_string()) }
        })
        .await;
        cooking += i64::from(text(&page, "cookStatus") == "STARTED");
    }
    assert_eq!((cooking, platform.api.on_hand(&menu).await), (3, 0));
}
