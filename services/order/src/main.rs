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

/// How long a connection to the kitchen may take, and the kitchen's whole answer.
const KITCHEN_LIMITS: Limits = Limits { connect: Duration::from_secs(1), response: Duration::from_secs(3) };

struct Order;

#[derive(Debug, clap::Args)]
struct Settings {
    /// Where the cook service is, for cancellations: "http://HOST:PORT".
    #[arg(long, env = "COOK_URL", value_name = "COOK_URL")]
    cook_url: BaseUrl,
    /// The file with the token to show to the cook service.
    #[arg(long, env = "CANCELLATION_TOKEN_FILE", value_name = "CANCELLATION_TOKEN_FILE")]
    cancellation_token_file: TokenFile,
    /// The breaker between this and the cook service.
    #[command(flatten)]
    cook_breaker: CookBreaker,
}

breaker::arguments! {
    /// The circuit breaker between order and the cook service.
    struct CookBreaker: "cook", "COOK"
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
        let kitchen = Client::new("cook", settings.cook_url, settings.cook_breaker.into(), KITCHEN_LIMITS);
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
    chassis::run::<Order>()
}
