//! What the kitchen and the couriers say.

use chassis::{consumer::Handler, db::Tx};
use contract::{CloudEvent, Event};

use crate::orders::{Orders, Part};

/// Keeps the orders in step with their cooks and deliveries.
#[derive(Debug)]
pub(crate) struct Progress(pub(crate) Orders);

impl Handler for Progress {
    async fn handle(&self, tx: &mut Tx, events: &[CloudEvent]) -> anyhow::Result<()> {
        let part = |event: &Event| match event {
            Event::CookStockChecked(check) => Some(Part::Cook(check.cook.clone())),
            Event::CookStarted(cook) | Event::CookCompleted(cook) | Event::CookCancelled(cook) => {
                Some(Part::Cook(cook.clone()))
            }
            Event::DeliveryStarted(delivery)
            | Event::DeliveryPickedUp(delivery)
            | Event::DeliveryCompleted(delivery)
            | Event::DeliveryFailed(delivery) => Some(Part::Delivery(delivery.clone())),
            _ => None,
        };
        let parts = events.iter().filter_map(|event| Some((part(&event.event)?, event.traceparent.clone())));
        Ok(self.0.see(tx, parts.collect()).await?)
    }
}
