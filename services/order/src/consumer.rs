//! What the kitchen and the couriers say, and what the gateway took while this service was away.

use std::time::Duration;

use chassis::consumer::{Handler, Inbox};
use contract::{CloudEvent, Event};

use crate::orders::{Orders, Part};

/// Keeps the orders in step with their cooks and deliveries, and takes what waited.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) orders: Orders,
    pub(crate) inbox: Inbox,
}

impl Handler for Inbound {
    fn wants(&self, event: &Event) -> bool {
        matches!(event, Event::OrderRequested(_)) || part(event).is_some()
    }

    /// An order's progress is looked at by people, and MyPage learns of it without us.
    fn pace(&self) -> Duration {
        Duration::from_millis(20)
    }

    async fn handle(&self, events: &[CloudEvent]) -> anyhow::Result<()> {
        let mut tx = self.orders.database.begin().await?;
        // What other owners say has versions; what the gateway took has none, and rejecting it has an event each time.
        let without_version = |event: &Event| matches!(event, Event::OrderRequested(_) | Event::CancelRequested(_));
        let events = self.inbox.record(&mut tx, events, without_version).await?;
        if events.is_empty() {
            return Ok(());
        }
        // An order is there before anything else about it.
        let requests = events.iter().filter_map(|event| match &event.event {
            Event::OrderRequested(request) => Some((request, event.traceparent.clone())),
            _ => None,
        });
        self.orders.take(&mut tx, requests.collect()).await?;
        let parts = events.iter().filter_map(|event| Some((part(&event.event)?, event.traceparent.clone())));
        self.orders.see(&mut tx, parts.collect()).await?;
        Ok(self.orders.database.commit(tx).await?)
    }
}

fn part(event: &Event) -> Option<Part> {
    match event {
        Event::CookStockChecked(check) => Some(Part::Cook(check.cook.clone())),
        Event::CookStarted(cook) | Event::CookCompleted(cook) | Event::CookCancelled(cook) => {
            Some(Part::Cook(cook.clone()))
        }
        Event::DeliveryStarted(delivery)
        | Event::DeliveryPickedUp(delivery)
        | Event::DeliveryCompleted(delivery)
        | Event::DeliveryFailed(delivery) => Some(Part::Delivery(delivery.clone())),
        Event::CancelRequested(request) => Some(Part::CancelRequested(request.order_id.clone())),
        _ => None,
    }
}
