//! What couriers do: each function is one transaction, in which a change and its events commit together.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chassis::{
    config::Timing,
    db::{Database, now},
    outbox,
};
use contract::{CloudEvent, CookSnapshot, DeliverySnapshot, Event, Identifier};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    domain::{self, Command, WrongState},
    store::{self, Birth, Schedule},
};

/// The couriers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    database: Database,
    source: Arc<str>,
    delivery_time: Timing,
    started: Arc<Notify>,
}

/// Why a courier did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such delivery.
    #[error("there is no delivery {0}")]
    NoSuchDelivery(Identifier),
    /// The delivery's state does not allow it.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The database could not.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A cook that is ready, with the trace that it came in.
#[derive(Debug, Clone)]
pub(crate) struct Cooked {
    pub(crate) cook: CookSnapshot,
    pub(crate) traceparent: Option<String>,
}

impl Courier {
    /// Couriers who take `delivery_time`, half of it to the kitchen, and whose events come from `source`.
    pub(crate) fn new(database: Database, source: String, delivery_time: Timing) -> Self {
        Self { database, source: source.into(), delivery_time, started: Arc::default() }
    }

    /// The database, for reading.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Notified when a delivery was started that goes on by itself.
    pub(crate) fn started(&self) -> &Notify {
        &self.started
    }

    /// Starts the delivery of each cook. An order that has one already changes nothing.
    pub(crate) async fn take(&self, cooked: Vec<Cooked>) -> sqlx::Result<()> {
        let (now, mut seen, mut births, mut events) = (now(), HashSet::new(), Vec::new(), Vec::new());
        for Cooked { cook, traceparent } in cooked {
            if !seen.insert(cook.order_id.clone()) {
                continue;
            }
            let time = self.delivery_time.draw();
            let schedule = time.map(|time| Schedule { pick_up_at: now + time / 2, hand_over_at: now + time });
            let born = domain::born(cook, Uuid::now_v7().into(), now);
            let mut life = vec![born.clone()];
            if time == Some(Duration::ZERO) {
                life.extend(domain::done_at_birth(&born));
            }
            events.extend(life.iter().map(|step| self.event(domain::event(step.clone()), traceparent.clone())));
            let delivery = life.pop().unwrap_or(born);
            births.push(Birth { delivery, schedule, traceparent });
        }
        self.database.change(store::insert(self.database.pool(), &births, &outbox::rows(&events)?)).await?;
        self.started.notify_one();
        Ok(())
    }

    /// Takes at most `limit` deliveries that are due a step further. Gives how many there were.
    pub(crate) async fn advance_due(&self, limit: u32) -> sqlx::Result<usize> {
        let mut tx = self.database.begin().await?;
        let advanced = store::advance_due(&mut tx, now(), limit.into()).await?;
        let count = advanced.len();
        if count == 0 {
            return Ok(0);
        }
        let events: Vec<_> =
            advanced.into_iter().map(|(delivery, trace)| self.event(domain::event(delivery), trace)).collect();
        outbox::append(&mut tx, &events).await?;
        self.database.commit(tx).await?;
        Ok(count)
    }

    /// Does what a courier says.
    pub(crate) async fn command(&self, delivery_id: &Identifier, command: Command) -> Result<DeliverySnapshot, Error> {
        let mut tx = self.database.begin().await?;
        let found = store::lock(&mut tx, delivery_id).await?;
        let delivery = found.ok_or_else(|| Error::NoSuchDelivery(delivery_id.clone()))?;
        let Some(changed) = domain::apply(command, &delivery, now())? else { return Ok(delivery) };
        store::save(&mut tx, &changed).await?;
        let event = self.event(domain::event(changed.clone()), chassis::trace::traceparent());
        outbox::append(&mut tx, &[event]).await?;
        self.database.commit(tx).await?;
        // After a pick-up, the rest goes on by itself.
        self.started.notify_one();
        Ok(changed)
    }

    fn event(&self, event: Event, traceparent: Option<String>) -> CloudEvent {
        CloudEvent::new(&*self.source, traceparent, event)
    }
}
