//! The gateway: the one way in. It forwards to the services, and makes placing an order safe to repeat.

mod connector;
mod headers;
mod placing;
mod routes;
mod streams;
mod upstream;

use std::time::Duration;

use anyhow::Context;
use chassis::{Platform, Service};
use clap::Args;
use http::Uri;
use sqlx::migrate::Migrator;

pub use crate::{
    placing::ORDER_ID,
    routes::{Upstreams, routes},
    upstream::{ForwardError, IDEMPOTENCY_KEY, Limits, Outgoing, Upstream},
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
    /// How long making a connection may take, over all endpoints of a service.
    #[arg(long, env = "CONNECT_TIMEOUT", value_name = "CONNECT_TIMEOUT", default_value = "2s",
          value_parser = humantime::parse_duration)]
    pub connect_timeout: Duration,
    /// How long an answer's head may take. (After 9 s the server itself gives up, for every service alike.)
    #[arg(long, env = "UPSTREAM_TIMEOUT", value_name = "UPSTREAM_TIMEOUT", default_value = "8s",
          value_parser = humantime::parse_duration)]
    pub upstream_timeout: Duration,
    /// How long one connection is used: an added pod has its share of the load after that.
    #[arg(long, env = "CONNECTION_LIFETIME", value_name = "CONNECTION_LIFETIME", default_value = "30s",
          value_parser = humantime::parse_duration)]
    pub connection_lifetime: Duration,
}

impl Service for Gateway {
    const NAME: &'static str = "gateway";

    type Settings = Settings;

    fn migrations() -> Option<&'static Migrator> {
        None
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let limits = Limits {
            connect: settings.connect_timeout,
            response: settings.upstream_timeout,
            connection_lifetime: settings.connection_lifetime,
        };
        let upstream = |name, url: &Uri| Upstream::new(url, limits).context(name);
        let upstreams = Upstreams {
            order: upstream("ORDER_URL", &settings.order_url)?,
            cook: upstream("COOK_URL", &settings.cook_url)?,
            delivery: upstream("DELIVERY_URL", &settings.delivery_url)?,
            mypage: upstream("MYPAGE_URL", &settings.mypage_url)?,
        };
        platform.serve(routes(upstreams, platform.stopping()));
        Ok(())
    }
}
