//! What is asked: orders of many customers for many menu items, and reads of what was ordered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ::tests::api::{Api, RESTAURANT, fresh};
use anyhow::{Result, ensure};
use bytes::Bytes;
use contract::{Identifier, order_id};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, header};
use http_body_util::Full;
use rand::Rng;

use crate::load::Make;

/// Enough that orders meet on one item's row no more than in life.
const MENUS: usize = 50;
const CUSTOMERS: u64 = 1000;
const HOST: &str = "shop.test";
/// The most that one restock takes.
const CHUNK: i64 = 1000;

/// The orders of a platform, numbered as they are made.
pub(crate) struct Orders {
    /// Their idempotency keys begin with it.
    run: String,
    menus: Vec<String>,
    next: AtomicU64,
}

impl Orders {
    /// Makes menu items with stock for that many orders.
    ///
    /// # Errors
    /// When the kitchen refuses.
    pub(crate) async fn stock_up(gateway: &Api, orders: u64) -> Result<Arc<Self>> {
        let chunks = orders / (MENUS as u64 * CHUNK.unsigned_abs()) + 1;
        let menus = stream::iter(0..MENUS).map(async |_| {
            let menu = gateway.menu_with_stock(CHUNK).await;
            for _ in 0..chunks {
                let answer = gateway.restock(&menu, CHUNK, &fresh()).await;
                ensure!(answer.status == 200, "restocking {menu}: {}: {}", answer.status, answer.text);
            }
            Ok(menu)
        });
        let menus = menus.buffer_unordered(8).try_collect().await?;
        Ok(Arc::new(Self { run: fresh(), menus, next: AtomicU64::new(0) }))
    }

    /// Orders that nobody cooks: their items are not on any menu.
    pub(crate) fn unstocked() -> Arc<Self> {
        let menus = (0..MENUS).map(|number| format!("menu-{number}")).collect();
        Arc::new(Self { run: fresh(), menus, next: AtomicU64::new(0) })
    }

    /// How many were made so far.
    pub(crate) fn made(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The id that the order of that number gets.
    pub(crate) fn id(&self, number: u64) -> Identifier {
        order_id(&customer(number), &self.key(number))
    }

    fn key(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The item of the order of that number.
    fn menu(&self, number: u64) -> &str {
        // MENUS is small, so the remainder is an index.
        &self.menus[(number % self.menus.len() as u64) as usize]
    }

    /// Makes the next order's request.
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let customer = customer(number);
        let menu = self.menu(number);
        // Written by hand: nothing in it needs escaping, and it shares the machine with what is measured.
        let body = format!(
            r#"{{"customerId":"{customer}","restaurantId":"{RESTAURANT}","menuId":"{menu}","quantity":1,"address":"12 Market Street, third floor"}}"#
        );
        let order = Request::post("/orders")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", self.key(number));
        made(order.body(body.into()))
    }

    /// Orders one after another.
    pub(crate) fn place(self: &Arc<Self>) -> Make {
        self.place_and(|_, _| ())
    }

    /// The same, and tells `sent` of each order's number and when it should be sent.
    pub(crate) fn place_and(self: &Arc<Self>, sent: impl Fn(u64, Instant) + Send + Sync + 'static) -> Make {
        let orders = Arc::clone(self);
        Arc::new(move |intended| {
            let number = orders.next.fetch_add(1, Ordering::Relaxed);
            sent(number, intended);
            orders.request(number)
        })
    }

    /// Reads of MyPage, each of any of the first `count` orders.
    pub(crate) fn read(self: &Arc<Self>, count: u64) -> Make {
        let orders = Arc::clone(self);
        Arc::new(move |_| page(&orders.id(rand::rng().random_range(0..count))))
    }

    /// The number of the order that was made `behind` orders ago.
    pub(crate) fn earlier(&self, behind: u64) -> u64 {
        self.made().saturating_sub(behind)
    }

    /// Cancellations, each of the order that was made `behind` orders ago.
    pub(crate) fn cancel(self: &Arc<Self>, behind: u64) -> Make {
        let orders = Arc::clone(self);
        Arc::new(move |_| {
            let path = format!("/orders/{}/cancel", orders.id(orders.earlier(behind)));
            made(Request::post(path).header(header::HOST, HOST).body(Full::default()))
        })
    }

    /// Reads of all kinds of pages, most of them of one of the orders until `behind` orders ago.
    pub(crate) fn browse(self: &Arc<Self>, behind: u64) -> Make {
        let orders = Arc::clone(self);
        Arc::new(move |_| {
            let mut rng = rand::rng();
            let number = rng.random_range(0..=orders.earlier(behind));
            match rng.random_range(0..10) {
                0 => get(&format!("/mypages?customerId={}", customer(number))),
                1 => get(&format!("/orders?customerId={}", customer(number))),
                2 => get(&format!("/menus/{}", orders.menu(number))),
                3 => get("/cooks?state=STARTED"),
                4 => get("/deliveries?state=STARTED"),
                _ => page(&orders.id(number)),
            }
        })
    }

    /// Restocks by one portion.
    pub(crate) fn restock(self: &Arc<Self>) -> Make {
        let orders = Arc::clone(self);
        Arc::new(move |_| {
            let restock = Request::post(format!("/menus/{}/restock", orders.menu(rand::rng().random())))
                .header(header::HOST, HOST)
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", fresh());
            made(restock.body(r#"{"quantity":1}"#.into()))
        })
    }
}

/// A read of an order's page.
pub(crate) fn page(order: &Identifier) -> Request<Full<Bytes>> {
    get(&format!("/mypages/{order}"))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    made(Request::get(path).header(header::HOST, HOST).body(Full::default()))
}

fn made(request: http::Result<Request<Full<Bytes>>>) -> Request<Full<Bytes>> {
    #[expect(clippy::expect_used, reason = "ids and keys are letters, digits and hyphens: paths and headers take them")]
    request.expect("a request")
}

fn customer(number: u64) -> Identifier {
    #[expect(clippy::expect_used, reason = "letters, a hyphen and at most three digits are an id")]
    format!("customer-{}", number % CUSTOMERS).parse().expect("an id")
}
