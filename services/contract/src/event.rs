//! The events.

use crate::{
    CancelRequest, CookSnapshot, DecodeError, DeliverySnapshot, Identifier, OrderRequest, OrderSnapshot, StockCheck,
    Topic,
};

/// Something that happened, with the owner's whole part as it was right after.
///
/// The variants' names are the CloudEvents types (`ce_type`); the payload is the JSON of what the variant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the domain's")]
pub enum Event {
    Ordered(OrderSnapshot),
    OrderCancelRequested(OrderSnapshot),
    OrderCancelRefused(OrderSnapshot),
    OrderCancelled(OrderSnapshot),
    /// A request taken by the gateway cannot become an order.
    OrderRejected(OrderRequest),
    CookStockChecked(StockCheck),
    CookStarted(CookSnapshot),
    CookCompleted(CookSnapshot),
    CookCancelled(CookSnapshot),
    DeliveryStarted(DeliverySnapshot),
    DeliveryPickedUp(DeliverySnapshot),
    DeliveryCompleted(DeliverySnapshot),
    DeliveryFailed(DeliverySnapshot),
    OrderRequested(OrderRequest),
    CancelRequested(CancelRequest),
}

impl Event {
    /// The CloudEvents type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ordered(_) => "Ordered",
            Self::OrderCancelRequested(_) => "OrderCancelRequested",
            Self::OrderCancelRefused(_) => "OrderCancelRefused",
            Self::OrderCancelled(_) => "OrderCancelled",
            Self::OrderRejected(_) => "OrderRejected",
            Self::CookStockChecked(_) => "CookStockChecked",
            Self::CookStarted(_) => "CookStarted",
            Self::CookCompleted(_) => "CookCompleted",
            Self::CookCancelled(_) => "CookCancelled",
            Self::DeliveryStarted(_) => "DeliveryStarted",
            Self::DeliveryPickedUp(_) => "DeliveryPickedUp",
            Self::DeliveryCompleted(_) => "DeliveryCompleted",
            Self::DeliveryFailed(_) => "DeliveryFailed",
            Self::OrderRequested(_) => "OrderRequested",
            Self::CancelRequested(_) => "CancelRequested",
        }
    }

    /// The topic that carries it.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Ordered(_)
            | Self::OrderCancelRequested(_)
            | Self::OrderCancelRefused(_)
            | Self::OrderCancelled(_)
            | Self::OrderRejected(_) => Topic::Menu,
            Self::CookStockChecked(_) | Self::CookStarted(_) | Self::CookCompleted(_) | Self::CookCancelled(_) => {
                Topic::Cook
            }
            Self::DeliveryStarted(_)
            | Self::DeliveryPickedUp(_)
            | Self::DeliveryCompleted(_)
            | Self::DeliveryFailed(_) => Topic::Delivery,
            Self::OrderRequested(_) | Self::CancelRequested(_) => Topic::OrderRequests,
        }
    }

    /// The order that it is about: the key in Kafka, and the CloudEvents subject.
    pub fn order_id(&self) -> &Identifier {
        match self {
            Self::Ordered(order)
            | Self::OrderCancelRequested(order)
            | Self::OrderCancelRefused(order)
            | Self::OrderCancelled(order) => &order.order_id,
            Self::OrderRejected(request) | Self::OrderRequested(request) => &request.order_id,
            Self::CookStockChecked(check) => &check.cook.order_id,
            Self::CookStarted(cook) | Self::CookCompleted(cook) | Self::CookCancelled(cook) => &cook.order_id,
            Self::DeliveryStarted(delivery)
            | Self::DeliveryPickedUp(delivery)
            | Self::DeliveryCompleted(delivery)
            | Self::DeliveryFailed(delivery) => &delivery.order_id,
            Self::CancelRequested(request) => &request.order_id,
        }
    }

    /// The payload: JSON.
    ///
    /// # Errors
    /// None in practice: every part is a plain struct with string keys.
    pub fn payload(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Ordered(order)
            | Self::OrderCancelRequested(order)
            | Self::OrderCancelRefused(order)
            | Self::OrderCancelled(order) => serde_json::to_vec(order),
            Self::OrderRejected(request) | Self::OrderRequested(request) => serde_json::to_vec(request),
            Self::CookStockChecked(check) => serde_json::to_vec(check),
            Self::CookStarted(cook) | Self::CookCompleted(cook) | Self::CookCancelled(cook) => serde_json::to_vec(cook),
            Self::DeliveryStarted(delivery)
            | Self::DeliveryPickedUp(delivery)
            | Self::DeliveryCompleted(delivery)
            | Self::DeliveryFailed(delivery) => serde_json::to_vec(delivery),
            Self::CancelRequested(request) => serde_json::to_vec(request),
        }
    }

    /// Reads the payload of an event of type `kind`; `None` for a type that this version does not know.
    ///
    /// # Errors
    /// When the payload is not what the type promises.
    pub fn from_payload(kind: &str, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        macro_rules! read {
            ($($name:ident),+) => {
                match kind {
                    $(stringify!($name) => serde_json::from_slice(payload).map(Self::$name).map(Some),)+
                    _ => Ok(None),
                }
            };
        }
        read!(
            Ordered,
            OrderCancelRequested,
            OrderCancelRefused,
            OrderCancelled,
            OrderRejected,
            CookStockChecked,
            CookStarted,
            CookCompleted,
            CookCancelled,
            DeliveryStarted,
            DeliveryPickedUp,
            DeliveryCompleted,
            DeliveryFailed,
            OrderRequested,
            CancelRequested
        )
        .map_err(|error| DecodeError::Payload { kind: kind.to_owned(), error })
    }
}
