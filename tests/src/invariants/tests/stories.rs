//! Good worlds: what becomes of orders when everything works.

use chrono::{DateTime, Duration, Utc};
use contract::{
    Cancellation, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, Identifier, OrderReason, OrderSnapshot,
    OrderStatus, OverallStatus, Quantity,
};

use super::super::{Acceptance, Kind, Menu, Movement, Page, Restock, Told, World};

/// How an order may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    Delivered,
    Failed { picked_up: bool },
    CancelledWhileCooking,
    CancelledAhead,
    CancelRefused,
    RejectedByKitchen,
    OutOfStock,
    UnknownMenu,
    RequestRejected,
}

/// One of each. An order's id is `o-` and its place here.
pub(super) const ALL: [Story; 10] = [
    Story::Delivered,
    Story::Failed { picked_up: false },
    Story::Failed { picked_up: true },
    Story::CancelledWhileCooking,
    Story::CancelledAhead,
    Story::CancelRefused,
    Story::RejectedByKitchen,
    Story::OutOfStock,
    Story::UnknownMenu,
    Story::RequestRejected,
];
pub(super) const DELIVERED: &str = "o-0";
pub(super) const FAILED: &str = "o-1";
pub(super) const CANCELLED: &str = "o-3";
pub(super) const AHEAD: &str = "o-4";
pub(super) const REFUSED: &str = "o-5";
pub(super) const KITCHEN: &str = "o-6";
pub(super) const OUT_OF_STOCK: &str = "o-7";
pub(super) const UNKNOWN_MENU: &str = "o-8";
pub(super) const REJECTED: &str = "o-9";

pub(super) fn id(text: impl Into<String>) -> Identifier {
    text.into().try_into().unwrap()
}

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

/// A world in which these stories have happened, one after another, on two menu items.
pub(super) fn world(stories: &[Story]) -> World {
    let mut world = World::default();
    for menu in ["soup", "rice"] {
        let mut menu = Menu { menu_id: id(menu), on_hand: 0, movements: vec![] };
        for (key, quantity) in [("k-1", 100), ("k-2", 900)] {
            restock(&mut world.told, &mut menu, key, quantity);
        }
        world.menus.push(menu);
    }
    for (number, story) in stories.iter().enumerate() {
        tell(&mut world, number, *story);
    }
    world
}

fn restock(told: &mut Told, menu: &mut Menu, key: &str, quantity: i64) {
    shift(menu, Kind::Restock, key, quantity);
    told.restocks.push(Restock { menu_id: menu.menu_id.clone(), key: key.to_owned(), quantity });
}

pub(super) fn shift(menu: &mut Menu, kind: Kind, reference: &str, quantity: i64) {
    menu.on_hand += quantity;
    menu.movements.push(Movement { kind, reference: reference.to_owned(), quantity, on_hand: menu.on_hand });
}

fn tell(world: &mut World, number: usize, story: Story) {
    let (time, order_id) = (i64::try_from(number).unwrap() * 100, id(format!("o-{number}")));
    let quantity = i64::try_from(number % 3).unwrap() + 1;
    let deferred = story == Story::RequestRejected || number % 4 == 3;
    world.told.accepted.insert(order_id.clone(), if deferred { Acceptance::Deferred } else { Acceptance::Placed });
    let place = number % world.menus.len();
    let menu_id = match story {
        Story::UnknownMenu => id("nothing"),
        _ => world.menus[place].menu_id.clone(),
    };
    let (status, cancellation, reason, version) = match story {
        Story::Delivered => (OrderStatus::Delivered, Cancellation::None, None, 1),
        Story::Failed { .. } => (OrderStatus::DeliveryFailed, Cancellation::None, None, 1),
        Story::CancelledWhileCooking | Story::CancelledAhead => {
            (OrderStatus::Cancelled, Cancellation::Done, Some(OrderReason::Customer), 3)
        }
        Story::CancelRefused => (OrderStatus::Delivered, Cancellation::Refused, None, 3),
        Story::RejectedByKitchen => (OrderStatus::Cancelled, Cancellation::None, Some(OrderReason::Kitchen), 2),
        Story::OutOfStock => (OrderStatus::Cancelled, Cancellation::None, Some(OrderReason::OutOfStock), 2),
        Story::UnknownMenu => (OrderStatus::Cancelled, Cancellation::None, Some(OrderReason::UnknownMenu), 2),
        Story::RequestRejected => return world.pages.push(rejected_page(&order_id, time)),
    };
    let order = OrderSnapshot {
        order_id: order_id.clone(),
        customer_id: id(format!("c-{}", number % 3)),
        restaurant_id: id("r-1"),
        menu_id,
        quantity: Quantity::try_from(quantity).unwrap(),
        address: None,
        note: None,
        status,
        cancellation,
        reason,
        created_at: at(time),
        updated_at: at(time + 50),
        version,
    };
    let ahead = story == Story::CancelledAhead;
    let reserved = !ahead && !matches!(reason, Some(OrderReason::OutOfStock | OrderReason::UnknownMenu));
    let cooked = reason.is_none();
    let cook = CookSnapshot {
        cook_id: id(format!("k-{number}")),
        order_id: order_id.clone(),
        customer_id: order.customer_id.clone(),
        restaurant_id: order.restaurant_id.clone(),
        menu_id: order.menu_id.clone(),
        quantity: order.quantity,
        status: if cooked { CookStatus::Completed } else { CookStatus::Cancelled },
        reason,
        created_at: at(time + 10),
        updated_at: at(time + 20),
        version: if reserved { 2 } else { 1 },
    };
    if reserved {
        shift(&mut world.menus[place], Kind::Reserve, order_id.as_str(), -quantity);
        if !cooked {
            shift(&mut world.menus[place], Kind::Restore, order_id.as_str(), quantity);
        }
    }
    let delivery = cooked.then(|| DeliverySnapshot {
        delivery_id: id(format!("d-{number}")),
        order_id: order_id.clone(),
        cook_id: cook.cook_id.clone(),
        customer_id: order.customer_id.clone(),
        status: if matches!(story, Story::Failed { .. }) { DeliveryStatus::Failed } else { DeliveryStatus::Delivered },
        created_at: at(time + 30),
        updated_at: at(time + 40),
        version: if story == (Story::Failed { picked_up: false }) { 2 } else { 3 },
    });
    match cancellation {
        Cancellation::Done => drop(world.told.cancelled.insert(order_id)),
        Cancellation::Refused => drop(world.told.refused.insert(order_id)),
        Cancellation::None | Cancellation::Pending => {}
    }
    world.pages.push(page_of(&order, &cook, delivery.as_ref()));
    world.orders.push(order);
    world.cooks.push(cook);
    world.deliveries.extend(delivery);
}

fn page_of(order: &OrderSnapshot, cook: &CookSnapshot, delivery: Option<&DeliverySnapshot>) -> Page {
    // A first version was written when the order was placed, a later one here as the last of all.
    let told = if order.version == 1 { order.created_at } else { order.updated_at };
    Page {
        order_id: order.order_id.clone(),
        customer_id: order.customer_id.clone(),
        restaurant_id: Some(order.restaurant_id.clone()),
        menu_id: Some(order.menu_id.clone()),
        quantity: Some(order.quantity),
        address: None,
        note: None,
        status: order.status.into(),
        cancellation: order.cancellation,
        reason: order.reason,
        cook_id: Some(cook.cook_id.clone()),
        cook_status: Some(cook.status),
        delivery_id: delivery.map(|delivery| delivery.delivery_id.clone()),
        delivery_status: delivery.map(|delivery| delivery.status),
        created_at: order.created_at,
        updated_at: delivery.map_or(cook.updated_at, |delivery| delivery.updated_at).max(told),
        version: Some(order.version),
    }
}

fn rejected_page(order_id: &Identifier, time: i64) -> Page {
    Page {
        order_id: order_id.clone(),
        customer_id: id("c-0"),
        restaurant_id: Some(id("r-1")),
        menu_id: Some(id("soup")),
        quantity: Some(Quantity::try_from(1).unwrap()),
        address: None,
        note: None,
        status: OverallStatus::Rejected,
        cancellation: Cancellation::None,
        reason: None,
        cook_id: None,
        cook_status: None,
        delivery_id: None,
        delivery_status: None,
        created_at: at(time),
        updated_at: at(time),
        version: None,
    }
}
