//! The gateway: the one way in. It forwards to the services, and makes placing an order safe to repeat.

mod deferring;
mod headers;
mod openapi;
mod placing;
mod routes;
mod streams;
mod upstream;

use std::time::Duration;

use anyhow::Context;
use chassis::{NoTools, Platform, Service};
use clap::Args;
use http::Uri;
use sqlx::migrate::Migrator;

pub use crate::{
    deferring::Deferring,
    placing::ORDER_ID,
    routes::{Upstreams, routes},
    upstream::{BreakerSettings, ForwardError, IDEMPOTENCY_KEY, Limits, Outgoing, Upstream},
};

/// The gateway as a service.
#[derive(Debug)]
pub struct Gateway;

/// Where the services are, and how long they may take.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The order service: http://HOST:PORT.
    #[arg(long, env = "ORDER_URL", value_name = "ORDER_URL")]
    pub order_url: Uri,
    /// The cook service.
    #[arg(long, env = "COOK_URL", value_name = "COOK_URL")]
    pub cook_url: Uri,
    /// The delivery service.
    #[arg(long, env = "DELIVERY_URL", value_name = "DELIVERY_URL")]
    pub delivery_url: Uri,
    /// The mypage service.
    #[arg(long, env = "MYPAGE_URL", value_name = "MYPAGE_URL")]
    pub mypage_url: Uri,
    /// How long making a connection to an endpoint may take, before another one is tried.
    #[arg(long, env = "CONNECT_TIMEOUT", value_name = "CONNECT_TIMEOUT", default_value = "2s",
          value_parser = humantime::parse_duration)]
    pub connect_timeout: Duration,
    /// How long an answer's head may take. (After 9 s the server itself gives up, for every service alike.)
    #[arg(long, env = "RESPONSE_TIMEOUT", value_name = "RESPONSE_TIMEOUT", default_value = "8s",
          value_parser = humantime::parse_duration)]
    pub response_timeout: Duration,
    /// The breaker between this and the order service.
    #[command(flatten)]
    pub order_breaker: OrderBreaker,
    /// That of the cook service.
    #[command(flatten)]
    pub cook_breaker: CookBreaker,
    /// That of the delivery service.
    #[command(flatten)]
    pub delivery_breaker: DeliveryBreaker,
    /// That of the mypage service.
    #[command(flatten)]
    pub mypage_breaker: MypageBreaker,
}

breaker::arguments! {
    /// The circuit breaker between the gateway and the order service.
    pub struct OrderBreaker: "order", "ORDER"
}
breaker::arguments! {
    /// The circuit breaker between the gateway and the cook service.
    pub struct CookBreaker: "cook", "COOK"
}
breaker::arguments! {
    /// The circuit breaker between the gateway and the delivery service.
    pub struct DeliveryBreaker: "delivery", "DELIVERY"
}
breaker::arguments! {
    /// The circuit breaker between the gateway and the mypage service.
    pub struct MypageBreaker: "mypage", "MYPAGE"
}

impl Service for Gateway {
    const NAME: &'static str = "gateway";

    type Settings = Settings;
    type Tool = NoTools;

    fn migrations() -> Option<&'static Migrator> {
        None
    }

    fn openapi() -> serde_json::Value {
        openapi::document()
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let Settings { order_url, cook_url, delivery_url, mypage_url, .. } = &settings;
        let limits = Limits { connect: settings.connect_timeout, response: settings.response_timeout };
        let upstreams = Upstreams {
            order: Upstream::new("order", order_url, settings.order_breaker.into(), limits).context("ORDER_URL")?,
            cook: Upstream::new("cook", cook_url, settings.cook_breaker.into(), limits).context("COOK_URL")?,
            delivery: Upstream::new("delivery", delivery_url, settings.delivery_breaker.into(), limits)
                .context("DELIVERY_URL")?,
            mypage: Upstream::new("mypage", mypage_url, settings.mypage_breaker.into(), limits)
                .context("MYPAGE_URL")?,
        };
        let deferring = Deferring::new(platform.publisher()?, platform.source());
        platform.serve(routes(upstreams, deferring, platform.stopping()));
        Ok(())
    }
}
