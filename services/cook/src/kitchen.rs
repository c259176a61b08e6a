//! What the kitchen does: each function is one transaction, in which a change and its events commit together.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chassis::{
    config::Timing,
    db::{Database, Tx, now, violates},
    outbox,
};
use chrono::{DateTime, Utc};
use contract::{
    CancelCook, CancelDecision, CloudEvent, CookSnapshot, CookStatus, Event, Identifier, OrderSnapshot, Quantity,
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    domain::{self, Step, WrongState},
    store::{
        cooks::{self, Birth},
        menus::{self, Movement},
    },
};

/// The kitchen. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Kitchen {
    database: Database,
    source: Arc<str>,
    cooking_time: Timing,
    started: Arc<Notify>,
}

/// Why the kitchen did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such menu item.
    #[error("there is no menu item {0}")]
    NoSuchMenu(Identifier),
    /// There is no such cook.
    #[error("there is no cook {0}")]
    NoSuchCook(Identifier),
    /// The cook's state does not allow it.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The idempotency key belongs to another restock of the item.
    #[error("was used for a restock of {0} portions")]
    KeyReused(i64),
    /// The database could not.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// An order to cook, with the trace that it came in.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) order: OrderSnapshot,
    pub(crate) traceparent: Option<String>,
}

impl Kitchen {
    /// A kitchen whose cooks take `cooking_time`, and whose events come from `source`.
    pub(crate) fn new(database: Database, source: String, cooking_time: Timing) -> Self {
        Self { database, source: source.into(), cooking_time, started: Arc::default() }
    }

    /// The database, for reading.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Notified when a cook was started that is done by itself.
    pub(crate) fn started(&self) -> &Notify {
        &self.started
    }

    /// Makes each order a cook, in their sequence: started when the stock is there, which it then holds, otherwise
    /// refused. An order that has a cook already (it was given before, or its cancellation overtook it) changes
    /// nothing.
    pub(crate) async fn take_orders(&self, orders: Vec<Ordered>) -> sqlx::Result<()> {
        let mut tx = self.database.begin().await?;
        let menu_ids: HashSet<&str> = orders.iter().map(|o| o.order.menu_id.as_str()).collect();
        let mut shelves = menus::lock(&mut tx, &Vec::from_iter(menu_ids)).await?;
        // Asked after the items were locked: whoever gave one of these orders a cook held the same lock, and the
        // statement sees what they committed.
        let order_ids: Vec<&str> = orders.iter().map(|o| o.order.order_id.as_str()).collect();
        let mut known = cooks::known(&mut tx, &order_ids).await?;

        let (now, mut births, mut events) = (now(), Vec::new(), Vec::new());
        for Ordered { order, traceparent } in orders {
            if !known.insert(order.order_id.to_string()) {
                continue;
            }
            let decision = domain::reserve(&mut shelves, &order);
            let mut cook = domain::born(&order, decision.err(), Uuid::now_v7().into(), now);
            let mut said = domain::birth_events(&cook);
            let time = self.cooking_time.draw();
            if time == Some(Duration::ZERO) {
                let (done, event) = domain::done_at_birth(cook);
                cook = done;
                said.extend(event);
            }
            events.extend(said.into_iter().map(|event| self.event(event, traceparent.clone())));
            let due_at = time.filter(|_| cook.status == CookStatus::Started).map(|time| now + time);
            births.push(Birth { cook, left: decision.ok(), due_at, traceparent });
        }
        if births.is_empty() {
            return Ok(());
        }
        cooks::insert(&mut tx, &births, &outbox::rows(&events)?).await?;
        self.database.commit(tx).await?;
        self.started.notify_one();
        Ok(())
    }

    /// Completes at most `limit` cooks that are due. Gives how many there were.
    pub(crate) async fn complete_due(&self, limit: u32) -> sqlx::Result<usize> {
        let mut tx = self.database.begin().await?;
        let completed = cooks::complete_due(&mut tx, now(), limit.into()).await?;
        let count = completed.len();
        if count == 0 {
            return Ok(0);
        }
        let events: Vec<_> =
            completed.into_iter().map(|(cook, trace)| self.event(domain::event(cook), trace)).collect();
        outbox::append(&mut tx, &events).await?;
        self.database.commit(tx).await?;
        Ok(count)
    }

    /// Completes a cook by hand.
    pub(crate) async fn complete(&self, cook_id: &Identifier) -> Result<CookSnapshot, Error> {
        self.change(cook_id, domain::complete).await
    }

    /// Rejects a cook, and puts its stock back.
    pub(crate) async fn reject(&self, cook_id: &Identifier) -> Result<CookSnapshot, Error> {
        self.change(cook_id, domain::reject).await
    }

    async fn change(
        &self,
        cook_id: &Identifier,
        step: impl Fn(&CookSnapshot, DateTime<Utc>) -> Step,
    ) -> Result<CookSnapshot, Error> {
        let no_such_cook = || Error::NoSuchCook(cook_id.clone());
        let mut tx = self.database.begin().await?;
        // The order and the menu item of a cook never change, so they may be read before the locks are taken.
        let found = cooks::get(&mut *tx, cook_id).await?.ok_or_else(no_such_cook)?;
        menus::lock(&mut tx, &[found.menu_id.as_str()]).await?;
        let cook = cooks::lock(&mut tx, &found.order_id).await?.ok_or_else(no_such_cook)?;
        let Some(changed) = step(&cook, now())? else { return Ok(cook) };
        self.write_change(&mut tx, &changed).await?;
        self.database.commit(tx).await?;
        Ok(changed)
    }

    /// Decides about a customer's cancellation: cancels the cook unless it is completed. Without a cook yet, the
    /// cancellation becomes it. Asking again gives the same decision.
    pub(crate) async fn cancel(&self, request: CancelCook) -> sqlx::Result<CancelDecision> {
        match self.try_cancel(request.clone()).await {
            // The cook was born meanwhile, of a menu item that is unknown, so that no lock kept us apart. It is
            // there now.
            Err(error) if violates(&error, "cooks_pkey") => self.try_cancel(request).await,
            decision => decision,
        }
    }

    async fn try_cancel(&self, request: CancelCook) -> sqlx::Result<CancelDecision> {
        let mut tx = self.database.begin().await?;
        menus::lock(&mut tx, &[request.menu_id.as_str()]).await?;
        let Some(cook) = cooks::lock(&mut tx, &request.order_id).await? else {
            let (outcome, cook) = domain::cancel_ahead(request, Uuid::now_v7().into(), now());
            let birth =
                Birth { cook: cook.clone(), left: None, due_at: None, traceparent: chassis::trace::traceparent() };
            let event = self.event(Event::CookCancelled(cook.clone()), chassis::trace::traceparent());
            cooks::insert(&mut tx, &[birth], &outbox::rows(&[event])?).await?;
            self.database.commit(tx).await?;
            return Ok(CancelDecision { outcome, cook });
        };
        let (outcome, changed) = domain::cancel(&cook, now());
        let Some(changed) = changed else { return Ok(CancelDecision { outcome, cook }) };
        self.write_change(&mut tx, &changed).await?;
        self.database.commit(tx).await?;
        Ok(CancelDecision { outcome, cook: changed })
    }

    /// Writes a cook that a started one became, its stock if it comes back, and the event. The transaction has locked
    /// both rows.
    async fn write_change(&self, tx: &mut Tx, cook: &CookSnapshot) -> sqlx::Result<()> {
        cooks::save(tx, cook).await?;
        if let Some(quantity) = domain::restored(cook) {
            let order = cook.order_id.as_str();
            menus::add(tx, &cook.menu_id, menus::Kind::Restore, order, quantity, cook.updated_at).await?;
        }
        let event = self.event(domain::event(cook.clone()), chassis::trace::traceparent());
        outbox::append(tx, &[event]).await
    }

    /// Adds `quantity` to a menu item's stock, once for each idempotency key: a repetition gets the first answer.
    pub(crate) async fn restock(&self, menu_id: &Identifier, key: &str, quantity: Quantity) -> Result<Movement, Error> {
        let mut tx = self.database.begin().await?;
        if menus::lock(&mut tx, &[menu_id.as_str()]).await?.is_empty() {
            return Err(Error::NoSuchMenu(menu_id.clone()));
        }
        match menus::restock(&mut tx, menu_id, key).await? {
            Some(first) if first.quantity == i64::from(quantity) => Ok(first),
            Some(first) => Err(Error::KeyReused(first.quantity)),
            None => {
                let movement = menus::add(&mut tx, menu_id, menus::Kind::Restock, key, quantity, now()).await?;
                self.database.commit(tx).await?;
                Ok(movement)
            }
        }
    }

    fn event(&self, event: Event, traceparent: Option<String>) -> CloudEvent {
        CloudEvent::new(&*self.source, traceparent, event)
    }
}
