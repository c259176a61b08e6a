//! The order service: takes orders, follows them, and cancels them together with their cooks.

mod cancellation;
mod consumer;
mod domain;
mod http;
mod orders;
mod store;

use std::{process::ExitCode, time::Duration};

use chassis::{
    Platform, Service,
    client::{BaseUrl, Client},
};
use contract::Topic;
use orders::Orders;
use sqlx::migrate::Migrator;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a connection to the kitchen may take, and the kitchen's whole answer.
const KITCHEN_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const KITCHEN_TIMEOUT: Duration = Duration::from_secs(3);

struct Order;

#[derive(Debug, clap::Args)]
struct Settings {
    /// Where the cook service is, for cancellations: "http://HOST:PORT".
    #[arg(long, env = "COOK_URL", value_name = "COOK_URL")]
    cook_url: BaseUrl,
}

impl Service for Order {
    const NAME: &'static str = "order";
    type Settings = Settings;

    fn migrations() -> Option<&'static Migrator> {
        Some(&MIGRATIONS)
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let kitchen = Client::new(settings.cook_url, KITCHEN_CONNECT_TIMEOUT, KITCHEN_TIMEOUT);
        let orders = Orders::new(platform.database()?, kitchen, platform.source());
        platform.serve(http::routes(orders.clone()));
        platform.relay_outbox();
        platform.consume(&[Topic::Cook, Topic::Delivery], consumer::Progress(orders.clone()))?;
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
