//! What the order service does: each function is one transaction, in which a change and its events commit together.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chassis::{
    crash,
    db::{Database, Tx, is_unavailable, now},
    group::{GivenUp, Group},
    outbox, trace,
};
use contract::{
    CloudEvent, CookSnapshot, DeliverySnapshot, Event, Identifier, OrderRequest, OrderSnapshot, PlaceOrder,
};
use tracing::warn;
use uuid::Uuid;

use crate::{
    domain::{self, Order},
    kitchen::Kitchen,
    store::{self, Birth},
};

/// How long who asks the kitchen is waited for; then the resolver asks. Longer than a call may take, with the
/// transaction after it.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// The orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) database: Database,
    pub(crate) kitchen: Kitchen,
    source: Arc<str>,
    placing: Group<Birth, Result<bool, Arc<sqlx::Error>>>,
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
    /// The database could not; one error may be many orders'.
    #[error(transparent)]
    Database(Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
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
    pub(crate) fn new(database: Database, kitchen: Kitchen, source: String) -> Self {
        let placing = Group::new({
            let database = database.clone();
            move |births| insert(database.clone(), births)
        });
        Self { database, kitchen, source: source.into(), placing }
    }

    /// Places an order. The same id with the same order gives the first answer again.
    ///
    /// # Errors
    /// When the id belongs to another order, and those of the database.
    pub(crate) async fn place(&self, order_id: Identifier, wanted: PlaceOrder) -> Result<OrderSnapshot, Error> {
        let order = domain::place(order_id, wanted.clone(), now());
        let event = self.event(Event::Ordered(order.clone()), trace::traceparent());
        let birth = Birth { order: order.clone(), event: outbox::Row::new(&event)? };
        crash::point("place.before");
        let placed = self.placing.write(birth).await;
        // As after any commit without an answer, its outcome is not known: repeating tells.
        if placed.map_err(|GivenUp| sqlx::Error::WorkerCrashed)?.map_err(Error::Database)? {
            crash::point("place.after");
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
        if parts.is_empty() {
            return Ok(());
        }
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

    /// Takes orders that the gateway took while the order service was away, each with its trace. Of different ones with one
    /// id the first is placed, and the others are recorded as rejected.
    pub(crate) async fn take(&self, tx: &mut Tx, requests: Vec<(&OrderRequest, Option<String>)>) -> sqlx::Result<()> {
        let (mut births, mut ids) = (Vec::new(), HashSet::new());
        for (request, traceparent) in &requests {
            if ids.insert(&request.order_id) {
                let order = domain::place(request.order_id.clone(), request.order.clone(), now());
                let ordered = self.event(Event::Ordered(order.clone()), traceparent.clone());
                births.push(Birth { order, event: outbox::Row::new(&ordered)? });
            }
        }
        if births.is_empty() {
            return Ok(());
        }
        store::insert(&mut **tx, &births.iter().collect::<Vec<_>>()).await?;
        let ids: Vec<_> = births.iter().map(|birth| birth.order.order_id.as_str()).collect();
        let placed = store::lock(tx, &ids).await?;
        let mut rejected = vec![];
        for (request, traceparent) in requests {
            let existing = placed.get(&request.order_id).ok_or(sqlx::Error::RowNotFound)?;
            if domain::first_answer(&existing.snapshot, request.order.clone()).is_none() {
                warn!(order_id = %request.order_id, "an idempotency key was used for two different orders; the second is rejected");
                rejected.push(self.event(Event::OrderRejected(request.clone()), traceparent));
            }
        }
        outbox::append(tx, &rejected).await
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

/// Places the orders of a group; `false` for one that was there before, or comes twice in the group.
async fn insert(database: Database, births: Vec<Birth>) -> Vec<Result<bool, Arc<sqlx::Error>>> {
    let mut ids = HashSet::new();
    let firsts: Vec<_> = births.iter().filter(|birth| ids.insert(&birth.order.order_id)).collect();
    match database.change(store::insert(database.pool(), &firsts)).await {
        Ok(mut inserted) => births.iter().map(|birth| Ok(inserted.remove(birth.order.order_id.as_str()))).collect(),
        Err(error) if births.len() == 1 || is_unavailable(&error) => {
            let error = Arc::new(error);
            births.iter().map(|_| Err(Arc::clone(&error))).collect()
        }
        // One that the database refuses must not be the others' fate.
        Err(_) => {
            let mut outcomes = Vec::with_capacity(births.len());
            for birth in &births {
                let inserted = database.change(store::insert(database.pool(), &[birth])).await;
                outcomes.push(inserted.map(|inserted| !inserted.is_empty()).map_err(Arc::new));
            }
            outcomes
        }
    }
}

fn changed<'a>(before: &BTreeMap<Identifier, Order>, after: &'a BTreeMap<Identifier, Order>) -> Vec<&'a Order> {
    after.iter().filter(|(id, order)| before.get(id) != Some(order)).map(|(_, order)| order).collect()
}
