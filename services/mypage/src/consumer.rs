//! Everything that the other services say, into the views. Merging is idempotent: a repetition changes nothing.

use std::time::Duration;

use chassis::{consumer::Handler, db::Database};
use contract::CloudEvent;

use crate::{domain, live::Live, store};

/// Merges batches of events into the views, and wakes the followers.
pub(crate) struct Reader {
    database: Database,
    live: Live,
}

impl Reader {
    /// A reader that tells `live` when views may have changed.
    pub(crate) fn new(database: Database, live: Live) -> Self {
        Self { database, live }
    }
}

impl Handler for Reader {
    async fn handle(&self, events: &[CloudEvent]) -> anyhow::Result<()> {
        let batch = domain::fold(events.iter().map(|event| event.event.clone()));
        self.database.change(store::merge(self.database.pool(), &batch)).await?;
        self.live.wake();
        Ok(())
    }

    /// People look at pages: this is less than they notice.
    fn pace(&self) -> Duration {
        Duration::from_millis(20)
    }
}
