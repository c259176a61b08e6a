//! The order service: takes orders, follows them, and cancels them together with their cooks.

mod cancellation;
mod consumer;
mod domain;
mod http;
mod kitchen;
mod orders;
mod store;

use std::{process::ExitCode, time::Duration};

use chassis::{
    NoTools, Platform, Service,
    client::{BaseUrl, Client, Limits},
    http::TokenFile,
};
use contract::Topic;
use kitchen::Kitchen;
use orders::Orders;
use sqlx::migrate::Migrator;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static MIGRATIONS: Migrator = sqlx::migrate!();

struct Order;

#[derive(Debug, clap::Args)]
struct Settings {
    /// Where the cook service is, for cancellations: "http://HOST:PORT".
    #[arg(long, env = "COOK_URL", value_name = "COOK_URL")]
    cook_url: BaseUrl,
    /// The file with the token to show to the cook service.
    #[arg(long, env = "CANCELLATION_TOKEN_FILE", value_name = "CANCELLATION_TOKEN_FILE")]
    cancellation_token_file: TokenFile,
    /// How long making a connection to an endpoint of cook may take, before another one is tried.
    #[arg(long, env = "CONNECT_TIMEOUT", value_name = "CONNECT_TIMEOUT", default_value = "1s",
          value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    /// How long cook's answer may take, 5 s at most: then somebody else may ask it the same.
    #[arg(long, env = "RESPONSE_TIMEOUT", value_name = "RESPONSE_TIMEOUT", default_value = "3s",
          value_parser = response_timeout)]
    response_timeout: Duration,
    /// The breaker between this and the cook service.
    #[command(flatten)]
    cook_breaker: CookBreaker,
}

breaker::arguments! {
    /// The circuit breaker between order and the cook service.
    struct CookBreaker: "cook", "COOK"
}

/// Half of the [lease](orders::LEASE) at most.
fn response_timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > orders::LEASE / 2 => Err(format!("it must be at most {:?}", orders::LEASE / 2)),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

impl Service for Order {
    const NAME: &'static str = "order";
    type Settings = Settings;
    type Tool = NoTools;

    fn migrations() -> Option<&'static Migrator> {
        Some(&MIGRATIONS)
    }

    fn openapi() -> serde_json::Value {
        let description = "Takes orders, follows them, and cancels them together with their cooks.";
        chassis::http::openapi::document(Self::NAME, description, http::api().into_openapi())
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let limits = Limits { connect: settings.connect_timeout, response: settings.response_timeout };
        let kitchen = Client::new("cook", settings.cook_url, settings.cook_breaker.into(), limits);
        let kitchen = Kitchen::new(kitchen, settings.cancellation_token_file);
        let orders = Orders::new(platform.database()?, kitchen, platform.source());
        platform.serve(http::api().with_state(orders.clone()).into());
        platform.relay_outbox();
        let inbound = consumer::Inbound { orders: orders.clone(), inbox: platform.inbox()? };
        platform.consume(&[Topic::Cook, Topic::Delivery, Topic::OrderRequests], inbound)?;
        platform.spawn("resolver", move |stop| {
            let orders = orders.clone();
            async move { orders.resolve(stop).await }
        });
        Ok(())
    }
}

fn main() -> ExitCode {
    chassis::run::<Order>(version::version!())
}
