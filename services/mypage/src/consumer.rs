//! Everything that the other services say, into the views. Merging is idempotent: a repetition changes nothing.

use std::time::Duration;

use chassis::{consumer::Handler, db::Tx};
use contract::CloudEvent;

use crate::{domain, live::Live, store};

/// Merges batches of events into the views, and wakes the followers.
pub(crate) struct Reader {
    live: Live,
}

impl Reader {
    /// A reader that tells `live` when views may have changed.
    pub(crate) fn new(live: Live) -> Self {
        Self { live }
    }
}

impl Handler for Reader {
    async fn handle(&self, tx: &mut Tx, events: &[CloudEvent]) -> anyhow::Result<()> {
        let batch = domain::fold(events.iter().map(|event| event.event.clone()));
        store::merge(tx, &batch).await?;
        Ok(())
    }

    /// People look at pages: this is less than they notice.
    fn pace(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn committed(&self, _: &[CloudEvent]) {
        self.live.wake();
    }
}
