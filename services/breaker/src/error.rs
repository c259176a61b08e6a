//! Why there is no answer.

use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be made, to none of the endpoints that were tried: nothing was sent.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// Every endpoint is ejected: nothing was sent.
    #[error("every endpoint is ejected")]
    Ejected,
    /// As many requests as may wait for a connection already do: nothing was sent. The upstream may be well.
    #[error("too many requests are waiting for a connection")]
    Overflow,
    /// No answer within the limit; what was asked for may have happened.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended ahead of the answer; what was asked for may have happened.
    #[error("the connection ended before the answer: {0}")]
    Broken(String),
    /// The request's body could not be read to its end; its own error is among the causes.
    #[error("the request's body ended early: {0}")]
    Body(#[source] hyper::Error),
}

impl Error {
    /// Whether the upstream knows nothing of the request: no byte of it was sent.
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Ejected | Self::Overflow)
    }
}

/// An error with its causes, as one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
