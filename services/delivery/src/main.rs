//! The delivery service: brings to customers what the kitchen has cooked.

mod consumer;
mod courier;
mod domain;
mod http;
mod store;
mod timer;

use std::process::ExitCode;

use chassis::{NoTools, Platform, Service, config::Timing};
use contract::Topic;
use courier::Courier;
use sqlx::migrate::Migrator;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static MIGRATIONS: Migrator = sqlx::migrate!();

struct Delivery;

#[derive(Debug, clap::Args)]
struct Settings {
    /// How long a delivery takes, half of it to the pick-up: "1s..3s" (each delivery's own time in that range), "2s",
    /// or "manual" for telling each step by HTTP.
    #[arg(long, env = "DELIVERY_TIME", value_name = "DELIVERY_TIME", default_value = "1s..3s")]
    delivery_time: Timing,
}

impl Service for Delivery {
    const NAME: &'static str = "delivery";
    type Settings = Settings;
    type Tool = NoTools;

    fn migrations() -> Option<&'static Migrator> {
        Some(&MIGRATIONS)
    }

    fn openapi() -> serde_json::Value {
        let description = "Brings to customers what the kitchen has cooked.";
        chassis::http::openapi::document(Self::NAME, description, http::api().into_openapi())
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let courier = Courier::new(platform.database()?, platform.source(), settings.delivery_time);
        platform.serve(http::api().with_state(courier.clone()).into());
        platform.relay_outbox();
        platform.consume(&[Topic::Cook], consumer::ReadyCooks(courier.clone()))?;
        platform.spawn("timer", move |stop| {
            let courier = courier.clone();
            async move { chassis::timer::run(&courier, courier.started(), stop).await }
        });
        Ok(())
    }
}

fn main() -> ExitCode {
    chassis::run::<Delivery>(version::version!())
}
