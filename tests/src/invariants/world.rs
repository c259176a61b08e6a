//! What the checker looks at: all that the owners say, and what callers were told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contract::{
    Cancellation, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, FreeText, Identifier, OrderReason,
    OrderSnapshot, OverallStatus, Quantity,
};
use serde::{Deserialize, Serialize};

/// Everything about a platform at rest.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Every order, as order has it.
    pub orders: Vec<OrderSnapshot>,
    /// Every menu item with its ledger, as the kitchen has it.
    pub menus: Vec<Menu>,
    /// Every cook, as the kitchen has it.
    pub cooks: Vec<CookSnapshot>,
    /// Every delivery, as delivery has it.
    pub deliveries: Vec<DeliverySnapshot>,
    /// Every order, as MyPage shows it.
    pub pages: Vec<Page>,
    /// The keys of the messages in the dead-letter topics, which are ids of orders where the messages were ours, each
    /// with a sentence about the message.
    pub dead_letters: Vec<(String, String)>,
    /// What callers were told.
    pub told: Told,
}

/// A menu item.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Menu {
    /// Its id.
    pub menu_id: Identifier,
    /// Portions that no cook has reserved.
    pub on_hand: i64,
    /// The ledger, oldest movement first.
    #[serde(default)]
    pub movements: Vec<Movement>,
}

/// A line of the ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Why stock changed.
    pub kind: Kind,
    /// The idempotency key of a restock, the order of the others.
    pub reference: String,
    /// What it added; negative for what it took.
    pub quantity: i64,
    /// What was on hand right after.
    pub on_hand: i64,
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// New portions.
    Restock,
    /// Portions for a cook that starts.
    Reserve,
    /// Portions of a started cook that was cancelled.
    Restore,
}

/// An order as `GET /mypages` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub struct Page {
    pub order_id: Identifier,
    pub customer_id: Identifier,
    pub restaurant_id: Option<Identifier>,
    pub menu_id: Option<Identifier>,
    pub quantity: Option<Quantity>,
    pub address: Option<FreeText>,
    pub note: Option<FreeText>,
    pub status: OverallStatus,
    pub cancellation: Cancellation,
    pub reason: Option<OrderReason>,
    pub cook_id: Option<Identifier>,
    pub cook_status: Option<CookStatus>,
    pub delivery_id: Option<Identifier>,
    pub delivery_status: Option<DeliveryStatus>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: Option<i64>,
}

/// What callers were told and may rely on. Without it the checker still knows every order that order has, but not the
/// lost ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Told {
    /// Orders whose placing was confirmed, and how.
    pub accepted: BTreeMap<Identifier, Acceptance>,
    /// Orders whose cancelling was confirmed (200).
    pub cancelled: BTreeSet<Identifier>,
    /// Orders whose cancelling was refused (409).
    pub refused: BTreeSet<Identifier>,
    /// Restocks that were confirmed.
    pub restocks: Vec<Restock>,
}

/// How an order was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Acceptance {
    /// 201: it exists.
    Placed,
    /// 202: it will, unless it can't.
    Deferred,
}

/// A restock that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restock {
    /// The item.
    pub menu_id: Identifier,
    /// The idempotency key.
    pub key: String,
    /// The portions.
    pub quantity: i64,
}
