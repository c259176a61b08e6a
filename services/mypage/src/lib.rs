//! MyPage: what a customer sees. It reads everything that the other services say and keeps one row per order with the
//! newest part of each; it answers when those services are away.

mod consumer;
mod domain;
mod http;
mod live;
mod pages;
mod rebuild;
mod store;
mod view;

use chassis::{NoSettings, Platform, Service};
use contract::Topic;
use sqlx::migrate::Migrator;

pub use crate::view::View;
use crate::{consumer::Reader, http::Pages, live::Live, rebuild::Tools};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// MyPage as a service.
#[derive(Debug)]
pub struct MyPage;

impl Service for MyPage {
    const NAME: &'static str = "mypage";

    type Settings = NoSettings;
    type Tool = Tools;

    fn migrations() -> Option<&'static Migrator> {
        Some(&MIGRATIONS)
    }

    fn openapi() -> serde_json::Value {
        let description = "What customers see: every order with its cooking and its delivery. Read only.";
        let mut document = chassis::http::openapi::document(Self::NAME, description, http::api().into_openapi());
        // utoipa has no word for it.
        document["components"]["schemas"]["OrderEvent"]["properties"]["data"]["contentSchema"] =
            serde_json::json!({ "$ref": "#/components/schemas/View" });
        document
    }

    fn build(platform: &mut Platform, _: NoSettings) -> anyhow::Result<()> {
        let live = Live::default();
        let database = platform.database()?;
        let pool = database.pool().clone();
        platform.consume(Topic::ALL, Reader::new(database, live.clone()))?;
        let (followed, watched) = (live.clone(), pool.clone());
        platform.spawn("followed orders", move |stop| {
            let run = followed.clone().run(watched.clone());
            async move {
                // Nothing is under way that would have to be finished.
                stop.run_until_cancelled(run).await;
                Ok(())
            }
        });
        let pages = Pages { pool, live, stopping: platform.stopping() };
        platform.serve(http::api().with_state(pages).into());
        platform.serve(pages::routes());
        Ok(())
    }
}
