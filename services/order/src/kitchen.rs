//! The kitchen as order sees it: it decides about cancellations, and listens to who shows the token that both know.

use chassis::{
    client::{CallError, Client},
    http::TokenFile,
};
use contract::{CancelCook, CancelDecision};

/// The kitchen. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Kitchen {
    client: Client,
    token: TokenFile,
}

impl Kitchen {
    /// The kitchen that `client` calls, showing `token`.
    pub(crate) const fn new(client: Client, token: TokenFile) -> Self {
        Self { client, token }
    }

    /// Asks it to cancel.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn cancel(&self, request: &CancelCook) -> Result<CancelDecision, CallError> {
        let authorization = self.token.authorization().map_err(|error| CallError::NotSent(error.to_string()))?;
        self.client.post("/cancellations", authorization, request).await
    }
}
