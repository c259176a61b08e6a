//! What the order service does: each function is one transaction, in which a change and its events commit together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chassis::{
    client::Client,
    crash,
    db::{Database, Tx, now},
    outbox, trace,
};
use contract::{
    CloudEvent, CookSnapshot, DeliverySnapshot, Event, Identifier, OrderRequest, OrderSnapshot, PlaceOrder,
};
use tracing::warn;
use uuid::Uuid;

use crate::{
    domain::{self, Order},
    store,
};

/// How long who asks the kitchen is waited for; then the resolver asks. Longer than a call may take, with the
/// transaction after it.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// The orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) database: Database,
    pub(crate) kitchen: Client,
    source: Arc<str>,
}

/// Why the order service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such order.
    #[error("there is no order {0}")]
    NoSuchOrder(Identifier),
    /// The idempotency key belongs to another order of the customer.
    #[error("was used for another order of this customer")]
    KeyReused,
    /// The database could not.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What another owner says of its part of an order.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Cook(CookSnapshot),
    Delivery(DeliverySnapshot),
    /// A customer's wish to cancel, which the gateway took while the order service was away.
    CancelRequested(Identifier),
}

impl Part {
    fn order_id(&self) -> &Identifier {
        match self {
            Self::Cook(cook) => &cook.order_id,
            Self::Delivery(delivery) => &delivery.order_id,
            Self::CancelRequested(order_id) => order_id,
        }
    }
}

impl Orders {
    /// Orders whose cancellations `kitchen` decides, and whose events come from `source`.
    pub(crate) fn new(database: Database, kitchen: Client, source: String) -> Self {
        Self { database, kitchen, source: source.into() }
    }

    /// Places an order. The same id with the same order gives the first answer again.
    ///
    /// # Errors
    /// When the id belongs to another order, and those of the database.
    pub(crate) async fn place(&self, order_id: Identifier, wanted: PlaceOrder) -> Result<OrderSnapshot, Error> {
        let order = domain::place(order_id, wanted.clone(), now());
        let event = self.event(Event::Ordered(order.clone()), trace::traceparent());
        crash::point("place.before");
        if store::insert(self.database.pool(), &order, outbox::Row::new(&event)?).await? {
            crash::point("place.after");
            self.database.wake_relay();
            return Ok(order);
        }
        let existing = store::get(self.database.pool(), &order.order_id).await?;
        let existing = existing.ok_or(sqlx::Error::RowNotFound)?;
        domain::first_answer(&existing.snapshot, wanted).ok_or(Error::KeyReused)
    }

    /// The order as it is.
    ///
    /// # Errors
    /// When there is no such order, and those of the database.
    pub(crate) async fn get(&self, order_id: Identifier) -> Result<OrderSnapshot, Error> {
        let order = store::get(self.database.pool(), &order_id).await?;
        Ok(order.ok_or(Error::NoSuchOrder(order_id))?.snapshot)
    }

    /// Takes in what other owners say, each with its trace, in the sequence of `parts`.
    pub(crate) async fn see(&self, tx: &mut Tx, parts: Vec<(Part, Option<String>)>) -> sqlx::Result<()> {
        let ids: Vec<_> = parts.iter().map(|(part, _)| part.order_id().as_str()).collect();
        let before = store::lock(tx, &ids).await?;
        let mut orders = before.clone();
        let mut events = vec![];
        for (part, traceparent) in &parts {
            let Some(order) = orders.get_mut(part.order_id()) else {
                // A cancellation of what was never ordered; or the orders' table lost rows, as when an older backup was
                // restored.
                warn!(order_id = %part.order_id(), "an event is about an order that does not exist");
                continue;
            };
            let event = match part {
                Part::Cook(cook) => order.see_cook(cook, now()),
                Part::Delivery(delivery) => order.see_delivery(delivery, now()),
                // Nobody asks the kitchen here: the attempt is the resolver's from the start.
                Part::CancelRequested(_) => order.wish_to_cancel_later(Uuid::new_v4(), now()),
            };
            events.extend(event.map(|event| self.event(event, traceparent.clone())));
        }
        store::save(tx, &changed(&before, &orders), Duration::ZERO).await?;
        outbox::append(tx, &events).await
    }

    /// Takes an order that the gateway took while the order service was away. Of two different ones with one id the
    /// first is placed, and the other recorded as rejected.
    pub(crate) async fn take(
        &self,
        tx: &mut Tx,
        request: &OrderRequest,
        traceparent: Option<String>,
    ) -> sqlx::Result<()> {
        let order = domain::place(request.order_id.clone(), request.order.clone(), now());
        let ordered = self.event(Event::Ordered(order.clone()), traceparent.clone());
        if store::insert(&mut **tx, &order, outbox::Row::new(&ordered)?).await? {
            return Ok(());
        }
        let existing = store::get(&mut **tx, &order.order_id).await?.ok_or(sqlx::Error::RowNotFound)?;
        if domain::first_answer(&existing.snapshot, request.order.clone()).is_some() {
            return Ok(());
        }
        warn!(order_id = %request.order_id, "an idempotency key was used for two different orders; the second is rejected");
        let rejected = self.event(Event::OrderRejected(request.clone()), traceparent);
        outbox::append(tx, &[rejected]).await
    }

    /// Changes one order and writes the event of the change, in a transaction of its own. Gives what `change` gives,
    /// with the order as it is then.
    pub(crate) async fn change<T>(
        &self,
        order_id: &Identifier,
        change: impl FnOnce(&mut Order) -> (T, Option<Event>),
    ) -> Result<(T, Order), Error> {
        let mut tx = self.database.begin().await?;
        let before = store::lock(&mut tx, &[order_id.as_str()]).await?.remove(order_id);
        let before = before.ok_or_else(|| Error::NoSuchOrder(order_id.clone()))?;
        let mut order = before.clone();
        let (given, event) = change(&mut order);
        if order != before {
            store::save(&mut tx, &[&order], LEASE).await?;
        }
        let event = event.map(|event| self.event(event, trace::traceparent()));
        outbox::append(&mut tx, event.as_slice()).await?;
        self.database.commit(tx).await?;
        Ok((given, order))
    }

    fn event(&self, event: Event, traceparent: Option<String>) -> CloudEvent {
        CloudEvent::new(&*self.source, traceparent, event)
    }
}

fn changed<'a>(before: &BTreeMap<Identifier, Order>, after: &'a BTreeMap<Identifier, Order>) -> Vec<&'a Order> {
    after.iter().filter(|(id, order)| before.get(id) != Some(order)).map(|(_, order)| order).collect()
}
