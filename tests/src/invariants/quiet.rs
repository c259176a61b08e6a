//! Waiting until a platform has come to rest: outboxes empty, lag 0, nothing pending, timers done.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contract::Topic;
use reqwest::Method;

use super::Owners;
use crate::{
    database::Database,
    kafka::{Kafka, Watermarks},
    process::Service,
};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// A platform that may come to rest.
#[derive(Clone)]
pub struct Quiet {
    /// Its services.
    pub owners: Owners,
    /// Its Kafka cluster.
    pub kafka: Kafka,
    /// The prefix of its topics.
    pub prefix: String,
    /// Its consumer groups.
    pub groups: BTreeMap<Service, String>,
    /// Its database.
    pub database: Database,
    /// Its schemas.
    pub schemas: BTreeMap<Service, String>,
}

impl Quiet {
    /// Waits, and gives how long that took. Services that are away are waited for, too.
    ///
    /// # Errors
    /// When it is not quiet within `limit`: what was under way at the end.
    pub async fn wait(&self, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        let (mut before, mut last) = (None, "the first look did not come back".to_owned());
        loop {
            let left = limit.saturating_sub(start.elapsed());
            match tokio::time::timeout(left, self.look()).await {
                // A look takes its time, and what is under way may slip from what is not yet looked at to what was.
                // To do that it has to go through Kafka: two looks between which nothing was written leave no gap.
                Ok(Ok(ends)) if before.as_ref() == Some(&ends) => return Ok(start.elapsed()),
                Ok(Ok(ends)) => before = Some(ends),
                Ok(Err(seen)) => (before, last) = (None, seen),
                Err(_) => return Err(format!("not quiet within {limit:?}: {last}")),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Looks once, and gives where the topics ended. `Err` says what is under way.
    async fn look(&self) -> Result<Watermarks, String> {
        let topics: Vec<_> = Topic::ALL.iter().map(|topic| topic.name(&self.prefix)).collect();
        let ends = tokio::task::block_in_place(|| self.kafka.watermarks(&topics))?;
        let mut busy = vec![];
        for (service, reads) in reads() {
            let topics: Vec<_> = reads.iter().map(|topic| topic.name(&self.prefix)).collect();
            let group = self.groups.get(&service).ok_or_else(|| format!("no consumer group of {service} is given"))?;
            let lag = tokio::task::block_in_place(|| self.kafka.lag(group, &topics, &ends))?;
            busy.extend((lag > 0).then(|| format!("{group} lags by {lag} messages")));
        }
        let Owners { order, cook, delivery, .. } = &self.owners;
        for (api, path) in [
            (order, "/orders?cancellation=PENDING"),
            (cook, "/cooks?state=STARTED"),
            (delivery, "/deliveries?state=STARTED"),
            (delivery, "/deliveries?state=PICKED_UP"),
        ] {
            let answer = api.try_send(api.request(Method::GET, path)).await;
            let answer = answer.map_err(|error| format!("GET {}: {error}", api.url(path)))?;
            let count = answer.body["items"].as_array().map(Vec::len);
            let count = count.ok_or_else(|| format!("GET {}: {}: {}", api.url(path), answer.status, answer.text))?;
            let more = if answer.body["next"].is_string() { " and more" } else { "" };
            busy.extend((count > 0).then(|| format!("{path} has {count}{more}")));
        }
        for service in [Service::Order, Service::Cook, Service::Delivery] {
            let schema = self.schemas.get(&service).ok_or_else(|| format!("no schema of {service} is given"))?;
            let rows = self.database.number(&format!("SELECT count(*) FROM {schema}.outbox")).await?;
            busy.extend((rows > 0).then(|| format!("{schema}.outbox has {rows} rows")));
        }
        if busy.is_empty() { Ok(ends) } else { Err(busy.join("; ")) }
    }
}

/// Who reads what, as the contract has it.
pub fn reads() -> [(Service, &'static [Topic]); 4] {
    [
        (Service::Order, &[Topic::Cook, Topic::Delivery, Topic::OrderRequests]),
        (Service::Cook, &[Topic::Menu]),
        (Service::Delivery, &[Topic::Cook]),
        (Service::Mypage, Topic::ALL),
    ]
}
