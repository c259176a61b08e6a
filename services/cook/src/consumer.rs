//! What the order service says to the kitchen.

use chassis::consumer::Handler;
use contract::{CloudEvent, Event};

use crate::kitchen::{Kitchen, Ordered};

/// Gives orders to the kitchen, which makes each one cook, however often it comes. Cancellations come by HTTP; their
/// events are for other readers.
#[derive(Debug)]
pub(crate) struct Orders(pub(crate) Kitchen);

impl Handler for Orders {
    fn wants(&self, event: &Event) -> bool {
        matches!(event, Event::Ordered(_))
    }

    async fn handle(&self, events: &[CloudEvent]) -> anyhow::Result<()> {
        let orders = events.iter().filter_map(|event| match &event.event {
            Event::Ordered(order) => Some(Ordered { order: order.clone(), traceparent: event.traceparent.clone() }),
            _ => None,
        });
        Ok(self.0.take_orders(orders.collect()).await?)
    }
}
