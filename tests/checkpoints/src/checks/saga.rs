//! A saga by choreography: order, cook and delivery agree by events alone, and what can't go on is undone.

use futures::future::join_all;
use tests::{
    api::{Api, fresh, order_of, text},
    invariants::Acceptance,
    process::Service,
    wait,
};

use crate::{
    Outcome, Shown, Stage,
    load::{GENTLE, Load, PAGES},
};

const STOCK: usize = 20;
const ORDERS: usize = 30;

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    let load = Load::start(stage, GENTLE, PAGES, &[Service::Order, Service::Cook]).await;
    let menu = api.menu_with_stock(STOCK as i64).await;
    load.mark(format!("{ORDERS} orders"));
    let placed = (0..ORDERS).map(|_| async {
        let answer = api.place(&order_of(&menu, 1), Some(&fresh())).await;
        text(&answer.expect(201), "orderId").to_owned()
    });
    let orders = join_all(placed).await;
    let cook = stage.direct(Service::Cook).await;
    let (mut delivered, mut cancelled) = (vec![], vec![]);
    for order in &orders {
        let page = wait::until(&format!("the end of order {order}"), wait::SOON, async || {
            let page = api.mypage(order).await;
            let is_over = matches!(text(&page.body, "status"), "DELIVERED" | "CANCELLED");
            if is_over { Ok(page.body) } else { Err(page.text) }
        })
        .await;
        if text(&page, "status") == "DELIVERED" {
            delivered.push(order);
            continue;
        }
        // The same everywhere.
        let own = api.until(&format!("/orders/{order}"), "status", "CANCELLED").await;
        let cooked = cook.get(&format!("/cooks/{}", text(&page, "cookId"))).await.expect(200);
        for (who, part, field) in
            [("order", &own, "status"), ("MyPage", &page, "cookStatus"), ("cook", &cooked, "status")]
        {
            if text(part, field) != "CANCELLED" {
                return Err(format!(
                    "{who} says {} of order {order}, which MyPage has cancelled: {part}",
                    text(part, field)
                ));
            }
        }
        for (who, part) in [("order", &own), ("MyPage", &page), ("cook", &cooked)] {
            if text(part, "reason") != "OUT_OF_STOCK" {
                return Err(format!("{who} doesn't say OUT_OF_STOCK of order {order}: {part}"));
            }
        }
        cancelled.push(order);
    }
    if (delivered.len(), cancelled.len()) != (STOCK, ORDERS - STOCK) {
        return Err(format!(
            "{} delivered and {} cancelled, of {ORDERS} with a stock of {STOCK}",
            delivered.len(),
            cancelled.len()
        ));
    }
    load.mark("the end of the last one");
    let shown = vec![
        shown(&format!("/orders/{}", cancelled[0]), api).await,
        shown(&format!("/mypages/{}", cancelled[0]), api).await,
        shown(&format!("/menus/{menu}"), api).await,
        stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await,
    ];
    let left = api.on_hand(&menu).await;
    if left != 0 {
        return Err(format!("{left} portions are left of {STOCK}"));
    }
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let mut told = traffic.told;
    told.accepted.extend(orders.iter().map(|order| (order.parse().expect("an id"), Acceptance::Placed)));
    let held = stage.invariants(told).await?;
    Ok(Outcome {
        done: format!("{ORDERS} orders at once for a stock of {STOCK}"),
        seen: format!(
            "{} delivered, {} cancelled as OUT_OF_STOCK in order, cook and MyPage, while {answered} other requests were answered; \
             {held}",
            delivered.len(),
            cancelled.len()
        ),
        figure: format!("{} + {}", delivered.len(), cancelled.len()),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// What the gateway answers.
async fn shown(path: &str, api: &Api) -> Shown {
    Shown { command: format!("curl {}", api.url(path)), output: api.get(path).await.text + "\n" }
}
