//! The cook service: menu items with their stock, and the cooking of orders.

mod consumer;
mod domain;
mod http;
mod kitchen;
mod store;
mod timer;

use std::process::ExitCode;

use chassis::{NoTools, Platform, Service, config::Timing, http::Tokens};
use contract::Topic;
use kitchen::Kitchen;
use sqlx::migrate::Migrator;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static MIGRATIONS: Migrator = sqlx::migrate!();

struct Cook;

#[derive(Debug, clap::Args)]
struct Settings {
    /// How long cooking takes: "1s..3s" (each cook's own time in that range), "2s", or "manual" for completing cooks
    /// by HTTP.
    #[arg(long, env = "COOKING_TIME", value_name = "COOKING_TIME", default_value = "1s..3s")]
    cooking_time: Timing,
    /// The directory with the tokens of which order has to show one when it cancels, each in a file of its own.
    #[arg(long, env = "CANCELLATION_TOKENS", value_name = "CANCELLATION_TOKENS")]
    cancellation_tokens: Tokens,
}

impl Service for Cook {
    const NAME: &'static str = "cook";
    type Settings = Settings;
    type Tool = NoTools;

    fn migrations() -> Option<&'static Migrator> {
        Some(&MIGRATIONS)
    }

    fn openapi() -> serde_json::Value {
        let description = "The kitchen: menu items, their stock, and the cooking of orders.";
        chassis::http::openapi::document(Self::NAME, description, http::api().into_openapi())
    }

    fn build(platform: &mut Platform, settings: Settings) -> anyhow::Result<()> {
        let kitchen = Kitchen::new(platform.database()?, platform.source(), settings.cooking_time);
        let api = http::Api { kitchen: kitchen.clone(), cancellation_tokens: settings.cancellation_tokens };
        platform.serve(http::api().with_state(api).into());
        platform.relay_outbox();
        platform.consume(&[Topic::Menu], consumer::Orders(kitchen.clone()))?;
        platform.spawn("timer", move |stop| {
            let kitchen = kitchen.clone();
            async move { chassis::timer::run(&kitchen, kitchen.started(), stop).await }
        });
        Ok(())
    }
}

fn main() -> ExitCode {
    chassis::run::<Cook>(version::version!())
}
