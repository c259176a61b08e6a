//! The services' own commands: for what is stuck, and for what was lost.

use contract::{CloudEvent, Event, Topic};
use serde_json::Value;
use tests::{
    api::{fresh, order_of, text},
    platform::{Platform, Setup},
    process::Service,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_and_sent_again_to_its_one_reader() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "DELIVERED").await;
    // What was said of the order, but nobody can read it.
    let said = platform.records(Topic::Menu).into_iter().find(|record| record.key == order).expect("an event");
    let headers: Vec<_> = said.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    platform.kafka.write(&Topic::Menu.name(&platform.prefix), &order, &headers, b"{}").await;
    let dead = Topic::Menu.dead_letter_name(&platform.prefix);
    wait::until("two dead letters", wait::SOON, async || wait::equals(platform.kafka.records(&dead).len(), 2)).await;

    let cook = platform.process(Service::Cook).plan().clone();
    let list = tokio::task::block_in_place(|| cook.run(&["dead-letters", "list"]));
    let letters: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len(), 1, "cook's own, not MyPage's: {list}");
    assert_eq!((text(&letters[0], "key"), text(&letters[0], "type")), (order.as_str(), "Ordered"));
    assert!(text(&letters[0], "error").starts_with("payload of Ordered"), "{list}");

    let sent = tokio::task::block_in_place(|| cook.run(&["dead-letters", "resend", text(&letters[0], "at")]));
    assert_eq!(sent, "sent 1 again\n");
    // It can't be read this time either: cook puts it away again, and MyPage is not asked.
    let again = wait::until("a third dead letter", wait::SOON, async || {
        let records = platform.kafka.records(&dead);
        if records.len() == 3 { Ok(records) } else { Err(format!("{records:?}")) }
    })
    .await;
    let readers: Vec<_> = again.iter().map(|record| record.headers["dlq_reader"].clone()).collect();
    assert_eq!(readers.iter().filter(|reader| reader.ends_with("cook")).count(), 2, "{readers:?}");
    let known = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&known, "CANCELLED").await;
    assert_eq!(platform.kafka.records(&dead).len(), 3, "MyPage had nothing to put away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_one_reader_is_applied_by_that_reader_alone() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(2).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "DELIVERED").await;
    let said = platform.records(Topic::Menu).into_iter().find(|record| record.key == order).expect("an event");
    let Event::Ordered(mut snapshot) = said.event().event else { panic!("{said:?}") };
    // An order that only cook is told of.
    snapshot.order_id = fresh().parse().expect("an id");
    let event = CloudEvent::new("/tests", None, Event::Ordered(snapshot.clone()));
    let group = platform.group(Service::Cook).to_owned();
    let mut headers = event.headers();
    headers.push(("dlq_for", group));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let payload = event.event.payload().expect("JSON");
    let topic = Topic::Menu.name(&platform.prefix);
    platform.kafka.write(&topic, snapshot.order_id.as_str(), &headers, &payload).await;
    let cooks = || async { platform.rows(Service::Cook, "cooks").await };
    wait::until("a second cook", wait::SOON, async || wait::equals(cooks().await?, 2)).await;
    // MyPage hears of it by the cook's own events, not by the order's.
    let page = platform.api.follow(snapshot.order_id.as_str(), "DELIVERED").await;
    assert_eq!(page["version"], Value::Null, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_views_are_filled_again() {
    let mut platform = Platform::start(Setup { cooking_time: "manual", ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(3).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(platform.api.place_one(&menu, 1).await);
    }
    for order in &orders {
        platform.api.follow(order, "COOKING").await;
    }
    let cook = platform.api.mypage(&orders[0]).await.expect(200)["cookId"].clone();
    let cook = cook.as_str().expect("an id");
    platform.api.act(&format!("/cooks/{cook}/complete")).await.expect(200);
    platform.api.follow(&orders[0], "DELIVERED").await;
    platform.api.cancel(&orders[1]).await.expect(200);
    // The kitchen's word alone makes it CANCELLED; what order says of it comes by itself.
    wait::until("order's word of the cancellation", wait::SOON, async || {
        let page = platform.api.mypage(&orders[1]).await.expect(200);
        wait::equals((text(&page, "status"), text(&page, "cancellation")), ("CANCELLED", "DONE"))
    })
    .await;
    platform.kill(Service::Order).await;
    let requested = platform.api.place(&order_of(&menu, 1), Some(&fresh())).await.expect(202);
    let requested = text(&requested, "orderId").to_owned();
    platform.api.follow(&requested, "REQUESTED").await;
    orders.push(requested);
    let mut before = Vec::new();
    for order in &orders {
        before.push(platform.api.mypage(order).await.expect(200));
    }

    platform.kill(Service::Mypage).await;
    let schema = platform.schema(Service::Mypage).to_owned();
    platform.database.execute(&format!("TRUNCATE {schema}.views")).await.expect("an empty table");
    platform.restart(Service::Mypage).await;
    let mypage = platform.process(Service::Mypage).plan().clone();
    let said = tokio::task::block_in_place(|| mypage.try_run(&["rebuild"])).expect_err("order is away");
    assert!(said.starts_with("error: cannot read /orders of order: "), "{said}");
    platform.restart(Service::Order).await;
    tokio::task::block_in_place(|| mypage.run(&["rebuild"]));
    for (order, before) in orders.iter().zip(&before).take(3) {
        let after = platform.api.mypage(order).await.expect(200);
        for field in
            ["status", "cancellation", "reason", "cookId", "cookStatus", "deliveryId", "deliveryStatus", "version"]
        {
            assert_eq!(after[field], before[field], "{field} of {order}");
        }
    }
    platform.api.follow(&orders[3], "COOKING").await;
}
