//! The kitchen's rules, without I/O: who gets the stock, and what may happen to a cook.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::{
    CancelCook, CancelOutcome, CookReason, CookSnapshot, CookStatus, Event, Identifier, OrderSnapshot, Quantity,
    StockCheck,
};

/// A menu item as far as reserving needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shelf {
    /// The restaurant that cooks it.
    pub(crate) restaurant_id: Identifier,
    /// Portions that no cook has reserved.
    pub(crate) on_hand: i64,
}

/// The shelves of the menu items that a batch of orders asks for; unknown items have none.
pub(crate) type Shelves = HashMap<Identifier, Shelf>;

/// Takes `order`'s portions from its shelf and gives what is left there. An order gets all its portions or none, and
/// one that gets none leaves them to those behind it.
///
/// # Errors
/// The reason to refuse the order: the item is unknown (to the order's restaurant), or there is too little of it.
pub(crate) fn reserve(shelves: &mut Shelves, order: &OrderSnapshot) -> Result<i64, CookReason> {
    let shelf = shelves
        .get_mut(&order.menu_id)
        .filter(|shelf| shelf.restaurant_id == order.restaurant_id)
        .ok_or(CookReason::UnknownMenu)?;
    let left = shelf.on_hand - i64::from(order.quantity);
    if left < 0 {
        return Err(CookReason::OutOfStock);
    }
    shelf.on_hand = left;
    Ok(left)
}

/// The cook that `order` becomes: started, or refused at birth for a reason.
pub(crate) fn born(
    order: &OrderSnapshot,
    refused: Option<CookReason>,
    cook_id: Identifier,
    now: DateTime<Utc>,
) -> CookSnapshot {
    let status = if refused.is_none() { CookStatus::Started } else { CookStatus::Cancelled };
    CookSnapshot {
        cook_id,
        order_id: order.order_id.clone(),
        customer_id: order.customer_id.clone(),
        restaurant_id: order.restaurant_id.clone(),
        menu_id: order.menu_id.clone(),
        quantity: order.quantity,
        status,
        reason: refused,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// What the kitchen says when a cook is born of an order.
pub(crate) fn birth_events(cook: &CookSnapshot) -> Vec<Event> {
    let available = cook.status == CookStatus::Started;
    let mut events = vec![Event::CookStockChecked(StockCheck { available, cook: cook.clone() })];
    if available {
        events.push(Event::CookStarted(cook.clone()));
    }
    events
}

/// The cook that a newborn one is when cooking takes no time, with what the kitchen says of that: it is done at once,
/// unless it was refused.
pub(crate) fn done_at_birth(born: CookSnapshot) -> (CookSnapshot, Option<Event>) {
    match complete(&born, born.created_at) {
        Ok(Some(done)) => (done.clone(), Some(event(done))),
        _ => (born, None),
    }
}

/// The cook that a cancellation becomes when it overtakes its order: the order, when it comes, finds it cancelled.
pub(crate) fn cancel_ahead(
    request: CancelCook,
    cook_id: Identifier,
    now: DateTime<Utc>,
) -> (CancelOutcome, CookSnapshot) {
    let cook = CookSnapshot {
        cook_id,
        order_id: request.order_id,
        customer_id: request.customer_id,
        restaurant_id: request.restaurant_id,
        menu_id: request.menu_id,
        quantity: request.quantity,
        status: CookStatus::Cancelled,
        reason: Some(CookReason::Customer),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    (CancelOutcome::Cancelled, cook)
}

/// A command that the cook's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cook is {status}{}: only a STARTED one can be {wanted}", reason.map(|r| format!(" ({r})")).unwrap_or_default())]
pub(crate) struct WrongState {
    status: CookStatus,
    reason: Option<CookReason>,
    wanted: &'static str,
}

/// What a command makes of a cook: the cook as it becomes, or `None` when it is so already and nothing changes.
pub(crate) type Step = Result<Option<CookSnapshot>, WrongState>;

/// Cooking is done.
///
/// # Errors
/// When the cook is cancelled.
pub(crate) fn complete(cook: &CookSnapshot, now: DateTime<Utc>) -> Step {
    match cook.status {
        CookStatus::Started => Ok(Some(changed(cook, CookStatus::Completed, None, now))),
        CookStatus::Completed => Ok(None),
        CookStatus::Cancelled => Err(wrong_state(cook, "completed")),
    }
}

/// The kitchen can't cook it after all.
///
/// # Errors
/// When the cook is completed, or cancelled for another reason.
pub(crate) fn reject(cook: &CookSnapshot, now: DateTime<Utc>) -> Step {
    match (cook.status, cook.reason) {
        (CookStatus::Started, _) => Ok(Some(changed(cook, CookStatus::Cancelled, Some(CookReason::Kitchen), now))),
        (CookStatus::Cancelled, Some(CookReason::Kitchen)) => Ok(None),
        _ => Err(wrong_state(cook, "rejected")),
    }
}

/// The customer does not want it any more. A completed cook stays as it is.
pub(crate) fn cancel(cook: &CookSnapshot, now: DateTime<Utc>) -> (CancelOutcome, Option<CookSnapshot>) {
    match cook.status {
        CookStatus::Started => {
            let cancelled = changed(cook, CookStatus::Cancelled, Some(CookReason::Customer), now);
            (CancelOutcome::Cancelled, Some(cancelled))
        }
        CookStatus::Cancelled => (CancelOutcome::Cancelled, None),
        CookStatus::Completed => (CancelOutcome::Refused, None),
    }
}

/// What goes back to the shelf when a started cook becomes `cook`.
pub(crate) fn restored(cook: &CookSnapshot) -> Option<Quantity> {
    (cook.status == CookStatus::Cancelled).then_some(cook.quantity)
}

/// What the kitchen says of a cook that has just become what it is.
pub(crate) fn event(cook: CookSnapshot) -> Event {
    match cook.status {
        CookStatus::Started => Event::CookStarted(cook),
        CookStatus::Completed => Event::CookCompleted(cook),
        CookStatus::Cancelled => Event::CookCancelled(cook),
    }
}

fn changed(cook: &CookSnapshot, status: CookStatus, reason: Option<CookReason>, now: DateTime<Utc>) -> CookSnapshot {
    CookSnapshot { status, reason, updated_at: now, version: cook.version + 1, ..cook.clone() }
}

fn wrong_state(cook: &CookSnapshot, wanted: &'static str) -> WrongState {
    WrongState { status: cook.status, reason: cook.reason, wanted }
}

#[cfg(test)]
mod tests {
    use contract::{Cancellation, OrderStatus};
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Identifier {
        text.parse().unwrap()
    }

    fn order(menu: &str, quantity: i64) -> OrderSnapshot {
        OrderSnapshot {
            order_id: id("o-1"),
            customer_id: id("ann"),
            restaurant_id: id("r-1"),
            menu_id: id(menu),
            quantity: Quantity::try_from(quantity).unwrap(),
            address: None,
            note: None,
            status: OrderStatus::Placed,
            cancellation: Cancellation::None,
            reason: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            version: 1,
        }
    }

    fn shelves(on_hand: i64) -> Shelves {
        Shelves::from([(id("soup"), Shelf { restaurant_id: id("r-1"), on_hand })])
    }

    fn started() -> CookSnapshot {
        born(&order("soup", 3), None, id("c-1"), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_first_in_the_batch_comes_first_and_a_refused_one_leaves_the_rest_to_others() {
        let mut shelves = shelves(5);
        let decisions: Vec<_> = [4, 2, 1].map(|quantity| reserve(&mut shelves, &order("soup", quantity))).into();
        assert_eq!(decisions, [Ok(1), Err(CookReason::OutOfStock), Ok(0)]);
    }

    #[test]
    fn an_item_is_known_to_its_own_restaurant_only() {
        let mut shelves = shelves(5);
        assert_eq!(reserve(&mut shelves, &order("cake", 1)), Err(CookReason::UnknownMenu));
        let elsewhere = OrderSnapshot { restaurant_id: id("r-2"), ..order("soup", 1) };
        assert_eq!(reserve(&mut shelves, &elsewhere), Err(CookReason::UnknownMenu));
        assert_eq!(shelves[&id("soup")].on_hand, 5);
    }

    #[test]
    fn a_birth_says_whether_the_stock_was_there() {
        let kinds = |cook: &CookSnapshot| birth_events(cook).iter().map(Event::kind).collect::<Vec<_>>();
        assert_eq!(kinds(&started()), ["CookStockChecked", "CookStarted"]);
        let refused = born(&order("soup", 3), Some(CookReason::OutOfStock), id("c-1"), DateTime::UNIX_EPOCH);
        assert_eq!((refused.status, refused.reason), (CookStatus::Cancelled, Some(CookReason::OutOfStock)));
        assert_eq!(kinds(&refused), ["CookStockChecked"]);
    }

    #[test]
    fn what_takes_no_time_is_done_at_birth() {
        let (done, said) = done_at_birth(started());
        assert_eq!((done.status, done.version), (CookStatus::Completed, 2));
        assert_eq!(said, Some(Event::CookCompleted(done)));
        let refused = born(&order("soup", 3), Some(CookReason::OutOfStock), id("c-1"), DateTime::UNIX_EPOCH);
        assert_eq!(done_at_birth(refused.clone()), (refused, None));
    }

    #[test]
    fn a_wrong_state_is_said_with_its_reason() {
        let (_, cancelled) = cancel(&started(), DateTime::UNIX_EPOCH);
        let problem = complete(&cancelled.unwrap(), DateTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(problem.to_string(), "the cook is CANCELLED (CUSTOMER): only a STARTED one can be completed");
    }

    #[derive(Debug, Clone, Copy)]
    enum Command {
        Complete,
        Reject,
        Cancel,
    }

    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let command = prop_oneof![Just(Command::Complete), Just(Command::Reject), Just(Command::Cancel)];
        proptest::collection::vec(command, 0..6)
    }

    /// The cook that `command` makes of `cook`, if it changes it.
    fn apply(cook: &CookSnapshot, command: Command) -> Option<CookSnapshot> {
        match command {
            Command::Complete => complete(cook, Utc::now()).ok().flatten(),
            Command::Reject => reject(cook, Utc::now()).ok().flatten(),
            Command::Cancel => cancel(cook, Utc::now()).1,
        }
    }

    proptest! {
        #[test]
        fn the_first_command_decides_and_every_other_changes_nothing(commands in commands()) {
            let mut cook = started();
            for command in &commands {
                if let Some(next) = apply(&cook, *command) {
                    prop_assert_eq!(cook.status, CookStatus::Started);
                    prop_assert_eq!(next.version, cook.version + 1);
                    prop_assert_eq!(next.reason.is_some(), next.status == CookStatus::Cancelled);
                    cook = next;
                }
            }
            prop_assert_eq!(cook.version, if commands.is_empty() { 1 } else { 2 });
        }

        #[test]
        fn a_repeated_command_is_answered_as_the_first_time(commands in commands()) {
            let mut cook = started();
            for command in commands {
                let first = apply(&cook, command);
                if let Some(next) = &first {
                    cook = next.clone();
                    prop_assert!(apply(&cook, command).is_none());
                    match command {
                        Command::Complete => prop_assert_eq!(complete(&cook, Utc::now()), Ok(None)),
                        Command::Reject => prop_assert_eq!(reject(&cook, Utc::now()), Ok(None)),
                        Command::Cancel => prop_assert_eq!(cancel(&cook, Utc::now()).0, CancelOutcome::Cancelled),
                    }
                }
            }
        }

        #[test]
        fn stock_is_exact(start in 0i64..3000, orders in proptest::collection::vec((1i64..=1000, commands()), 0..40)) {
            let mut shelves = shelves(start);
            let mut held = 0;
            for (quantity, commands) in orders {
                let order = order("soup", quantity);
                let before = shelves[&order.menu_id].on_hand;
                let decision = reserve(&mut shelves, &order);
                prop_assert_eq!(decision.is_ok(), quantity <= before);
                let mut cook = born(&order, decision.err(), id("c-1"), Utc::now());
                for command in commands {
                    if let Some(next) = apply(&cook, command) {
                        cook = next;
                        let back = restored(&cook).map_or(0, i64::from);
                        shelves.get_mut(&order.menu_id).unwrap().on_hand += back;
                    }
                }
                if cook.status != CookStatus::Cancelled {
                    held += quantity;
                }
                prop_assert!(shelves[&order.menu_id].on_hand >= 0);
                prop_assert_eq!(shelves[&order.menu_id].on_hand + held, start);
            }
        }
    }
}
