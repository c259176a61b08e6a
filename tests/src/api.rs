//! The platform's HTTP API, as a customer, a kitchen or a courier calls it.

use std::time::Duration;

use reqwest::{
    Client, Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::wait;

/// The restaurant of every menu item that a test makes.
pub const RESTAURANT: &str = "r-1";

/// A base URL to send requests to: the gateway's, or one service's.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    http: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; `null` if it is none.
    pub body: Value,
}

impl Answer {
    /// The body, when the status is `expected`.
    ///
    /// # Panics
    /// When the status is another.
    pub fn expect(self, expected: u16) -> Value {
        assert_eq!(self.status, expected, "{}", self.text);
        self.body
    }

    /// A header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, when the answer is a problem (RFC 9457) with that status.
    ///
    /// # Panics
    /// When it is not.
    pub fn expect_problem(self, expected: u16) -> Value {
        assert_eq!(self.status, expected, "{}", self.text);
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], expected, "{}", self.text);
        assert!(self.body["title"].is_string(), "{}", self.text);
        self.body
    }
}

/// The body of `POST /orders`.
pub fn order_of(menu: &str, quantity: i64) -> Value {
    json!({ "customerId": "ann", "restaurantId": RESTAURANT, "menuId": menu, "quantity": quantity })
}

/// A fresh idempotency key, or the unique end of a name.
pub fn fresh() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A text field of a JSON object; empty if it is missing.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

impl Api {
    /// The API at `base`, for instance `http://127.0.0.1:30080`.
    ///
    /// # Panics
    /// When the HTTP client cannot be built.
    pub fn new(base: impl Into<String>) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(30)).build().expect("a plain HTTP client");
        Self { base: base.into(), http }
    }

    /// The same API, for a caller who waits at most `timeout` for each answer.
    ///
    /// # Panics
    /// When the HTTP client cannot be built.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { http: Client::builder().timeout(timeout).build().expect("a plain HTTP client"), ..self }
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request to be completed and sent with [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When there is no answer: what went wrong, as text.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, String> {
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(|error| format!("{error:?}"))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, text, body })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{}: {error}", self.base))
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `POST path` without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    /// Places an order.
    pub async fn place(&self, order: &Value, key: Option<&str>) -> Answer {
        let request = self.request(Method::POST, "/orders").json(order);
        self.send(key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key))).await
    }

    /// Places an order of `menu` that must be taken, and gives its id.
    pub async fn place_one(&self, menu: &str, quantity: i64) -> String {
        let answer = self.place(&order_of(menu, quantity), Some(&fresh())).await;
        text(&answer.expect(201), "orderId").to_owned()
    }

    /// Cancels an order as its customer.
    pub async fn cancel(&self, order: &str) -> Answer {
        self.act(&format!("/orders/{order}/cancel")).await
    }

    /// Makes a new menu item with `stock` portions, and gives its id.
    pub async fn menu_with_stock(&self, stock: i64) -> String {
        let menu = format!("m-{}", fresh());
        let item = json!({ "restaurantId": RESTAURANT, "name": "Bibimbap" });
        let answer = self.send(self.request(Method::PUT, &format!("/menus/{menu}")).json(&item)).await;
        assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text);
        if stock > 0 {
            let answer = self.restock(&menu, stock, &fresh()).await;
            assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text);
        }
        menu
    }

    /// Puts `quantity` more portions of `menu` in stock.
    pub async fn restock(&self, menu: &str, quantity: i64, key: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/menus/{menu}/restock"));
        self.send(request.header("Idempotency-Key", key).json(&json!({ "quantity": quantity }))).await
    }

    /// How many portions of `menu` are on hand.
    pub async fn on_hand(&self, menu: &str) -> i64 {
        let item = self.get(&format!("/menus/{menu}")).await.expect(200);
        item["onHand"].as_i64().unwrap_or_else(|| panic!("no onHand in {item}"))
    }

    /// What MyPage says of an order.
    pub async fn mypage(&self, order: &str) -> Answer {
        self.get(&format!("/mypages/{order}")).await
    }

    /// Waits until MyPage shows `status` for an order, and gives what it shows.
    pub async fn follow(&self, order: &str, status: &str) -> Value {
        let path = format!("/mypages/{order}");
        self.until(&path, "status", status).await
    }

    /// Waits until the object at `path` has `value` in `field`, and gives the object.
    pub async fn until(&self, path: &str, field: &str, value: &str) -> Value {
        wait::until(&format!("{path} with {field} {value}"), wait::SOON, async || {
            let answer = self.try_send(self.request(Method::GET, path)).await?;
            if text(&answer.body, field) == value { Ok(answer.body) } else { Err(answer.text) }
        })
        .await
    }
}
