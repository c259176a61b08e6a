//! Deliveries that go on by themselves, when their time has come.

use chassis::timer::Due;
use chrono::{DateTime, Utc};

use crate::{courier::Courier, store};

impl Due for Courier {
    async fn run(&self, limit: u32) -> sqlx::Result<usize> {
        self.advance_due(limit).await
    }

    async fn next(&self) -> sqlx::Result<Option<DateTime<Utc>>> {
        store::next_due(self.database().pool()).await
    }
}
