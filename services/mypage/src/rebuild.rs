//! `mypage rebuild`: fills the views again, after their table was lost or an older backup was restored.
//!
//! First from the owners' APIs, which know all that is so now, then from what Kafka still holds, which alone knows of
//! requests that order has not taken yet. Everything is merged, so it may run beside the service and be repeated; what is
//! known already stays.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Context as _;
use chassis::{
    Tool,
    client::{BaseUrl, BreakerSettings, Client, Limits},
    config::{DatabaseSettings, KafkaSettings},
    db::Database,
    history,
};
use clap::{Args, Subcommand};
use contract::{CookSnapshot, DeliverySnapshot, Event, OrderSnapshot, Topic};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::mpsc;

use crate::{MIGRATIONS, domain, store};

const LIMITS: Limits = Limits { connect: Duration::from_secs(2), response: Duration::from_secs(30) };
/// Items of a page.
const PAGE: usize = 500;

/// MyPage's own commands.
#[derive(Debug, Subcommand)]
pub enum Tools {
    /// Fill the views again from the owners' APIs, then from Kafka. It may run while the service does
    ///
    /// For when the views' table was lost, or an older backup of it was restored. It asks order, cook and delivery for all that
    /// they have, then reads what Kafka still keeps, and says how many views that changed. Run again, it changes none.
    #[command(after_long_help = "\
Example, in a pod, which has all settings:
  kubectl -n food exec deploy/quickstart-mypage -- /service rebuild")]
    Rebuild(Box<Settings>),
}

/// Where everything is.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    kafka: KafkaSettings,
    /// The order service: "http://HOST:PORT".
    #[arg(long, env = "ORDER_URL", value_name = "ORDER_URL")]
    order_url: BaseUrl,
    /// The cook service.
    #[arg(long, env = "COOK_URL", value_name = "COOK_URL")]
    cook_url: BaseUrl,
    /// The delivery service.
    #[arg(long, env = "DELIVERY_URL", value_name = "DELIVERY_URL")]
    delivery_url: BaseUrl,
}

impl Tool for Tools {
    async fn run(self) -> anyhow::Result<()> {
        let Self::Rebuild(settings) = self;
        let views = Views(Database::connect_lazily("mypage", &settings.database, &MIGRATIONS)?);
        // An order is known before what became of it: nobody sees a view without its beginning for long.
        let order = |order: OrderSnapshot| Event::Ordered(order);
        let cook = |cook: CookSnapshot| Event::CookStarted(cook);
        let delivery = |delivery: DeliverySnapshot| Event::DeliveryStarted(delivery);
        views.page_through("order", settings.order_url, "/orders", order).await?;
        views.page_through("cook", settings.cook_url, "/cooks", cook).await?;
        views.page_through("delivery", settings.delivery_url, "/deliveries", delivery).await?;
        views.replay(&settings.kafka).await
    }
}

/// Says how far it is.
fn told(from: &str, seen: usize, changed: u64) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{from}: {seen} read, {changed} views changed")?)
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

struct Views(Database);

impl Views {
    /// Merges a whole list of an owner's. `event` is any one that carries the owner's part: the views keep the part.
    async fn page_through<T: DeserializeOwned>(
        &self,
        owner: &'static str,
        url: BaseUrl,
        path: &str,
        event: impl Fn(T) -> Event,
    ) -> anyhow::Result<()> {
        let client = Client::new(owner, url, BreakerSettings::DEFAULT, LIMITS);
        let (mut cursor, mut seen, mut changed) = (String::new(), 0, 0);
        loop {
            // A cursor holds characters of ids and dots alone.
            let page = client.get(&format!("{path}?limit={PAGE}{cursor}")).await;
            let page: Page<T> = page.with_context(|| format!("cannot read {path} of {owner}"))?;
            seen += page.items.len();
            changed += self.merge(page.items.into_iter().map(&event)).await?;
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        told(path, seen, changed)
    }

    async fn replay(&self, kafka: &KafkaSettings) -> anyhow::Result<()> {
        let (sender, mut batches) = mpsc::channel(4);
        let reading = history::replay(kafka, Topic::ALL, sender);
        let merging = async {
            let (mut seen, mut changed) = (0, 0);
            while let Some(batch) = batches.recv().await {
                seen += batch.len();
                changed += self.merge(batch.into_iter().map(|event| event.event)).await?;
            }
            told("Kafka", seen, changed)
        };
        tokio::try_join!(reading, merging)?;
        Ok(())
    }

    /// How many views changed.
    async fn merge(&self, events: impl Iterator<Item = Event>) -> anyhow::Result<u64> {
        Ok(store::merge(self.0.pool(), &domain::fold(events)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_explains_itself_by_an_example() {
        for command in Tools::augment_subcommands(clap::Command::new("mypage")).get_subcommands() {
            let examples = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                command.get_long_about().is_some() && examples.contains(&format!("/service {}", command.get_name()))
            );
        }
    }
}
