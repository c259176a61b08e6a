//! Cancelling an order: all or nothing with its cook. The order commits that it is pending, the kitchen decides, the
//! order commits the outcome. What is left without an answer, the resolver asks again, until there is one.

use std::time::Duration;

use axum::http::StatusCode;
use chassis::{client::CallError, crash, db::now};
use contract::{CancelCook, Cancellation, Identifier, OrderSnapshot, OrderStatus};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    domain::{Answer, Attempt, Wish},
    orders::{Error, LEASE, Orders},
    store,
};

/// How often the resolver looks for attempts without an answer.
const RESOLVE_EVERY: Duration = Duration::from_secs(1);
/// How many the resolver asks for at once.
const RESOLVE_AT_ONCE: i64 = 16;

/// What a customer is told.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// The order is cancelled.
    Yes(OrderSnapshot),
    /// Cooking had completed, so it is not.
    No(OrderSnapshot),
    /// That is not known yet.
    NotKnownYet(OrderSnapshot),
    /// The kitchen could not be reached: nothing has changed.
    NotNow,
}

impl Orders {
    /// Cancels an order for its customer.
    ///
    /// # Errors
    /// When there is no such order, and those of the database; then the wish may be pending.
    pub(crate) async fn cancel(&self, order_id: &Identifier) -> Result<Cancelled, Error> {
        let attempt_id = Uuid::new_v4();
        let (wish, order) = self.change(order_id, |order| order.wish_to_cancel(attempt_id, now())).await?;
        let attempt = match wish {
            Wish::Cancelled => return Ok(Cancelled::Yes(order.snapshot)),
            Wish::TooLate => return Ok(Cancelled::No(order.snapshot)),
            Wish::Pending => return Ok(Cancelled::NotKnownYet(order.snapshot)),
            Wish::Asking(attempt) => attempt,
        };
        let answer = self.ask(&order.snapshot, attempt).await;
        crash::point("cancel.answered");
        let Some(answer) = answer else { return Ok(Cancelled::NotKnownYet(order.snapshot)) };
        let order = self.settle(order_id, attempt, &answer).await?;
        Ok(match (order.status, order.cancellation) {
            (OrderStatus::Cancelled, _) => Cancelled::Yes(order),
            (_, Cancellation::Refused) => Cancelled::No(order),
            (_, Cancellation::None) => Cancelled::NotNow,
            (_, Cancellation::Pending | Cancellation::Done) => Cancelled::NotKnownYet(order),
        })
    }

    /// Asks the kitchen; `None` when it may or may not have decided.
    async fn ask(&self, order: &OrderSnapshot, attempt: Attempt) -> Option<Answer> {
        let request = CancelCook {
            order_id: order.order_id.clone(),
            attempt_id: attempt.id,
            customer_id: order.customer_id.clone(),
            restaurant_id: order.restaurant_id.clone(),
            menu_id: order.menu_id.clone(),
            quantity: order.quantity,
        };
        let outcome = self.kitchen.cancel(&request).await;
        let error = match outcome {
            Ok(decision) => return Some(Answer::Decided(decision)),
            Err(error) => error,
        };
        warn!(order_id = %order.order_id, attempt = %attempt.id, tries = attempt.tries, %error, "asking the kitchen to cancel failed");
        let unheard = match error {
            CallError::NotSent(_) => true,
            CallError::Status { status, .. } => status == StatusCode::UNAUTHORIZED,
            CallError::Unknown(_) => false,
        };
        unheard.then_some(Answer::Unheard)
    }

    async fn settle(&self, order_id: &Identifier, asked: Attempt, answer: &Answer) -> Result<OrderSnapshot, Error> {
        let ((), order) = self.change(order_id, |order| ((), order.settle(asked, answer, now()))).await?;
        Ok(order.snapshot)
    }

    /// Asks again for attempts without an answer, as long as the service runs.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn resolve(&self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let pending = store::pending(self.database.pool()).await?;
            // A gauge is a float: exact up to 2^53 cancellations.
            metrics::gauge!("cancellations_pending").set(pending as f64);
            let unanswered = store::take_over(self.database.pool(), RESOLVE_AT_ONCE, LEASE).await?;
            let more = unanswered.len() == usize::try_from(RESOLVE_AT_ONCE)?;
            let mut asking = JoinSet::new();
            for order in unanswered {
                let orders = self.clone();
                asking.spawn(async move {
                    let Some(attempt) = order.attempt else { return Ok(()) };
                    let id = &order.snapshot.order_id;
                    if let Some(answer) = orders.ask(&order.snapshot, attempt).await {
                        let settled = orders.settle(id, attempt, &answer).await?;
                        info!(order_id = %id, cancellation = %settled.cancellation, "asked the kitchen again to cancel");
                    }
                    Ok::<_, Error>(())
                });
            }
            while let Some(asked) = asking.join_next().await {
                asked??;
            }
            if !more {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(RESOLVE_EVERY) => {}
                }
            }
        }
        Ok(())
    }
}
