//! What is known of one order: the newest part of each owner, and how two such pieces of knowledge become one.
//!
//! [`Knowledge::merge`] is commutative, associative and idempotent (a join), so that events may arrive twice and in
//! any sequence, across topics and partitions, and still end in the same view. The store's upsert is the same
//! function in SQL; a test holds the two against each other.

use chrono::{DateTime, SubsecRound, Utc};
use contract::{CookSnapshot, DeliverySnapshot, Event, Identifier, OrderRequest, OrderSnapshot};

/// What is known of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Knowledge {
    /// The order.
    pub(crate) order_id: Identifier,
    /// Whose it is; `None` while only a deferred cancellation is known, which does not say.
    pub(crate) customer_id: Option<Identifier>,
    /// The earliest time known of it, in whole microseconds (PostgreSQL's resolution): the lists' sequence.
    pub(crate) first_seen: DateTime<Utc>,
    /// The newest snapshot from the order service.
    pub(crate) order: Option<OrderSnapshot>,
    /// The newest snapshot from the kitchen.
    pub(crate) cook: Option<CookSnapshot>,
    /// The newest snapshot from the courier.
    pub(crate) delivery: Option<DeliverySnapshot>,
    /// What the gateway took while the order service was away: of several requests for one order, the first.
    pub(crate) request: Option<OrderRequest>,
    /// Whether the order service refused such a request.
    pub(crate) rejected: bool,
    /// Whether the gateway took a cancellation while the order service was away.
    pub(crate) cancel_requested: bool,
}

impl Knowledge {
    fn empty(order_id: Identifier, customer_id: Option<Identifier>, seen: DateTime<Utc>) -> Self {
        Self {
            order_id,
            customer_id,
            first_seen: seen.trunc_subsecs(6),
            order: None,
            cook: None,
            delivery: None,
            request: None,
            rejected: false,
            cancel_requested: false,
        }
    }

    fn of_request(request: OrderRequest, rejected: bool) -> Self {
        let customer = Some(request.order.customer_id.clone());
        let empty = Self::empty(request.order_id.clone(), customer, request.requested_at);
        Self { request: Some(request), rejected, ..empty }
    }

    fn of_cook(cook: CookSnapshot) -> Self {
        let empty = Self::empty(cook.order_id.clone(), Some(cook.customer_id.clone()), cook.created_at);
        Self { cook: Some(cook), ..empty }
    }

    /// Everything known by both.
    #[must_use]
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            order_id: self.order_id,
            customer_id: self.customer_id.or(other.customer_id),
            first_seen: self.first_seen.min(other.first_seen),
            order: newest(self.order, other.order, |part| part.version),
            cook: newest(self.cook, other.cook, |part| part.version),
            delivery: newest(self.delivery, other.delivery, |part| part.version),
            request: first(self.request, other.request),
            rejected: self.rejected || other.rejected,
            cancel_requested: self.cancel_requested || other.cancel_requested,
        }
    }

    /// A number that grows with every change and depends on nothing but what is known: the same on every replica,
    /// and after a rebuild. It is the event stream's id. (One change does not count: of two requests for one order the
    /// earlier may come later. The order that becomes of it does.)
    pub(crate) fn version(&self) -> i64 {
        self.order.as_ref().map_or(0, |part| part.version)
            + self.cook.as_ref().map_or(0, |part| part.version)
            + self.delivery.as_ref().map_or(0, |part| part.version)
            + i64::from(self.request.is_some())
            + i64::from(self.rejected)
            + i64::from(self.cancel_requested)
    }
}

impl From<Event> for Knowledge {
    fn from(event: Event) -> Self {
        match event {
            Event::Ordered(order)
            | Event::OrderCancelRequested(order)
            | Event::OrderCancelRefused(order)
            | Event::OrderCancelled(order) => {
                let empty = Self::empty(order.order_id.clone(), Some(order.customer_id.clone()), order.created_at);
                Self { order: Some(order), ..empty }
            }
            Event::CookStockChecked(check) => Self::of_cook(check.cook),
            Event::CookStarted(cook) | Event::CookCompleted(cook) | Event::CookCancelled(cook) => Self::of_cook(cook),
            Event::DeliveryStarted(delivery)
            | Event::DeliveryPickedUp(delivery)
            | Event::DeliveryCompleted(delivery)
            | Event::DeliveryFailed(delivery) => {
                let customer = Some(delivery.customer_id.clone());
                let empty = Self::empty(delivery.order_id.clone(), customer, delivery.created_at);
                Self { delivery: Some(delivery), ..empty }
            }
            Event::OrderRequested(request) => Self::of_request(request, false),
            Event::OrderRejected(request) => Self::of_request(request, true),
            Event::CancelRequested(request) => {
                Self { cancel_requested: true, ..Self::empty(request.order_id, None, request.requested_at) }
            }
        }
    }
}

/// The events of a batch as one piece of knowledge per order, sorted by order: every replica then locks rows in the
/// same sequence, so that two batches cannot deadlock.
pub(crate) fn fold(events: impl IntoIterator<Item = Event>) -> Vec<Knowledge> {
    let mut orders = std::collections::BTreeMap::<Identifier, Knowledge>::new();
    for knowledge in events.into_iter().map(Knowledge::from) {
        let id = knowledge.order_id.clone();
        let merged = match orders.remove(&id) {
            Some(known) => known.merge(knowledge),
            None => knowledge,
        };
        orders.insert(id, merged);
    }
    orders.into_values().collect()
}

/// The part with the higher version.
fn newest<T>(a: Option<T>, b: Option<T>, version: impl Fn(&T) -> i64) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) if version(&b) > version(&a) => Some(b),
        (a, b) => a.or(b),
    }
}

/// The earlier request: order creates the first of a partition, whose times are in that sequence.
fn first(a: Option<OrderRequest>, b: Option<OrderRequest>) -> Option<OrderRequest> {
    match (a, b) {
        (Some(a), Some(b)) if request_rank(&b) < request_rank(&a) => Some(b),
        (a, b) => a.or(b),
    }
}

/// What requests for one order are sorted by: whole microseconds, as the store compares them, then their content, so
/// that two of the same instant have a sequence too.
pub(crate) fn request_rank(request: &OrderRequest) -> (i64, String) {
    // Serialising a struct of strings and numbers cannot fail; if it did, the times alone would decide.
    (request.requested_at.timestamp_micros(), serde_json::to_string(request).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests;
