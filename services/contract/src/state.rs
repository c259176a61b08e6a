//! The states of orders, cooks and deliveries, as they are written in JSON and in the databases.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Implements `as_str`, `Display` and `FromStr` for a fieldless enum by its wire names.
macro_rules! wire_names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of {}", [$($name),+].join(", "))),
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}
pub(crate) use wire_names;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Taken; the kitchen has not answered yet.
    Placed,
    /// The kitchen has started.
    Cooking,
    /// A courier is on it.
    Delivering,
    /// The customer has it. Final.
    Delivered,
    /// The courier could not hand it over. Final.
    DeliveryFailed,
    /// Cancelled, for an [`OrderReason`]. Final.
    Cancelled,
}

wire_names!(OrderStatus {
    Placed => "PLACED",
    Cooking => "COOKING",
    Delivering => "DELIVERING",
    Delivered => "DELIVERED",
    DeliveryFailed => "DELIVERY_FAILED",
    Cancelled => "CANCELLED",
});

/// Why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderReason {
    /// The customer asked for it, and the kitchen agreed.
    Customer,
    /// The menu item had too little stock.
    OutOfStock,
    /// The kitchen knows no such menu item.
    UnknownMenu,
    /// The kitchen rejected it.
    Kitchen,
}

wire_names!(OrderReason {
    Customer => "CUSTOMER",
    OutOfStock => "OUT_OF_STOCK",
    UnknownMenu => "UNKNOWN_MENU",
    Kitchen => "KITCHEN",
});

/// Why the kitchen cancelled a cook: the same words, for an order is cancelled for its kitchen's reason.
pub type CookReason = OrderReason;

/// Where a customer's wish to cancel stands, beside the order's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cancellation {
    /// None asked, or the last attempt never reached the kitchen.
    None,
    /// Asked; the kitchen's answer is not known yet.
    Pending,
    /// The kitchen had completed the cook.
    Refused,
    /// The kitchen cancelled the cook.
    Done,
}

wire_names!(Cancellation { None => "NONE", Pending => "PENDING", Refused => "REFUSED", Done => "DONE" });

/// Where a cook (one order's cooking) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CookStatus {
    /// Stock is reserved and cooking goes on.
    Started,
    /// Ready for the courier. Final.
    Completed,
    /// Cancelled by the customer or the kitchen, or refused at birth. Final.
    Cancelled,
}

wire_names!(CookStatus { Started => "STARTED", Completed => "COMPLETED", Cancelled => "CANCELLED" });

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// A courier is on the way to the kitchen.
    Started,
    /// The courier has the food.
    PickedUp,
    /// Handed over. Final.
    Delivered,
    /// Could not be handed over. Final.
    Failed,
}

wire_names!(DeliveryStatus {
    Started => "STARTED",
    PickedUp => "PICKED_UP",
    Delivered => "DELIVERED",
    Failed => "FAILED",
});

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;
    use crate::{CancelOutcome, OverallStatus};

    #[test]
    fn a_schema_lists_the_names_on_the_wire() {
        macro_rules! check {
            ($($type:ident),+) => {$(
                let schema = serde_json::to_value($type::schema()).unwrap();
                assert_eq!(schema["enum"], json!($type::ALL), stringify!($type));
            )+};
        }
        check!(OrderStatus, OrderReason, Cancellation, CookStatus, DeliveryStatus, OverallStatus, CancelOutcome);
    }
}
