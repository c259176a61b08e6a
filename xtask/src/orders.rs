//! One order through the gateway, from stock to delivery.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use local::{Progress, Step};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a call may go unanswered before it is an error: a service that starts says 503 until it is ready.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at the order.
const INTERVAL: Duration = Duration::from_millis(200);
const MENU: &str = "bibimbap";

/// Puts a menu item in stock, orders it, and follows the order on MyPage until it is delivered.
pub(crate) async fn walk(gateway: &str, progress: &Progress) -> Result<()> {
    let step = progress.step("order through the gateway");
    let shop = Shop { http: Client::builder().timeout(Duration::from_secs(10)).build()?, gateway, step: &step };
    let menu = format!("/menus/{MENU}");
    shop.call(Method::PUT, &menu, &json!({"restaurantId": "seoul-kitchen", "name": "Bibimbap"})).await?;
    shop.call(Method::POST, &format!("{menu}/restock"), &json!({"quantity": 10})).await?;
    let order = json!({"customerId": "kim", "restaurantId": "seoul-kitchen", "menuId": MENU, "quantity": 1});
    let placed = shop.call(Method::POST, "/orders", &order).await?;
    let id = placed["orderId"].as_str().context("the answer to POST /orders has no orderId")?;
    let page = format!("/mypages/{id}");

    let deadline = Instant::now() + LIMIT;
    let mut status = String::new();
    while status != "DELIVERED" {
        if Instant::now() > deadline {
            bail!("order {id} is still {status} after {} s: GET {gateway}{page}", LIMIT.as_secs());
        }
        let now = shop.look(&page).await?;
        if !now.is_empty() && now != status {
            progress.line(&format!("    order {id} {now}"));
            status = now;
        }
        if ["CANCELLED", "REJECTED", "DELIVERY_FAILED"].contains(&status.as_str()) {
            bail!("order {id} ended {status} instead of DELIVERED: GET {gateway}{page}");
        }
        sleep(INTERVAL).await;
    }
    step.done(&format!("{id} DELIVERED"));
    Ok(())
}

struct Shop<'a> {
    http: Client,
    gateway: &'a str,
    step: &'a Step,
}

impl Shop<'_> {
    /// Makes a call and returns its answer. The same idempotency key goes with every attempt, so repeating is safe.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let key = Uuid::new_v4().to_string();
        let deadline = Instant::now() + LIMIT;
        let url = format!("{}{path}", self.gateway);
        loop {
            self.step.message(&format!("{method} {path}"));
            let request = self.http.request(method.clone(), &url).header("Idempotency-Key", &key).json(body);
            let said = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer.json().await.unwrap_or_default()),
                Ok(answer) => {
                    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
                    if !is_passing(status) {
                        bail!("{method} {url} answered {status}: {text}");
                    }
                    format!("{status}: {text}")
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                bail!("{method} {url} has not succeeded for {} s: {said}", LIMIT.as_secs());
            }
            sleep(INTERVAL).await;
        }
    }

    /// The order's overall status; empty while MyPage does not know the order.
    async fn look(&self, path: &str) -> Result<String> {
        let answer = match self.http.get(format!("{}{path}", self.gateway)).send().await {
            Ok(answer) if answer.status().is_success() => answer.json::<Value>().await?,
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND || is_passing(answer.status()) => {
                return Ok(String::new());
            }
            Ok(answer) => bail!("GET {path} answered {}", answer.status()),
            Err(_) => return Ok(String::new()),
        };
        Ok(answer["status"].as_str().unwrap_or_default().to_owned())
    }
}

/// Whether the same call may succeed a little later.
fn is_passing(status: StatusCode) -> bool {
    [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status)
}
