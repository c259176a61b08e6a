use proptest::{prelude::*, sample::Index};

use super::*;

fn order() -> Order {
    let body = r#"{"customerId": "ann", "restaurantId": "r", "menuId": "m", "quantity": 2}"#;
    let snapshot = place("o-1".parse().unwrap(), serde_json::from_str(body).unwrap(), DateTime::UNIX_EPOCH);
    Order { snapshot, cook: None, delivery: None, attempt: None }
}

fn cook(version: i64, status: CookStatus, reason: Option<OrderReason>) -> CookSnapshot {
    let order = order().snapshot;
    CookSnapshot {
        cook_id: "c-1".parse().unwrap(),
        order_id: order.order_id,
        customer_id: order.customer_id,
        restaurant_id: order.restaurant_id,
        menu_id: order.menu_id,
        quantity: order.quantity,
        status,
        reason,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version,
    }
}

fn delivery(version: i64, status: DeliveryStatus) -> DeliverySnapshot {
    DeliverySnapshot {
        delivery_id: "d-1".parse().unwrap(),
        order_id: "o-1".parse().unwrap(),
        cook_id: "c-1".parse().unwrap(),
        customer_id: "ann".parse().unwrap(),
        status,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version,
    }
}

const ATTEMPT: Attempt = Attempt { id: Uuid::from_u128(1), tries: 1 };

fn pending() -> Order {
    let mut order = order();
    let (wish, event) = order.wish_to_cancel(ATTEMPT.id, DateTime::UNIX_EPOCH);
    assert_eq!(wish, Wish::Asking(ATTEMPT));
    assert!(matches!(event, Some(Event::OrderCancelRequested(_))), "{event:?}");
    order
}

/// Something that reaches an order.
#[derive(Debug, Clone)]
enum Arrival {
    Cook(CookSnapshot),
    Delivery(DeliverySnapshot),
    Answer(Answer),
}

fn arrive(order: &mut Order, arrival: &Arrival) -> Option<Event> {
    match arrival {
        Arrival::Cook(cook) => order.see_cook(cook, DateTime::UNIX_EPOCH),
        Arrival::Delivery(delivery) => order.see_delivery(delivery, DateTime::UNIX_EPOCH),
        Arrival::Answer(answer) => order.settle(ATTEMPT, answer, DateTime::UNIX_EPOCH),
    }
}

fn decided(outcome: CancelOutcome, cook: CookSnapshot) -> Arrival {
    Arrival::Answer(Answer::Decided(CancelDecision { outcome, cook }))
}

/// Everything that the other owners say of a pending order in one life, and how it must end.
fn lives() -> impl Strategy<Value = (Vec<Arrival>, OrderStatus, Option<OrderReason>, Cancellation)> {
    let started = Arrival::Cook(cook(1, CookStatus::Started, None));
    let completed = cook(2, CookStatus::Completed, None);
    let refused = decided(CancelOutcome::Refused, completed.clone());
    let delivered = |last: DeliveryStatus| {
        vec![
            started.clone(),
            Arrival::Cook(completed.clone()),
            refused.clone(),
            Arrival::Delivery(delivery(1, DeliveryStatus::Started)),
            Arrival::Delivery(delivery(2, DeliveryStatus::PickedUp)),
            Arrival::Delivery(delivery(3, last)),
        ]
    };
    let cancelled = |version, reason| {
        let cook = cook(version, CookStatus::Cancelled, Some(reason));
        vec![Arrival::Cook(cook.clone()), decided(CancelOutcome::Cancelled, cook)]
    };
    let after_start = |reason| [vec![started.clone()], cancelled(2, reason)].concat();
    let at = OrderStatus::Cancelled;
    prop_oneof![
        Just((delivered(DeliveryStatus::Delivered), OrderStatus::Delivered, None, Cancellation::Refused)),
        Just((delivered(DeliveryStatus::Failed), OrderStatus::DeliveryFailed, None, Cancellation::Refused)),
        Just((after_start(OrderReason::Customer), at, Some(OrderReason::Customer), Cancellation::Done)),
        Just((after_start(OrderReason::Kitchen), at, Some(OrderReason::Kitchen), Cancellation::Done)),
        Just((cancelled(1, OrderReason::Customer), at, Some(OrderReason::Customer), Cancellation::Done)),
        Just((cancelled(1, OrderReason::OutOfStock), at, Some(OrderReason::OutOfStock), Cancellation::Done)),
    ]
}

proptest! {
    #[test]
    fn any_arrival_order_ends_in_the_same_state(
        (life, status, reason, cancellation) in lives(),
        order in any::<[Index; 6]>(),
        repeated in prop::collection::vec(any::<(Index, Index)>(), 0..4),
    ) {
        let mut arrivals = vec![];
        let mut rest = life.clone();
        for index in order {
            if !rest.is_empty() {
                arrivals.push(rest.remove(index.index(rest.len())));
            }
        }
        prop_assert!(rest.is_empty());
        for (which, place) in repeated {
            let arrival = arrivals[which.index(arrivals.len())].clone();
            arrivals.insert(place.index(arrivals.len() + 1), arrival);
        }

        let mut order = pending();
        let mut told = order.snapshot.clone();
        for arrival in &arrivals {
            let before = order.snapshot.clone();
            let event = arrive(&mut order, arrival);
            prop_assert!(order.snapshot.status >= before.status, "{before:?} then {:?}", order.snapshot);
            // The versions are those of the events, without a gap, and each event tells the order as it is then.
            prop_assert_eq!(order.snapshot.version, before.version + i64::from(event.is_some()));
            if let Some(Event::OrderCancelled(snapshot) | Event::OrderCancelRefused(snapshot)) = event {
                prop_assert_eq!(snapshot.version, told.version + 1);
                prop_assert_eq!(&snapshot, &order.snapshot);
                told = snapshot;
            }
        }
        let end = &order.snapshot;
        prop_assert_eq!((end.status, end.reason, end.cancellation), (status, reason, cancellation));
        prop_assert_eq!(order.attempt, None);
        prop_assert_eq!(end.version, told.version);
        // What the events told last is how it ended, but for progress, which its own owners tell.
        prop_assert_eq!(told.cancellation, cancellation);
        prop_assert_eq!(told.reason, reason);
        prop_assert_eq!(told.status == OrderStatus::Cancelled, status == OrderStatus::Cancelled);
    }
}

#[test]
fn an_order_out_of_stock_is_cancelled_with_an_event() {
    let mut order = order();
    let event = order.see_cook(&cook(1, CookStatus::Cancelled, Some(OrderReason::OutOfStock)), Utc::now());
    assert_eq!(event, Some(Event::OrderCancelled(order.snapshot.clone())));
    let seen = (order.snapshot.status, order.snapshot.reason, order.snapshot.cancellation);
    assert_eq!(seen, (OrderStatus::Cancelled, Some(OrderReason::OutOfStock), Cancellation::None));
    assert_eq!(order.wish_to_cancel(ATTEMPT.id, Utc::now()), (Wish::Cancelled, None));
}

#[test]
fn progress_is_told_by_its_own_owners() {
    let mut order = order();
    let now = Utc::now();
    assert_eq!(order.see_cook(&cook(1, CookStatus::Started, None), now), None);
    let seen = (order.snapshot.status, order.snapshot.updated_at, order.snapshot.version);
    assert_eq!(seen, (OrderStatus::Cooking, now, 1));
    assert_eq!(order.see_delivery(&delivery(3, DeliveryStatus::Delivered), now), None);
    assert_eq!((order.snapshot.status, order.snapshot.version), (OrderStatus::Delivered, 1));
}

#[test]
fn a_completed_cook_can_not_be_cancelled() {
    let mut completed = order();
    completed.see_cook(&cook(2, CookStatus::Completed, None), Utc::now());
    let mut on_its_way = order();
    on_its_way.see_delivery(&delivery(1, DeliveryStatus::Started), Utc::now());
    for mut order in [completed, on_its_way] {
        assert_eq!(order.wish_to_cancel(ATTEMPT.id, Utc::now()), (Wish::TooLate, None));
        assert_eq!(order.snapshot.cancellation, Cancellation::None);
    }
}

#[test]
fn a_second_wish_waits_for_the_first() {
    assert_eq!(pending().wish_to_cancel(Uuid::from_u128(2), Utc::now()), (Wish::Pending, None));
}

#[test]
fn only_the_only_try_that_sent_nothing_takes_the_wish_back() {
    let unheard = |order: &mut Order, asked| order.settle(asked, &Answer::Unheard, DateTime::UNIX_EPOCH);
    let mut order = pending();
    assert!(matches!(unheard(&mut order, ATTEMPT), Some(Event::OrderCancelRefused(_))));
    assert_eq!((order.snapshot.cancellation, order.attempt), (Cancellation::None, None));

    let second = Attempt { tries: 2, ..ATTEMPT };
    let mut order = Order { attempt: Some(second), ..pending() };
    assert_eq!(unheard(&mut order, ATTEMPT), None);
    assert_eq!(unheard(&mut order, second), None);
    assert_eq!(order.snapshot.cancellation, Cancellation::Pending);
}

#[test]
fn an_answer_to_another_attempt_changes_nothing() {
    let mut order = pending();
    let other = Attempt { id: Uuid::from_u128(2), tries: 1 };
    let before = order.clone();
    assert_eq!(order.settle(other, &Answer::Unheard, Utc::now()), None);
    assert_eq!(order, before);
}

#[test]
fn the_first_answer_is_given_again_to_the_same_request_only() {
    let body = r#"{"customerId": "ann", "restaurantId": "r", "menuId": "m", "quantity": 2}"#;
    let same: PlaceOrder = serde_json::from_str(body).unwrap();
    let other: PlaceOrder = serde_json::from_str(&body.replace('2', "3")).unwrap();
    let first = order().snapshot;
    let mut order = order();
    order.see_cook(&cook(1, CookStatus::Cancelled, Some(OrderReason::Kitchen)), Utc::now());
    assert_eq!(first_answer(&order.snapshot, same), Some(first));
    assert_eq!(first_answer(&order.snapshot, other), None);
}

#[test]
fn a_wish_that_nobody_waits_for_keeps_its_refusal() {
    let mut cooked = order();
    cooked.see_cook(&cook(1, CookStatus::Started, None), DateTime::UNIX_EPOCH);
    cooked.see_cook(&cook(2, CookStatus::Completed, None), DateTime::UNIX_EPOCH);
    let event = cooked.wish_to_cancel_later(ATTEMPT.id, DateTime::UNIX_EPOCH);
    assert!(matches!(event, Some(Event::OrderCancelRefused(_))), "{event:?}");
    assert_eq!((cooked.snapshot.cancellation, cooked.attempt), (Cancellation::Refused, None));
    assert_eq!(cooked.wish_to_cancel_later(ATTEMPT.id, DateTime::UNIX_EPOCH), None, "said once");

    let mut placed = order();
    let event = placed.wish_to_cancel_later(ATTEMPT.id, DateTime::UNIX_EPOCH);
    assert!(matches!(event, Some(Event::OrderCancelRequested(_))), "{event:?}");
    assert_eq!(placed.attempt, Some(ATTEMPT));
}
