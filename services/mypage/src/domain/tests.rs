//! Whatever the sequence of arrival, the view is the same.

use contract::{
    Cancellation, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, Event, OrderReason, OrderRequest,
    OrderSnapshot, OrderStatus, OverallStatus, PlaceOrder,
};
use proptest::prelude::*;

use super::*;
use crate::view::View;

fn time(seconds: i64) -> DateTime<Utc> {
    // Nanoseconds on purpose: what is kept must not depend on what PostgreSQL cuts off.
    DateTime::from_timestamp(1_767_000_000 + seconds, 123_456_789).unwrap()
}

fn id(name: &str, order: u8) -> Identifier {
    format!("{name}-{order}").parse().unwrap()
}

fn place(order: u8, note: Option<u8>) -> PlaceOrder {
    PlaceOrder {
        customer_id: id("customer", order),
        restaurant_id: id("restaurant", 1),
        menu_id: id("menu", order),
        quantity: 2.try_into().unwrap(),
        address: None,
        note: note.map(|note| format!("note {note}").try_into().unwrap()),
    }
}

pub(crate) fn an_order(order: u8, version: i64) -> OrderSnapshot {
    let status = OrderStatus::ALL[version as usize % OrderStatus::ALL.len()];
    OrderSnapshot {
        order_id: id("order", order),
        customer_id: id("customer", order),
        restaurant_id: id("restaurant", 1),
        menu_id: id("menu", order),
        quantity: 2.try_into().unwrap(),
        address: Some("Main Street 1".to_owned().try_into().unwrap()),
        note: None,
        status,
        cancellation: Cancellation::ALL[version as usize % 4],
        reason: (status == OrderStatus::Cancelled).then_some(OrderReason::Customer),
        created_at: time(order.into()),
        updated_at: time(100 + version),
        version,
    }
}

fn a_cook(order: u8, version: i64) -> CookSnapshot {
    CookSnapshot {
        cook_id: id("cook", order),
        order_id: id("order", order),
        customer_id: id("customer", order),
        restaurant_id: id("restaurant", 1),
        menu_id: id("menu", order),
        quantity: 2.try_into().unwrap(),
        status: CookStatus::ALL[version as usize % 3],
        reason: None,
        created_at: time(10 + i64::from(order)),
        updated_at: time(100 + version),
        version,
    }
}

fn a_delivery(order: u8, version: i64) -> DeliverySnapshot {
    DeliverySnapshot {
        delivery_id: id("delivery", order),
        order_id: id("order", order),
        cook_id: id("cook", order),
        customer_id: id("customer", order),
        status: DeliveryStatus::ALL[version as usize % 4],
        created_at: time(20 + i64::from(order)),
        updated_at: time(100 + version),
        version,
    }
}

fn a_request(order: u8, note: u8) -> OrderRequest {
    // Two requests for one order may have come in the same instant.
    OrderRequest {
        order_id: id("order", order),
        order: place(order, Some(note)),
        requested_at: time(i64::from(note / 2)),
    }
}

/// Any event of one of a few orders; snapshots differ by version.
fn any_event() -> impl Strategy<Value = Event> {
    (0..3u8, 1..6i64, 0..15u8).prop_map(|(order, version, kind)| match kind {
        0 => Event::Ordered(an_order(order, version)),
        1 => Event::OrderCancelRequested(an_order(order, version)),
        2 => Event::OrderCancelRefused(an_order(order, version)),
        3 => Event::OrderCancelled(an_order(order, version)),
        4 => Event::OrderRejected(a_request(order, version as u8)),
        5 => Event::CookStockChecked(contract::StockCheck { available: true, cook: a_cook(order, version) }),
        6 => Event::CookStarted(a_cook(order, version)),
        7 => Event::CookCompleted(a_cook(order, version)),
        8 => Event::CookCancelled(a_cook(order, version)),
        9 => Event::DeliveryStarted(a_delivery(order, version)),
        10 => Event::DeliveryPickedUp(a_delivery(order, version)),
        11 => Event::DeliveryCompleted(a_delivery(order, version)),
        12 => Event::DeliveryFailed(a_delivery(order, version)),
        13 => Event::OrderRequested(a_request(order, version as u8)),
        _ => Event::CancelRequested(contract::CancelRequest {
            order_id: id("order", order),
            requested_at: time(version),
        }),
    })
}

/// Events, the same ones in another sequence with some twice, and where to cut that into batches.
pub(crate) fn histories() -> impl Strategy<Value = (Vec<Event>, Vec<Event>, usize)> {
    prop::collection::vec(any_event(), 1..40).prop_flat_map(|events| {
        let again = prop::sample::subsequence(events.clone(), 0..=events.len());
        let length = events.len();
        (Just(events), again, 1..=length).prop_flat_map(|(events, again, batch)| {
            let all: Vec<_> = events.iter().cloned().chain(again).collect();
            (Just(events), Just(all).prop_shuffle(), Just(batch))
        })
    })
}

proptest! {
    #[test]
    fn any_arrival_order_ends_in_the_same_view((events, arrived, size) in histories()) {
        let mut known = std::collections::BTreeMap::<Identifier, Knowledge>::new();
        for batch in arrived.chunks(size) {
            for part in fold(batch.iter().cloned()) {
                let merged = match known.remove(&part.order_id) {
                    Some(before) => {
                        let merged = before.clone().merge(part);
                        // The stream's id tells every change.
                        prop_assert!(merged.version() >= before.version());
                        merged
                    }
                    None => part,
                };
                known.insert(merged.order_id.clone(), merged);
            }
        }
        prop_assert_eq!(known.into_values().collect::<Vec<_>>(), fold(events));
    }
}

fn view(events: impl IntoIterator<Item = Event>) -> Option<View> {
    View::of(fold(events).remove(0))
}

#[test]
fn a_view_begins_with_whatever_comes_first() {
    let cancel = Event::CancelRequested(contract::CancelRequest { order_id: id("order", 1), requested_at: time(1) });
    assert_eq!(view([cancel.clone()]), None);

    let requested = view([Event::OrderRequested(a_request(1, 1)), cancel]).unwrap();
    assert_eq!((requested.status, requested.cancellation), (OverallStatus::Requested, Cancellation::Pending));
    assert_eq!((requested.version, requested.menu_id), (None, Some(id("menu", 1))));

    let rejected = view([Event::OrderRequested(a_request(1, 1)), Event::OrderRejected(a_request(1, 3))]).unwrap();
    assert_eq!((rejected.status, rejected.note.unwrap().as_str()), (OverallStatus::Rejected, "note 1"));

    let by_courier = view([Event::DeliveryStarted(a_delivery(1, 4))]).unwrap();
    assert_eq!((by_courier.status, by_courier.menu_id), (OverallStatus::Delivering, None));
}

#[test]
fn a_view_shows_every_owners_part() {
    let placed = OrderSnapshot { status: OrderStatus::Placed, cancellation: Cancellation::None, ..an_order(1, 1) };
    let out_of_stock =
        CookSnapshot { status: CookStatus::Cancelled, reason: Some(OrderReason::OutOfStock), ..a_cook(1, 1) };
    let view = view([Event::CookCancelled(out_of_stock), Event::Ordered(placed)]).unwrap();
    assert_eq!((view.status, view.version), (OverallStatus::Cancelled, Some(1)));
    assert_eq!((view.reason, view.cook_status), (Some(OrderReason::OutOfStock), Some(CookStatus::Cancelled)));
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!((&json["deliveryId"], &json["status"]), (&serde_json::Value::Null, &"CANCELLED".into()));
    // The order's own events do not tell of progress: its status alone would be an old one.
    assert_eq!(json.get("orderStatus"), None);
}
