//! What an owner says of its row: the whole of it, with the row's version, so that a reader keeps the newest and
//! needs no history.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Cancellation, CookReason, CookStatus, DeliveryStatus, FreeText, Identifier, OrderReason, OrderStatus, Quantity,
    bounds,
};

/// An order as its owner, the order service, has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it; the states are documented on their types")]
pub struct OrderSnapshot {
    pub order_id: Identifier,
    pub customer_id: Identifier,
    pub restaurant_id: Identifier,
    pub menu_id: Identifier,
    pub quantity: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<FreeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
    pub status: OrderStatus,
    pub cancellation: Cancellation,
    /// Why, when `status` is `CANCELLED`.
    #[serde(default)]
    #[schema(required = true)]
    pub reason: Option<OrderReason>,
    #[serde(deserialize_with = "bounds::time")]
    pub created_at: DateTime<Utc>,
    #[serde(deserialize_with = "bounds::time")]
    pub updated_at: DateTime<Utc>,
    /// Grows by one with every change that the order service tells of; starts at 1. Progress, which kitchen and courier
    /// tell of, changes `status` and `updated_at` alone.
    #[serde(deserialize_with = "bounds::version")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub version: i64,
}

/// A cook as its owner, the cook service, has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it; the states are documented on their types")]
pub struct CookSnapshot {
    pub cook_id: Identifier,
    pub order_id: Identifier,
    pub customer_id: Identifier,
    pub restaurant_id: Identifier,
    pub menu_id: Identifier,
    pub quantity: Quantity,
    pub status: CookStatus,
    /// Why, when `status` is `CANCELLED`.
    #[serde(default)]
    #[schema(required = true)]
    pub reason: Option<CookReason>,
    #[serde(deserialize_with = "bounds::time")]
    pub created_at: DateTime<Utc>,
    #[serde(deserialize_with = "bounds::time")]
    pub updated_at: DateTime<Utc>,
    /// Grows by one at least with every change of the row; starts at 1.
    #[serde(deserialize_with = "bounds::version")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub version: i64,
}

/// Whether the kitchen had the stock for an order, with the cook that it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockCheck {
    /// Whether the stock was there, and is reserved now.
    pub available: bool,
    /// The cook: `STARTED` when available, otherwise `CANCELLED` with the reason.
    #[serde(flatten)]
    pub cook: CookSnapshot,
}

/// A delivery as its owner, the delivery service, has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it; the states are documented on their types")]
pub struct DeliverySnapshot {
    pub delivery_id: Identifier,
    pub order_id: Identifier,
    pub cook_id: Identifier,
    pub customer_id: Identifier,
    pub status: DeliveryStatus,
    #[serde(deserialize_with = "bounds::time")]
    pub created_at: DateTime<Utc>,
    #[serde(deserialize_with = "bounds::time")]
    pub updated_at: DateTime<Utc>,
    /// Grows by one at least with every change of the row; starts at 1.
    #[serde(deserialize_with = "bounds::version")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub version: i64,
}
