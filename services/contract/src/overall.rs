//! The one status that a customer sees, from the newest part of each owner.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CookStatus, DeliveryStatus, OrderStatus, state::wire_names};

/// Where an order stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the rest are OrderStatus's")]
pub enum OverallStatus {
    /// Taken by the gateway; the order service has not seen it yet.
    Requested,
    /// Taken by the gateway, but it can't become an order. Final.
    Rejected,
    Placed,
    Cooking,
    Delivering,
    Delivered,
    DeliveryFailed,
    Cancelled,
}

wire_names!(OverallStatus {
    Requested => "REQUESTED",
    Rejected => "REJECTED",
    Placed => "PLACED",
    Cooking => "COOKING",
    Delivering => "DELIVERING",
    Delivered => "DELIVERED",
    DeliveryFailed => "DELIVERY_FAILED",
    Cancelled => "CANCELLED",
});

impl From<OrderStatus> for OverallStatus {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Placed => Self::Placed,
            OrderStatus::Cooking => Self::Cooking,
            OrderStatus::Delivering => Self::Delivering,
            OrderStatus::Delivered => Self::Delivered,
            OrderStatus::DeliveryFailed => Self::DeliveryFailed,
            OrderStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Where an order stands by the parts that are known of it, in whatever sequence they became known; `None` with no part.
///
/// A cancelled cook or order is the end. Otherwise the part that is furthest along tells, since the others follow it.
pub fn furthest(
    order: Option<OrderStatus>,
    cook: Option<CookStatus>,
    delivery: Option<DeliveryStatus>,
) -> Option<OrderStatus> {
    let by_cook = cook.map(|status| match status {
        CookStatus::Started | CookStatus::Completed => OrderStatus::Cooking,
        CookStatus::Cancelled => OrderStatus::Cancelled,
    });
    let by_delivery = delivery.map(|status| match status {
        DeliveryStatus::Started | DeliveryStatus::PickedUp => OrderStatus::Delivering,
        DeliveryStatus::Delivered => OrderStatus::Delivered,
        DeliveryStatus::Failed => OrderStatus::DeliveryFailed,
    });
    // OrderStatus is declared in the sequence of an order's life, with CANCELLED, which wins, at its end.
    [order, by_cook, by_delivery].into_iter().flatten().max()
}

/// The overall status of an order: by its parts, see [`furthest`]; with no part at all, it is only requested, or
/// `rejected`.
pub fn overall_status(
    order: Option<OrderStatus>,
    cook: Option<CookStatus>,
    delivery: Option<DeliveryStatus>,
    rejected: bool,
) -> OverallStatus {
    match furthest(order, cook, delivery) {
        Some(status) => status.into(),
        None if rejected => OverallStatus::Rejected,
        None => OverallStatus::Requested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_part_tells() {
        use {CookStatus as C, DeliveryStatus as D, OrderStatus as O, OverallStatus as S};
        let table = [
            (None, None, None, false, S::Requested),
            (None, None, None, true, S::Rejected),
            (Some(O::Placed), None, None, true, S::Placed),
            (Some(O::Placed), Some(C::Started), None, false, S::Cooking),
            (Some(O::Placed), Some(C::Completed), None, false, S::Cooking),
            (None, Some(C::Completed), Some(D::Started), false, S::Delivering),
            (Some(O::Cooking), Some(C::Completed), Some(D::PickedUp), false, S::Delivering),
            (Some(O::Delivering), Some(C::Completed), Some(D::Delivered), false, S::Delivered),
            (Some(O::Delivering), Some(C::Completed), Some(D::Failed), false, S::DeliveryFailed),
            (Some(O::Cooking), Some(C::Cancelled), None, false, S::Cancelled),
            (Some(O::Cancelled), Some(C::Started), None, false, S::Cancelled),
        ];
        for (order, cook, delivery, rejected, expected) in table {
            assert_eq!(overall_status(order, cook, delivery, rejected), expected, "{order:?} {cook:?} {delivery:?}");
        }
    }
}
