//! Which messages were applied, where the service's own state does not tell.

use std::{borrow::Cow, collections::HashSet};

use chrono::NaiveDate;
use contract::{CloudEvent, Event};
use uuid::Uuid;

use crate::db::Tx;

/// What a reader remembers of the messages that it has applied: for those whose repetition the service's own state (a
/// version, a primary key) does not make harmless. Most are not among them, and cost no row.
#[derive(Debug, Clone)]
pub struct Inbox {
    reader: String,
}

impl Inbox {
    pub(crate) fn new(reader: String) -> Self {
        Self { reader }
    }

    /// Writes down the ids of those events that it `keeps`, and returns all events without those of them that were there
    /// before, in their order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record<'a>(
        &self,
        tx: &mut Tx,
        events: &'a [CloudEvent],
        keeps: fn(&Event) -> bool,
    ) -> Result<Cow<'a, [CloudEvent]>, sqlx::Error> {
        let kept = events.iter().filter(|event| keeps(&event.event));
        let (ids, days): (Vec<Uuid>, Vec<NaiveDate>) = kept.map(|event| (event.id, event.time.date_naive())).unzip();
        if ids.is_empty() {
            return Ok(Cow::Borrowed(events));
        }
        let new: Vec<Uuid> = sqlx::query_scalar(
            // One order of locking, whatever the order of the messages: no two replicas wait for each other.
            "INSERT INTO inbox (reader, message_id, day)
             SELECT $1, e.id, e.day FROM unnest($2::uuid[], $3::date[]) AS e (id, day) ORDER BY e.day, e.id
             ON CONFLICT DO NOTHING RETURNING message_id",
        )
        .bind(&self.reader)
        .bind(ids)
        .bind(days)
        .fetch_all(&mut **tx)
        .await?;
        Ok(Cow::Owned(first_of_each(events, new.into_iter().collect(), keeps)))
    }
}

/// The events that it does not keep, and those whose ids are in `new`, each once: one batch may hold a repetition too.
fn first_of_each(events: &[CloudEvent], mut new: HashSet<Uuid>, keeps: fn(&Event) -> bool) -> Vec<CloudEvent> {
    events.iter().filter(|event| !keeps(&event.event) || new.remove(&event.id)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_event_is_taken_once_and_in_order() {
        let event = |order: &str| {
            let request =
                contract::CancelRequest { order_id: order.parse().unwrap(), requested_at: Default::default() };
            CloudEvent::new("/test", None, contract::Event::CancelRequested(request))
        };
        let (a, b, old) = (event("a"), event("b"), event("old"));
        let events = [b.clone(), old, a.clone(), b.clone()];
        let new = HashSet::from([a.id, b.id]);
        assert_eq!(first_of_each(&events, new.clone(), |_| true), [b, a]);
        assert_eq!(first_of_each(&events, new, |_| false), events);
    }
}
