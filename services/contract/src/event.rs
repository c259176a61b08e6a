//! The events.

use crate::{
    CancelRequest, CookSnapshot, DecodeError, DeliverySnapshot, Identifier, OrderRequest, OrderSnapshot, StockCheck,
    Topic, asyncapi::Message,
};

/// The events, by the topic that carries them, each with what it holds and what has happened.
macro_rules! events {
    ($($topic:ident { $($kind:ident($part:ident), $meaning:literal;)* })*) => {
        /// Something that happened, with the owner's whole part as it was right after.
        ///
        /// The variants' names are the CloudEvents types (`ce_type`); the payload is the JSON of what the variant holds.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[doc = $meaning] $kind($part),)*)*
        }

        impl Event {
            /// All of them, as the AsyncAPI document tells of them.
            pub(crate) fn messages() -> Vec<Message> {
                vec![$($(Message::new::<$part>(stringify!($kind), Topic::$topic, $meaning),)*)*]
            }

            /// The CloudEvents type.
            pub fn kind(&self) -> &'static str {
                match self {
                    $($(Self::$kind(_) => stringify!($kind),)*)*
                }
            }

            /// The topic that carries it.
            pub fn topic(&self) -> Topic {
                match self {
                    $($(Self::$kind(_) => Topic::$topic,)*)*
                }
            }

            /// The order that it is about: the key in Kafka, and the CloudEvents subject.
            pub fn order_id(&self) -> &Identifier {
                match self {
                    $($(Self::$kind(part) => part.about(),)*)*
                }
            }

            /// The payload: JSON.
            ///
            /// # Errors
            /// None in practice: every part is a plain struct with string keys.
            pub fn payload(&self) -> serde_json::Result<Vec<u8>> {
                match self {
                    $($(Self::$kind(part) => serde_json::to_vec(part),)*)*
                }
            }

            /// Reads the payload of an event of type `kind`; `None` for a type that this version does not know.
            ///
            /// # Errors
            /// When the payload is not what the type promises.
            pub fn from_payload(kind: &str, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
                match kind {
                    $($(stringify!($kind) => serde_json::from_slice(payload).map(Self::$kind).map(Some),)*)*
                    _ => Ok(None),
                }
                .map_err(|error| DecodeError::Payload { kind: kind.to_owned(), error })
            }
        }
    };
}

events! {
    Menu {
        Ordered(OrderSnapshot), "A customer's order was taken.";
        OrderCancelRequested(OrderSnapshot), "The customer wants to cancel; the kitchen's answer is not known yet.";
        OrderCancelRefused(OrderSnapshot), "The kitchen had completed the cook: the order goes on.";
        OrderCancelled(OrderSnapshot), "The order was cancelled, for its reason.";
        OrderRejected(OrderRequest), "A request taken by the gateway cannot become an order.";
    }
    Cook {
        CookStockChecked(StockCheck), "The kitchen has looked whether it has the stock, and reserved it if so.";
        CookStarted(CookSnapshot), "Cooking has begun.";
        CookCompleted(CookSnapshot), "The food is ready for the courier.";
        CookCancelled(CookSnapshot), "The cook was cancelled, for its reason.";
    }
    Delivery {
        DeliveryStarted(DeliverySnapshot), "A courier is on the way to the kitchen.";
        DeliveryPickedUp(DeliverySnapshot), "The courier has the food.";
        DeliveryCompleted(DeliverySnapshot), "The customer has the food.";
        DeliveryFailed(DeliverySnapshot), "The courier could not hand the food over.";
    }
    OrderRequests {
        OrderRequested(OrderRequest), "The gateway took an order while the order service was away.";
        CancelRequested(CancelRequest), "The gateway took a cancellation while the order service was away.";
    }
}

/// What an event holds.
trait Part {
    /// The order that it is about.
    fn about(&self) -> &Identifier;
}

macro_rules! parts {
    ($($part:ident),*) => {
        $(impl Part for $part {
            fn about(&self) -> &Identifier {
                &self.order_id
            }
        })*
    };
}

parts!(OrderSnapshot, CookSnapshot, DeliverySnapshot, OrderRequest, CancelRequest);

impl Part for StockCheck {
    fn about(&self) -> &Identifier {
        &self.cook.order_id
    }
}
