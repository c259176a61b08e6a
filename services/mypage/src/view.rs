//! What a customer sees of an order: the JSON of `GET /mypages` and of the event stream.

use chrono::{DateTime, Utc};
use contract::{
    Cancellation, CookStatus, DeliveryStatus, FreeText, Identifier, OrderReason, OverallStatus, Quantity,
    overall_status,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Knowledge;

/// An order with its cooking and its delivery. What no owner has told yet is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it; the states are documented on their types")]
pub struct View {
    pub order_id: Identifier,
    pub customer_id: Identifier,
    #[schema(required = true)]
    pub restaurant_id: Option<Identifier>,
    #[schema(required = true)]
    pub menu_id: Option<Identifier>,
    #[schema(required = true)]
    pub quantity: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<FreeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
    /// Where the order stands as a whole.
    pub status: OverallStatus,
    pub cancellation: Cancellation,
    #[schema(required = true)]
    pub reason: Option<OrderReason>,
    #[schema(required = true)]
    pub cook_id: Option<Identifier>,
    #[schema(required = true)]
    pub cook_status: Option<CookStatus>,
    #[schema(required = true)]
    pub delivery_id: Option<Identifier>,
    #[schema(required = true)]
    pub delivery_status: Option<DeliveryStatus>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The order service's version of the order; `null` until it has taken it.
    #[schema(required = true, minimum = 1)]
    pub version: Option<i64>,
}

impl View {
    /// The view of what is known; `None` while it is not known whose order it is.
    pub(crate) fn of(known: Knowledge) -> Option<Self> {
        let Knowledge { order_id, customer_id, first_seen, order, cook, delivery, request, rejected, cancel_requested } =
            known;
        let order_status = order.as_ref().map(|part| part.status);
        let cook_status = cook.as_ref().map(|part| part.status);
        let delivery_status = delivery.as_ref().map(|part| part.status);
        // An order part says everything that was ordered; a request says the same ahead of it, a cook the most of it.
        let (restaurant_id, menu_id, quantity, address, note, ordered_at) = match (&order, request, &cook) {
            (Some(part), _, _) => (
                Some(part.restaurant_id.clone()),
                Some(part.menu_id.clone()),
                Some(part.quantity),
                part.address.clone(),
                part.note.clone(),
                part.created_at,
            ),
            (None, Some(request), _) => (
                Some(request.order.restaurant_id),
                Some(request.order.menu_id),
                Some(request.order.quantity),
                request.order.address,
                request.order.note,
                request.requested_at,
            ),
            (None, None, Some(part)) => {
                let (restaurant, menu) = (part.restaurant_id.clone(), part.menu_id.clone());
                (Some(restaurant), Some(menu), Some(part.quantity), None, None, first_seen)
            }
            (None, None, None) => (None, None, None, None, None, first_seen),
        };
        let updates = [
            order.as_ref().map(|part| part.updated_at),
            cook.as_ref().map(|part| part.updated_at),
            delivery.as_ref().map(|part| part.updated_at),
        ];
        let cancellation = match &order {
            Some(part) => part.cancellation,
            None if cancel_requested => Cancellation::Pending,
            None => Cancellation::None,
        };
        Some(Self {
            order_id,
            customer_id: customer_id?,
            restaurant_id,
            menu_id,
            quantity,
            address,
            note,
            status: overall_status(order_status, cook_status, delivery_status, rejected),
            cancellation,
            // The kitchen's reason is the order's; it is here first.
            reason: order.as_ref().and_then(|part| part.reason).or(cook.as_ref().and_then(|part| part.reason)),
            cook_id: cook.map(|part| part.cook_id),
            cook_status,
            delivery_id: delivery.map(|part| part.delivery_id),
            delivery_status,
            created_at: ordered_at,
            updated_at: updates.into_iter().flatten().max().unwrap_or(ordered_at),
            version: order.map(|part| part.version),
        })
    }
}
