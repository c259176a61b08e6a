//! A delivery's life, without I/O.

use chrono::{DateTime, Utc};
use contract::{CookSnapshot, DeliverySnapshot, DeliveryStatus, Event, Identifier};

/// The delivery of what `cook` has made.
pub(crate) fn born(cook: CookSnapshot, delivery_id: Identifier, now: DateTime<Utc>) -> DeliverySnapshot {
    DeliverySnapshot {
        delivery_id,
        order_id: cook.order_id,
        cook_id: cook.cook_id,
        customer_id: cook.customer_id,
        status: DeliveryStatus::Started,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// What a newborn delivery becomes, step by step, when it takes no time.
pub(crate) fn done_at_birth(born: &DeliverySnapshot) -> Vec<DeliverySnapshot> {
    let mut steps: Vec<DeliverySnapshot> = Vec::new();
    for command in [Command::PickUp, Command::Complete] {
        let next = apply(command, steps.last().unwrap_or(born), born.created_at);
        steps.extend(next.ok().flatten());
    }
    steps
}

/// What a courier does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Takes the food from the kitchen.
    PickUp,
    /// Hands it over to the customer.
    Complete,
    /// Gives up, before or after the pick-up.
    Fail,
}

impl Command {
    /// The state that it leads to.
    fn target(self) -> DeliveryStatus {
        match self {
            Self::PickUp => DeliveryStatus::PickedUp,
            Self::Complete => DeliveryStatus::Delivered,
            Self::Fail => DeliveryStatus::Failed,
        }
    }

    /// The states that it leads from, in words.
    fn sources(self) -> &'static str {
        match self {
            Self::PickUp => "only a STARTED one can be picked up",
            Self::Complete => "only a PICKED_UP one can be completed",
            Self::Fail => "only a STARTED or PICKED_UP one can fail",
        }
    }
}

/// A command that the delivery's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delivery is {status}: {}", command.sources())]
pub(crate) struct WrongState {
    status: DeliveryStatus,
    command: Command,
}

/// What `command` makes of `delivery`: the delivery as it becomes, or `None` when it is so already and nothing changes.
///
/// # Errors
/// When the delivery's state does not allow the command.
pub(crate) fn apply(
    command: Command,
    delivery: &DeliverySnapshot,
    now: DateTime<Utc>,
) -> Result<Option<DeliverySnapshot>, WrongState> {
    use DeliveryStatus::{PickedUp, Started};

    match (delivery.status, command) {
        (status, _) if status == command.target() => Ok(None),
        (Started, Command::PickUp | Command::Fail) | (PickedUp, Command::Complete | Command::Fail) => {
            let version = delivery.version + 1;
            Ok(Some(DeliverySnapshot { status: command.target(), updated_at: now, version, ..delivery.clone() }))
        }
        (status, _) => Err(WrongState { status, command }),
    }
}

/// What delivery says of a delivery that has just become what it is.
pub(crate) fn event(delivery: DeliverySnapshot) -> Event {
    match delivery.status {
        DeliveryStatus::Started => Event::DeliveryStarted(delivery),
        DeliveryStatus::PickedUp => Event::DeliveryPickedUp(delivery),
        DeliveryStatus::Delivered => Event::DeliveryCompleted(delivery),
        DeliveryStatus::Failed => Event::DeliveryFailed(delivery),
    }
}

#[cfg(test)]
mod tests {
    use contract::{CookStatus, Quantity};
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Identifier {
        text.parse().unwrap()
    }

    fn started() -> DeliverySnapshot {
        let cook = CookSnapshot {
            cook_id: id("c-1"),
            order_id: id("o-1"),
            customer_id: id("ann"),
            restaurant_id: id("r-1"),
            menu_id: id("soup"),
            quantity: Quantity::try_from(1).unwrap(),
            status: CookStatus::Completed,
            reason: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            version: 2,
        };
        born(cook, id("d-1"), DateTime::UNIX_EPOCH)
    }

    fn run(commands: &[Command]) -> (DeliverySnapshot, Vec<&'static str>) {
        let mut delivery = started();
        let mut kinds = vec![event(delivery.clone()).kind()];
        for command in commands {
            if let Ok(Some(next)) = apply(*command, &delivery, Utc::now()) {
                assert_eq!(next.version, delivery.version + 1);
                kinds.push(event(next.clone()).kind());
                delivery = next;
            }
        }
        (delivery, kinds)
    }

    #[test]
    fn the_happy_path() {
        let (delivery, kinds) = run(&[Command::PickUp, Command::Complete]);
        assert_eq!(delivery.status, DeliveryStatus::Delivered);
        assert_eq!(kinds, ["DeliveryStarted", "DeliveryPickedUp", "DeliveryCompleted"]);
    }

    #[test]
    fn what_takes_no_time_is_done_at_birth() {
        let steps = done_at_birth(&started());
        let told: Vec<_> = steps.iter().map(|step| (step.status, step.version)).collect();
        assert_eq!(told, [(DeliveryStatus::PickedUp, 2), (DeliveryStatus::Delivered, 3)]);
    }

    #[test]
    fn a_wrong_state_is_said() {
        let problem = apply(Command::Complete, &started(), Utc::now()).unwrap_err();
        assert_eq!(problem.to_string(), "the delivery is STARTED: only a PICKED_UP one can be completed");
    }

    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let command = prop_oneof![Just(Command::PickUp), Just(Command::Complete), Just(Command::Fail)];
        proptest::collection::vec(command, 0..8)
    }

    proptest! {
        #[test]
        fn final_is_final_and_repeating_changes_nothing(commands in commands()) {
            let (delivery, kinds) = run(&commands);
            prop_assert!(kinds.len() <= 3);
            prop_assert_eq!(usize::try_from(delivery.version).unwrap(), kinds.len());
            for command in [Command::PickUp, Command::Complete, Command::Fail] {
                match apply(command, &delivery, Utc::now()) {
                    Ok(Some(next)) => {
                        prop_assert!(matches!(delivery.status, DeliveryStatus::Started | DeliveryStatus::PickedUp));
                        prop_assert_eq!(apply(command, &next, Utc::now()), Ok(None));
                    }
                    Ok(None) => prop_assert_eq!(delivery.status, command.target()),
                    Err(_) => prop_assert_ne!(delivery.status, command.target()),
                }
            }
        }
    }
}
