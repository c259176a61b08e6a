//! What may happen to an order. Pure: no clock, no I/O.
//!
//! An order keeps the newest part of each owner by its version, and its status follows from the parts. So events may
//! come twice, late, or in any sequence, and the order ends in the same state.

use chrono::{DateTime, Utc};
use contract::{
    CancelDecision, CancelOutcome, Cancellation, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, Event,
    Identifier, OrderReason, OrderSnapshot, OrderStatus, PlaceOrder,
};
use uuid::Uuid;

/// An order, with what its owner alone knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// What others see.
    pub(crate) snapshot: OrderSnapshot,
    /// The newest cook seen.
    pub(crate) cook: Option<Seen<CookStatus>>,
    /// The newest delivery seen.
    pub(crate) delivery: Option<Seen<DeliveryStatus>>,
    /// The attempt to cancel, exactly while that is pending.
    pub(crate) attempt: Option<Attempt>,
}

/// The newest part of another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen<S> {
    pub(crate) status: S,
    pub(crate) version: i64,
}

/// An attempt to cancel: its id, and how often the kitchen was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) id: Uuid,
    pub(crate) tries: i32,
}

/// What a customer's wish to cancel comes to, before the kitchen is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The kitchen is to be asked; the order is pending from now on.
    Asking(Attempt),
    /// The order is cancelled already.
    Cancelled,
    /// Cooking is completed: nothing changes.
    TooLate,
    /// An attempt without an answer is under way.
    Pending,
}

/// What became of asking the kitchen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It decided.
    Decided(CancelDecision),
    /// It knows nothing of this try: no byte was sent, or it would not listen.
    Unheard,
}

/// A new order.
pub(crate) fn place(order_id: Identifier, order: PlaceOrder, now: DateTime<Utc>) -> OrderSnapshot {
    OrderSnapshot {
        order_id,
        customer_id: order.customer_id,
        restaurant_id: order.restaurant_id,
        menu_id: order.menu_id,
        quantity: order.quantity,
        address: order.address,
        note: order.note,
        status: OrderStatus::Placed,
        cancellation: Cancellation::None,
        reason: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// The order as it was answered when it was placed, from how it is now; `None` when it was placed by another request.
pub(crate) fn first_answer(existing: &OrderSnapshot, wanted: PlaceOrder) -> Option<OrderSnapshot> {
    let first = place(existing.order_id.clone(), wanted, existing.created_at);
    let asked = |order: &OrderSnapshot| OrderSnapshot {
        status: OrderStatus::Placed,
        cancellation: Cancellation::None,
        reason: None,
        updated_at: order.created_at,
        version: 1,
        ..order.clone()
    };
    (asked(existing) == first).then_some(first)
}

impl Order {
    /// Takes in what the kitchen says of the order's cook. Gives the event of what changed for others, if anything.
    pub(crate) fn see_cook(&mut self, cook: &CookSnapshot, now: DateTime<Utc>) -> Option<Event> {
        self.changing(now, |order| order.take_cook(cook))
    }

    fn take_cook(&mut self, cook: &CookSnapshot) {
        if self.cook.is_some_and(|seen| seen.version >= cook.version) {
            return;
        }
        self.cook = Some(Seen { status: cook.status, version: cook.version });
        if cook.status == CookStatus::Cancelled {
            self.snapshot.reason = Some(cook.reason.unwrap_or(OrderReason::Kitchen));
            if cook.reason == Some(OrderReason::Customer) {
                // That tells the answer to the attempt as well as the answer itself does.
                self.end_attempt(Cancellation::Done);
            }
        }
    }

    /// Takes in what the courier says of the order's delivery.
    pub(crate) fn see_delivery(&mut self, delivery: &DeliverySnapshot, now: DateTime<Utc>) -> Option<Event> {
        self.changing(now, |order| {
            if order.delivery.is_none_or(|seen| seen.version < delivery.version) {
                order.delivery = Some(Seen { status: delivery.status, version: delivery.version });
            }
        })
    }

    /// Takes in a customer's wish to cancel, as the attempt `id`, with the event of the change.
    pub(crate) fn wish_to_cancel(&mut self, id: Uuid, now: DateTime<Utc>) -> (Wish, Option<Event>) {
        let cooked = self.cook.is_some_and(|cook| cook.status == CookStatus::Completed) || self.delivery.is_some();
        let wish = match self.snapshot.cancellation {
            _ if self.snapshot.status == OrderStatus::Cancelled => Wish::Cancelled,
            Cancellation::Pending => Wish::Pending,
            Cancellation::Refused => Wish::TooLate,
            Cancellation::None | Cancellation::Done if cooked => Wish::TooLate,
            Cancellation::None | Cancellation::Done => Wish::Asking(Attempt { id, tries: 1 }),
        };
        let Wish::Asking(attempt) = wish else { return (wish, None) };
        let event = self.changing(now, |order| {
            order.snapshot.cancellation = Cancellation::Pending;
            order.attempt = Some(attempt);
        });
        (wish, event)
    }

    /// Takes in a wish to cancel, as the attempt `id`, for whose answer nobody waits: a refusal is kept instead of said.
    pub(crate) fn wish_to_cancel_later(&mut self, id: Uuid, now: DateTime<Utc>) -> Option<Event> {
        match self.wish_to_cancel(id, now) {
            (Wish::TooLate, _) => self.changing(now, |order| order.snapshot.cancellation = Cancellation::Refused),
            (_, event) => event,
        }
    }

    /// Takes in what became of asking the kitchen in one try of an attempt. An answer to what is no longer pending
    /// changes nothing.
    pub(crate) fn settle(&mut self, asked: Attempt, answer: &Answer, now: DateTime<Utc>) -> Option<Event> {
        let current = self.attempt.filter(|attempt| attempt.id == asked.id)?;
        self.changing(now, |order| match answer {
            Answer::Decided(decision) => {
                order.take_cook(&decision.cook);
                order.end_attempt(match decision.outcome {
                    CancelOutcome::Cancelled => Cancellation::Done,
                    CancelOutcome::Refused => Cancellation::Refused,
                });
            }
            // Only when this was the only try: another may have reached the kitchen.
            Answer::Unheard if asked.tries == 1 && current.tries == 1 => order.end_attempt(Cancellation::None),
            Answer::Unheard => {}
        })
    }

    fn end_attempt(&mut self, cancellation: Cancellation) {
        self.attempt = None;
        self.snapshot.cancellation = cancellation;
    }

    /// Makes a change and lets the status follow. The version counts what the order's events tell: readers keep the
    /// part with the highest one, so each version is one that they get to see.
    fn changing(&mut self, now: DateTime<Utc>, change: impl FnOnce(&mut Self)) -> Option<Event> {
        let before = self.snapshot.clone();
        change(self);
        self.snapshot.status = self.status();
        if self.snapshot == before {
            return None;
        }
        self.snapshot.updated_at = now;
        let event = match (self.snapshot.status, self.snapshot.cancellation) {
            (OrderStatus::Cancelled, _) => Event::OrderCancelled,
            // Progress that others tell of themselves.
            (_, cancellation) if cancellation == before.cancellation => return None,
            (_, Cancellation::Pending) => Event::OrderCancelRequested,
            // Refused by the kitchen, or taken back because the kitchen could not be reached.
            _ => Event::OrderCancelRefused,
        };
        self.snapshot.version += 1;
        Some(event(self.snapshot.clone()))
    }

    fn status(&self) -> OrderStatus {
        let (cook, delivery) = (self.cook.map(|seen| seen.status), self.delivery.map(|seen| seen.status));
        contract::furthest(None, cook, delivery).unwrap_or(OrderStatus::Placed)
    }
}

#[cfg(test)]
mod tests;
