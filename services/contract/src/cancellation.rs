//! The synchronous request from order to cook that cancels both or neither: `POST /cancellations`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{CookSnapshot, Identifier, Quantity, state::wire_names};

/// The body of `POST /cancellations`. It carries what a cook's row needs, because a cancellation that overtakes its
/// `Ordered` becomes that row itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct CancelCook {
    pub order_id: Identifier,
    /// The order service's attempt: the same for every repetition of one wish to cancel.
    pub attempt_id: Uuid,
    pub customer_id: Identifier,
    pub restaurant_id: Identifier,
    pub menu_id: Identifier,
    pub quantity: Quantity,
}

/// What the kitchen decided. Repeating the request gives the same decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelOutcome {
    /// The cook is cancelled, now or earlier.
    Cancelled,
    /// Cooking had completed; nothing changed.
    Refused,
}

wire_names!(CancelOutcome { Cancelled => "CANCELLED", Refused => "REFUSED" });

/// The answer to `POST /cancellations`, always with status 200: the decision and the cook as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct CancelDecision {
    pub outcome: CancelOutcome,
    pub cook: CookSnapshot,
}
