//! I1, I2, I3 and I5, and all six together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Cancellation, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, Identifier, OrderSnapshot, OrderStatus,
    OverallStatus, Quantity, overall_status,
};

use super::{
    Acceptance, Finding, Invariant, Kind, Page, Report, World, effects,
    page::{self, show},
};

/// The world by order.
pub(super) struct Index<'a> {
    pub(super) orders: BTreeMap<&'a Identifier, &'a OrderSnapshot>,
    pub(super) cooks: BTreeMap<&'a Identifier, Vec<&'a CookSnapshot>>,
    pub(super) deliveries: BTreeMap<&'a Identifier, Vec<&'a DeliverySnapshot>>,
    pub(super) pages: BTreeMap<&'a Identifier, Vec<&'a Page>>,
}

impl<'a> Index<'a> {
    fn of(world: &'a World) -> Self {
        fn group<'a, T>(items: &'a [T], id: impl Fn(&'a T) -> &'a Identifier) -> BTreeMap<&'a Identifier, Vec<&'a T>> {
            let mut groups = BTreeMap::<_, Vec<_>>::new();
            for item in items {
                groups.entry(id(item)).or_default().push(item);
            }
            groups
        }
        let mut index = Self {
            orders: world.orders.iter().map(|order| (&order.order_id, order)).collect(),
            cooks: group(&world.cooks, |cook| &cook.order_id),
            deliveries: group(&world.deliveries, |delivery| &delivery.order_id),
            pages: group(&world.pages, |page| &page.order_id),
        };
        // Their ids sort by age.
        index.cooks.values_mut().for_each(|cooks| cooks.sort_by_key(|cook| &cook.cook_id));
        index.deliveries.values_mut().for_each(|deliveries| deliveries.sort_by_key(|delivery| &delivery.delivery_id));
        index
    }

    /// An order's cook. Of several, which is I5's matter, the oldest.
    pub(super) fn cook(&self, order: &Identifier) -> Option<&'a CookSnapshot> {
        self.cooks.get(order)?.first().copied()
    }

    /// An order's delivery, likewise.
    pub(super) fn delivery(&self, order: &Identifier) -> Option<&'a DeliverySnapshot> {
        self.deliveries.get(order)?.first().copied()
    }
}

/// Looks at everything.
pub fn check(world: &World) -> Report {
    let index = Index::of(world);
    let letters = world.dead_letters.iter().map(|(key, said)| format!("dead letter with key {key:?}: {said}"));
    let mut apart = letters.collect();
    let findings = vec![
        stock(world, &index),
        cancelled_or_delivered(world, &index),
        finality(world, &index, &mut apart),
        page::equality(&index),
        uniqueness(&index),
        effects::once(world, &index),
    ];
    Report { findings, apart }
}

/// I1: per menu item, on hand + STARTED and COMPLETED cooks = restocks = what the ledger says; and uncancelled cooks =
/// uncancelled orders.
fn stock(world: &World, index: &Index<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I1);
    for menu in &world.menus {
        finding.looked_at += 1;
        let (id, on_hand) = (&menu.menu_id, menu.on_hand);
        let cooks = world.cooks.iter().filter(|cook| cook.menu_id == *id && cook.status != CookStatus::Cancelled);
        let held: i64 = cooks.map(|cook| i64::from(cook.quantity)).sum();
        let restocks = menu.movements.iter().filter(|movement| movement.kind == Kind::Restock);
        let restocked: i64 = restocks.map(|movement| movement.quantity).sum();
        let ledger: i64 = menu.movements.iter().map(|movement| movement.quantity).sum();
        finding.demand(on_hand + held == restocked, || {
            format!("menu item {id}: {on_hand} on hand + {held} in cooks is not the {restocked} that were restocked")
        });
        finding.demand(on_hand == ledger, || {
            format!("menu item {id}: {on_hand} on hand, but the ledger sums up to {ledger}")
        });
        let mut balance = 0;
        let wrong = menu.movements.iter().find(|movement| {
            balance += movement.quantity;
            balance != movement.on_hand || balance < 0
        });
        if let Some(wrong) = wrong {
            let (kind, reference, said) = (wrong.kind, &wrong.reference, wrong.on_hand);
            finding.violations.push(format!(
                "menu item {id}: after {kind:?} {reference} the ledger says {said} on hand, but its lines up to there sum up to {balance}"
            ));
        }
    }
    let menus: BTreeSet<_> = world.menus.iter().map(|menu| &menu.menu_id).collect();
    for cook in world.cooks.iter().filter(|cook| cook.status != CookStatus::Cancelled) {
        let CookSnapshot { cook_id, order_id, menu_id, status, .. } = cook;
        finding.demand(menus.contains(menu_id), || {
            format!("cook {cook_id} of order {order_id} is {status}, of the menu item {menu_id}, which does not exist")
        });
        let Some(order) = index.orders.get(order_id).filter(|order| order.status != OrderStatus::Cancelled) else {
            let order = index.orders.get(order_id).map_or("which does not exist", |_| "which is CANCELLED");
            finding.violations.push(format!("cook {cook_id} is {status}, of order {order_id}, {order}"));
            continue;
        };
        let asked = (&order.customer_id, &order.restaurant_id, &order.menu_id, order.quantity);
        let cooked = (&cook.customer_id, &cook.restaurant_id, menu_id, cook.quantity);
        finding.demand(asked == cooked, || {
            let words = |(customer, restaurant, menu, quantity): (&Identifier, &Identifier, &Identifier, Quantity)| {
                format!("{} of {menu} of {restaurant} for {customer}", i64::from(quantity))
            };
            format!("order {order_id} asks for {}, its cook {cook_id} makes {}", words(asked), words(cooked))
        });
    }
    for order in index.orders.values().filter(|order| order.status != OrderStatus::Cancelled) {
        finding.looked_at += 1;
        let cook = index.cook(&order.order_id).filter(|cook| cook.status != CookStatus::Cancelled);
        finding.demand(cook.is_some(), || {
            let cook = index.cook(&order.order_id);
            let cook = cook
                .map_or("has no cook".to_owned(), |cook| format!("has the cook {}, which is CANCELLED", cook.cook_id));
            format!("order {} is {} and {cook}", order.order_id, order.status)
        });
    }
    finding
}

/// I2: no cancelled order has a delivery, no delivered order is cancelled; nor was its customer told otherwise.
fn cancelled_or_delivered(world: &World, index: &Index<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I2);
    for order in &world.orders {
        finding.looked_at += 1;
        let (id, status) = (&order.order_id, order.status);
        let is_cancelled = status == OrderStatus::Cancelled;
        if let Some(delivery) = index.delivery(id).filter(|_| is_cancelled) {
            finding.violations.push(format!(
                "order {id} is CANCELLED ({}) and has the delivery {}, which is {}",
                show(order.reason),
                delivery.delivery_id,
                delivery.status
            ));
        }
        let cancellation = order.cancellation;
        finding.demand(is_cancelled || (cancellation != Cancellation::Done && order.reason.is_none()), || {
            format!(
                "order {id} is {status}, but its cancellation is {cancellation} with the reason {}",
                show(order.reason)
            )
        });
        finding.demand(is_cancelled || !world.told.cancelled.contains(id), || {
            format!("order {id} is {status}, but its customer was told that it is cancelled (200)")
        });
        finding.demand(!is_cancelled || !world.told.refused.contains(id), || {
            let reason = show(order.reason);
            format!("order {id} is CANCELLED ({reason}), but its customer was told that it can't be cancelled (409)")
        });
    }
    finding
}

/// I3: every accepted order, and every other that order has, is in a final state, and that state is the one that its
/// cook and its delivery are in. One that waits for a dead letter is listed apart.
fn finality(world: &World, index: &Index<'_>, apart: &mut Vec<String>) -> Finding {
    let mut finding = Finding::new(Invariant::I3);
    let dead: BTreeSet<_> = world.dead_letters.iter().map(|(key, _)| key.as_str()).collect();
    let ids: BTreeSet<_> = world.told.accepted.keys().chain(index.orders.keys().copied()).collect();
    for id in ids {
        finding.looked_at += 1;
        let acceptance = world.told.accepted.get(id);
        let violation = match index.orders.get(id) {
            Some(order) => unfinished(order, index),
            None if acceptance == Some(&Acceptance::Deferred) && is_rejected(id, index) => None,
            None => {
                let page = index.pages.get(id).and_then(|pages| pages.first());
                let page =
                    page.map_or("MyPage does not know it".to_owned(), |page| format!("MyPage says {}", page.status));
                let code = if acceptance == Some(&Acceptance::Deferred) { 202 } else { 201 };
                Some(format!("order {id} was accepted ({code}) and is lost: order does not have it, {page}"))
            }
        };
        match violation {
            Some(violation) if dead.contains(id.as_str()) => apart.push(format!("{violation}; it has a dead letter")),
            violation => finding.violations.extend(violation),
        }
    }
    finding
}

fn is_rejected(id: &Identifier, index: &Index<'_>) -> bool {
    index.pages.get(id).is_some_and(|pages| pages.iter().all(|page| page.status == OverallStatus::Rejected))
}

fn unfinished(order: &OrderSnapshot, index: &Index<'_>) -> Option<String> {
    let OrderSnapshot { order_id, status, cancellation, .. } = order;
    let is_final = matches!(status, OrderStatus::Delivered | OrderStatus::DeliveryFailed | OrderStatus::Cancelled);
    let (cook, delivery) = (index.cook(order_id), index.delivery(order_id));
    let cook_said = cook.map_or("no cook".to_owned(), |cook| format!("the cook {} {}", cook.cook_id, cook.status));
    let delivery_said =
        delivery.map_or("no delivery".to_owned(), |it| format!("the delivery {} {}", it.delivery_id, it.status));
    let parts = format!("with {cook_said} and {delivery_said}");
    if !is_final || *cancellation == Cancellation::Pending {
        return Some(format!("order {order_id} is stuck: {status}, cancellation {cancellation}, {parts}"));
    }
    let by_parts = overall_status(None, cook.map(|cook| cook.status), delivery.map(|delivery| delivery.status), false);
    let is_done = cook.is_none_or(|cook| cook.status != CookStatus::Started)
        && delivery.is_none_or(|it| matches!(it.status, DeliveryStatus::Delivered | DeliveryStatus::Failed));
    // A cancelled order with another cook or with a delivery is the matter of I1 and I2.
    let agrees = by_parts == OverallStatus::from(*status) || *status == OrderStatus::Cancelled;
    (!is_done || !agrees).then(|| format!("order {order_id} is {status} {parts}"))
}

/// I5: one order has at most one cook and at most one delivery, and each of these has its order.
fn uniqueness(index: &Index<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I5);
    let cooks = index.cooks.iter().map(|(id, cooks)| {
        ("cook", *id, cooks.iter().map(|cook| format!("{} {}", cook.cook_id, cook.status)).collect::<Vec<_>>())
    });
    let deliveries = index.deliveries.iter().map(|(id, deliveries)| {
        let words = deliveries.iter().map(|delivery| format!("{} {}", delivery.delivery_id, delivery.status));
        ("delivery", *id, words.collect())
    });
    for (what, order, items) in cooks.chain(deliveries) {
        finding.looked_at += items.len();
        let list = items.join(", ");
        finding.demand(items.len() == 1, || format!("order {order} has more than one {what}: {list}"));
        finding.demand(index.orders.contains_key(order), || {
            format!("{what} {list} is of order {order}, which does not exist")
        });
    }
    finding
}
