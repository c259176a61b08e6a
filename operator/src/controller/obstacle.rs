//! What is in the way of a platform, for its conditions.

use crate::api::Reason;

/// Something that keeps a platform from being ready.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    /// In a word.
    pub reason: Reason,
    /// In a sentence that says what is wrong, where, and what to do.
    pub message: String,
}

impl Obstacle {
    /// An obstacle.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
