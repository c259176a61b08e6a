//! Cooks that are done by themselves, when their time has come.

use chassis::timer::Due;
use chrono::{DateTime, Utc};

use crate::{kitchen::Kitchen, store::cooks};

impl Due for Kitchen {
    async fn run(&self, limit: u32) -> sqlx::Result<usize> {
        self.complete_due(limit).await
    }

    async fn next(&self) -> sqlx::Result<Option<DateTime<Utc>>> {
        cooks::next_due(self.database().pool()).await
    }
}
