//! What customers ask for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{FreeText, Identifier, Quantity, bounds};

/// The body of `POST /orders`. A value of this type is valid: every rule lies in its fields' types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub struct PlaceOrder {
    pub customer_id: Identifier,
    pub restaurant_id: Identifier,
    pub menu_id: Identifier,
    pub quantity: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<FreeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<FreeText>,
}

/// An order that the gateway took while the order service was away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRequest {
    /// The id that the order will have.
    pub order_id: Identifier,
    /// What was asked for.
    #[serde(flatten)]
    pub order: PlaceOrder,
    /// When the gateway took it.
    #[serde(deserialize_with = "bounds::time")]
    pub requested_at: DateTime<Utc>,
}

/// A cancellation that the gateway took while the order service was away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequest {
    /// The order to cancel.
    pub order_id: Identifier,
    /// When the gateway took it.
    #[serde(deserialize_with = "bounds::time")]
    pub requested_at: DateTime<Utc>,
}
