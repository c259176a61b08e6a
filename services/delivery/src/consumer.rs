//! What the kitchen says to delivery.

use chassis::consumer::Handler;
use contract::{CloudEvent, Event};

use crate::courier::{Cooked, Courier};

/// Gives what is cooked to the couriers, who bring each order once, however often it comes.
#[derive(Debug)]
pub(crate) struct ReadyCooks(pub(crate) Courier);

impl Handler for ReadyCooks {
    fn wants(&self, event: &Event) -> bool {
        matches!(event, Event::CookCompleted(_))
    }

    async fn handle(&self, events: &[CloudEvent]) -> anyhow::Result<()> {
        let cooked = events.iter().filter_map(|event| match &event.event {
            Event::CookCompleted(cook) => Some(Cooked { cook: cook.clone(), traceparent: event.traceparent.clone() }),
            _ => None,
        });
        Ok(self.0.take(cooked.collect()).await?)
    }
}
