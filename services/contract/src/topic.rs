//! The topics, by what they carry.

use crate::state::wire_names;

/// A topic of the platform. Its name in Kafka is the platform's prefix followed by [`Topic::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What order says to the kitchen.
    Menu,
    /// What the kitchen says to delivery.
    Cook,
    /// What delivery says.
    Delivery,
    /// What the gateway took for order while order was away.
    OrderRequests,
}

wire_names!(Topic {
    Menu => "menu",
    Cook => "cook",
    Delivery => "delivery",
    OrderRequests => "order-requests",
});

impl Topic {
    /// The topic's name in Kafka.
    pub fn name(self, prefix: &str) -> String {
        format!("{prefix}{self}")
    }

    /// The name of the topic for messages of this one that could not be decoded.
    pub fn dead_letter_name(self, prefix: &str) -> String {
        format!("{prefix}{self}.dlq")
    }
}
