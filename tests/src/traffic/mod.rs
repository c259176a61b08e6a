//! Bounded load with a seed: what customers, kitchens and suppliers do is drawn before anything is sent ([`Plan`]),
//! happens at its time whatever the platform does meanwhile ([`run`]), and everything that they are told is kept
//! ([`Record`]).

mod caller;
mod plan;
mod record;

use std::{sync::Arc, time::Duration};

use contract::Identifier;
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use crate::api::{Api, RESTAURANT, text};
use caller::Caller;
pub use plan::{After, Odds, Order, Plan, Settings, Supply};
pub use record::Record;

/// How long a placing or a restock is repeated until its outcome is known.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a wish that nobody relies on is repeated.
const SHORT_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Makes the plan's menu items and their first stock. It is safe to repeat.
///
/// # Errors
/// When the platform does not take them.
pub async fn stock_up(plan: &Plan, gateways: &[Api]) -> Result<Record, String> {
    let caller = Caller::new(gateways);
    for menu in &plan.menus {
        let item = json!({ "restaurantId": RESTAURANT, "name": "Bibimbap" });
        let path = format!("/menus/{menu}");
        let answer = caller.ask(PATIENCE, "PUT /menus", |api| api.request(Method::PUT, &path).json(&item)).await;
        if !answer.as_ref().is_some_and(|answer| matches!(answer.status, 200 | 201)) {
            return Err(format!("PUT {path}: {answer:?}"));
        }
    }
    for supply in &plan.first {
        restock(&caller, supply).await;
    }
    Ok(caller.record())
}

/// Does what the plan says, each thing at its time, and gives what everyone was told. `before` is what was told
/// before. It does not fail: what should not have been told is among the record's complaints.
pub async fn run(plan: Plan, gateways: Vec<Api>, before: Record) -> Record {
    let (caller, start) = (Arc::new(Caller::going_on(&gateways, before)), Instant::now());
    let mut tasks = JoinSet::new();
    for supply in plan.supplies {
        let caller = Arc::clone(&caller);
        tasks.spawn(async move {
            tokio::time::sleep_until(start + supply.at).await;
            restock(&caller, &supply).await;
        });
    }
    for order in plan.orders {
        let caller = Arc::clone(&caller);
        tasks.spawn(async move {
            tokio::time::sleep_until(start + order.at).await;
            follow(&caller, &order).await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done {
            caller.note(|record| record.complaints.push(format!("the load itself failed: {error}")));
        }
    }
    caller.record()
}

/// One order and what comes after it.
async fn follow(caller: &Caller, order: &Order) {
    let Some(id) = place(caller, order).await else { return };
    if order.repeated {
        place(caller, order).await;
    }
    match order.after {
        After::Nothing => {}
        After::Cancel(delay) => {
            tokio::time::sleep(delay).await;
            cancel(caller, &id).await;
        }
        After::Reject(delay) => {
            tokio::time::sleep(delay).await;
            reject(caller, &id).await;
        }
    }
}

async fn place(caller: &Caller, order: &Order) -> Option<Identifier> {
    let body = json!({
        "customerId": order.customer, "restaurantId": RESTAURANT, "menuId": order.menu, "quantity": order.quantity,
    });
    let (customer, start) = (order.customer.parse().expect("an id"), Instant::now());
    let expected = contract::order_id(&customer, &order.key);
    let answer = caller.ask(PATIENCE, "POST /orders", |api| {
        api.request(Method::POST, "/orders").header("Idempotency-Key", &order.key).json(&body)
    });
    let answer = answer.await;
    caller.note(|record| record.placed(&expected, answer.as_ref(), start.elapsed()));
    answer.filter(|answer| answer.status < 300).map(|_| expected)
}

async fn cancel(caller: &Caller, id: &Identifier) {
    let path = format!("/orders/{id}/cancel");
    let answer = caller.ask(SHORT_PATIENCE, "POST /orders/ID/cancel", |api| api.request(Method::POST, &path)).await;
    caller.note(|record| record.cancelled(id, answer.as_ref()));
}

/// The kitchen finds that it can't cook an order after all, if it has begun and it is not too late.
async fn reject(caller: &Caller, id: &Identifier) {
    let (path, start) = (format!("/mypages/{id}"), Instant::now());
    let page = loop {
        let page = caller.ask(SHORT_PATIENCE, "GET /mypages/ID", |api| api.request(Method::GET, &path)).await;
        match page {
            Some(page) if page.body["cookStatus"].is_string() => break page.body,
            _ if start.elapsed() > SHORT_PATIENCE => return,
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    };
    if text(&page, "cookStatus") == "STARTED" {
        let path = format!("/cooks/{}/reject", text(&page, "cookId"));
        // Whatever is answered: it may have been completed or cancelled meanwhile.
        caller.ask(SHORT_PATIENCE, "POST /cooks/ID/reject", |api| api.request(Method::POST, &path)).await;
    }
}

async fn restock(caller: &Caller, supply: &Supply) {
    let (path, body) = (format!("/menus/{}/restock", supply.menu), json!({ "quantity": supply.quantity }));
    let answer = caller.ask(PATIENCE, "POST /menus/ID/restock", |api| {
        api.request(Method::POST, &path).header("Idempotency-Key", &supply.key).json(&body)
    });
    let answer = answer.await;
    caller.note(|record| record.restocked(supply, answer.as_ref()));
}
