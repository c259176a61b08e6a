//! What the services of the food-delivery platform say to each other: identifiers, states, snapshots,
//! events and the topics that carry them. Pure data and pure functions: no I/O, no client.

pub mod asyncapi;
mod bounds;
mod cancellation;
mod envelope;
mod event;
mod id;
mod overall;
mod request;
mod snapshot;
mod state;
mod topic;

pub use cancellation::{CancelCook, CancelDecision, CancelOutcome};
pub use envelope::{CloudEvent, DecodeError, header};
pub use event::Event;
pub use id::{FreeText, Identifier, InvalidValue, Quantity, order_id, order_id_without_key};
pub use overall::{OverallStatus, furthest, overall_status};
pub use request::{CancelRequest, OrderRequest, PlaceOrder};
pub use snapshot::{CookSnapshot, DeliverySnapshot, OrderSnapshot, StockCheck};
pub use state::{Cancellation, CookReason, CookStatus, DeliveryStatus, OrderReason, OrderStatus};
pub use topic::Topic;
