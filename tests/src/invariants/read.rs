//! Fills a [`World`] from the owners' own APIs.

use std::{collections::BTreeSet, future::Future};

use contract::{Identifier, OrderSnapshot, Topic};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Menu, Movement, Page, Told, World};
use crate::{api::Api, kafka::Kafka};

/// How many requests of one kind are under way at once.
const AT_ONCE: usize = 8;

/// The services that own data, asked directly: what stands between them and the customers must not hide anything.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the services'")]
pub struct Owners {
    pub order: Api,
    pub cook: Api,
    pub delivery: Api,
    pub mypage: Api,
}

/// Reads everything. Pages are found by the customers of all orders, and by what callers were `told` was accepted.
///
/// # Errors
/// What was asked and what came instead of an answer.
pub async fn read(owners: &Owners, told: Told) -> Result<World, String> {
    let (orders, menus, cooks, deliveries) = futures::try_join!(
        list::<OrderSnapshot>(&owners.order, "/orders"),
        menus(&owners.cook),
        list(&owners.cook, "/cooks"),
        list(&owners.delivery, "/deliveries"),
    )?;
    let pages = pages(&owners.mypage, &orders, &told).await?;
    Ok(World { orders, menus, cooks, deliveries, pages, dead_letters: vec![], told })
}

/// The messages that lie in a platform's dead-letter topics, as [`World::dead_letters`] has them.
///
/// # Panics
/// When Kafka does not give them.
pub fn dead_letters(kafka: &Kafka, prefix: &str) -> Vec<(String, String)> {
    let topics = Topic::ALL.iter().map(|topic| topic.dead_letter_name(prefix));
    let letters = topics.flat_map(|topic| kafka.records(&topic).into_iter().map(move |record| (topic.clone(), record)));
    letters
        .map(|(topic, record)| {
            let header = |name: &str| record.headers.get(name).map_or("?", String::as_str);
            let (reader, error) = (header("dlq_reader"), header("dlq_error"));
            (record.key.clone(), format!("in {topic} at {}@{}, of {reader}: {error}", record.partition, record.offset))
        })
        .collect()
}

async fn menus(cook: &Api) -> Result<Vec<Menu>, String> {
    let menus: Vec<Menu> = list(cook, "/menus").await?;
    concurrently(menus, |mut menu| async move {
        let mut movements: Vec<Movement> = list(cook, &format!("/menus/{}/movements", menu.menu_id)).await?;
        // The list begins with the newest.
        movements.reverse();
        menu.movements = movements;
        Ok(menu)
    })
    .await
}

async fn pages(mypage: &Api, orders: &[OrderSnapshot], told: &Told) -> Result<Vec<Page>, String> {
    let known: BTreeSet<_> = orders.iter().map(|order| &order.order_id).collect();
    let missing: Vec<_> = told.accepted.keys().filter(|id| !known.contains(id)).cloned().collect();
    let missing = concurrently(missing, |id| async move {
        let answer = mypage.try_send(mypage.request(Method::GET, &format!("/mypages/{id}"))).await?;
        match answer.status {
            200 => {
                serde_json::from_value(answer.body).map(Some).map_err(|error| format!("page of order {id}: {error}"))
            }
            404 => Ok(None::<Page>),
            status => Err(format!("GET {}: {status}: {}", mypage.url(&format!("/mypages/{id}")), answer.text)),
        }
    });
    let missing: Vec<_> = missing.await?.into_iter().flatten().collect();
    let customers = orders.iter().map(|order| &order.customer_id).chain(missing.iter().map(|page| &page.customer_id));
    let customers: BTreeSet<Identifier> = customers.cloned().collect();
    let lists = concurrently(customers.into_iter().collect(), |customer| async move {
        list::<Page>(mypage, &format!("/mypages?customerId={customer}")).await
    });
    Ok(lists.await?.into_iter().flatten().collect())
}

/// Every item of a list, page by page.
///
/// # Errors
/// What was asked and what came instead of an answer.
pub async fn list<T: DeserializeOwned>(api: &Api, path: &str) -> Result<Vec<T>, String> {
    #[derive(Deserialize)]
    struct Part<T> {
        items: Vec<T>,
        next: Option<String>,
    }
    let first = format!("{path}{}limit=500", if path.contains('?') { '&' } else { '?' });
    let (mut items, mut path) = (vec![], first.clone());
    loop {
        let answer = api.try_send(api.request(Method::GET, &path)).await.map_err(|error| format!("{path}: {error}"))?;
        if answer.status != 200 {
            return Err(format!("GET {}: {}: {}", api.url(&path), answer.status, answer.text));
        }
        let part = serde_json::from_str::<Part<T>>(&answer.text);
        let part = part.map_err(|error| format!("GET {}: {error}", api.url(&path)))?;
        items.extend(part.items);
        let Some(next) = part.next else { return Ok(items) };
        path = format!("{first}&cursor={next}");
    }
}

/// `work` on each of `items`, some at once.
async fn concurrently<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Result<Vec<R>, String>
where
    F: Future<Output = Result<R, String>>,
{
    stream::iter(items).map(work).buffer_unordered(AT_ONCE).try_collect().await
}
