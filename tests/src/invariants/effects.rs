//! I6: every effect was applied once. The ledger tells of stock, versions tell how many steps a row has gone. Pure.

use std::collections::BTreeMap;

use contract::{CookSnapshot, CookStatus, DeliveryStatus, OrderReason};

use super::{Finding, Invariant, Kind, Movement, World, check::Index};

/// The lines of the ledger that are about one order: with each the menu item.
#[derive(Default)]
struct Lines<'a> {
    reserves: Vec<(&'a str, &'a Movement)>,
    restores: Vec<(&'a str, &'a Movement)>,
}

/// Looks at the ledger, at the cooks and at the deliveries.
pub(super) fn once(world: &World, index: &Index<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I6);
    let lines = ledger(world, &mut finding);
    for (order, lines) in &lines {
        let cook = world.cooks.iter().any(|cook| cook.order_id.as_str() == *order);
        finding.demand(cook, || {
            let (menu, movement) = lines.reserves.first().or(lines.restores.first()).expect("no order without a line");
            format!("the ledger of menu item {menu} has a {:?} for order {order}, which has no cook", movement.kind)
        });
    }
    let none = Lines::default();
    for cook in &world.cooks {
        finding.looked_at += 1;
        cook_once(cook, lines.get(cook.order_id.as_str()).unwrap_or(&none), &mut finding);
    }
    for delivery in &world.deliveries {
        finding.looked_at += 1;
        let (id, order, status) = (&delivery.delivery_id, &delivery.order_id, delivery.status);
        let cook = index.cook(order).map(|cook| (&cook.cook_id, cook.status));
        finding.demand(cook == Some((&delivery.cook_id, CookStatus::Completed)), || {
            let cook = cook.map_or("there is no cook".to_owned(), |(id, status)| format!("the cook is {id} {status}"));
            format!("delivery {id} of order {order} is for the completed cook {}, but {cook}", delivery.cook_id)
        });
        let steps: &[i64] = match status {
            DeliveryStatus::Started => &[1],
            DeliveryStatus::PickedUp => &[2],
            DeliveryStatus::Delivered => &[3],
            // Before the pick-up or after it.
            DeliveryStatus::Failed => &[2, 3],
        };
        let version = delivery.version;
        finding.demand(steps.contains(&version), || {
            format!("delivery {id} of order {order} is {status} in {version} steps and not in {steps:?}")
        });
    }
    finding
}

/// Reads the ledgers, and holds what callers were told of restocks against them.
fn ledger<'a>(world: &'a World, finding: &mut Finding) -> BTreeMap<&'a str, Lines<'a>> {
    let mut lines = BTreeMap::<_, Lines<'_>>::new();
    let mut restocks = BTreeMap::<_, Vec<i64>>::new();
    for menu in &world.menus {
        for movement in &menu.movements {
            finding.looked_at += 1;
            let (item, reference) = (menu.menu_id.as_str(), movement.reference.as_str());
            match movement.kind {
                Kind::Restock => restocks.entry((item, reference)).or_default().push(movement.quantity),
                Kind::Reserve => lines.entry(reference).or_default().reserves.push((item, movement)),
                Kind::Restore => lines.entry(reference).or_default().restores.push((item, movement)),
            }
        }
    }
    for ((item, key), quantities) in &restocks {
        finding.demand(quantities.len() == 1, || {
            format!("menu item {item} was restocked more than once with the key {key}: {quantities:?}")
        });
    }
    for told in &world.told.restocks {
        let found = restocks.get(&(told.menu_id.as_str(), told.key.as_str())).map_or(&[][..], Vec::as_slice);
        // More than one are told of above.
        finding.demand(found.first() == Some(&told.quantity), || {
            let (item, key, quantity) = (&told.menu_id, &told.key, told.quantity);
            format!(
                "a restock of menu item {item} by {quantity} with the key {key} was confirmed; the ledger has {found:?}"
            )
        });
    }
    lines
}

fn cook_once(cook: &CookSnapshot, lines: &Lines<'_>, finding: &mut Finding) {
    let CookSnapshot { cook_id, order_id, menu_id, status, version, .. } = cook;
    let quantity = i64::from(cook.quantity);
    let count = |found: &[(&str, &Movement)], expected: i64| {
        let right = found.iter().all(|(item, line)| *item == menu_id.as_str() && line.quantity == expected);
        let said = found.iter().map(|(item, line)| format!("{:?} {} of {item}", line.kind, line.quantity));
        (found.len(), right, said.collect::<Vec<_>>().join(", "))
    };
    let (reserves, reserved_right, reserved) = count(&lines.reserves, -quantity);
    let (restores, restored_right, restored) = count(&lines.restores, quantity);
    let refused = matches!(cook.reason, Some(OrderReason::OutOfStock | OrderReason::UnknownMenu));
    let rejected = cook.reason == Some(OrderReason::Kitchen);
    let as_expected = match status {
        CookStatus::Started | CookStatus::Completed => (reserves, restores) == (1, 0),
        CookStatus::Cancelled if refused => (reserves, restores) == (0, 0),
        // Only a started one can be rejected.
        CookStatus::Cancelled if rejected => (reserves, restores) == (1, 1),
        // A customer's cancellation may have come before the order did.
        CookStatus::Cancelled => matches!((reserves, restores), (0, 0) | (1, 1)),
    };
    finding.demand(as_expected && reserved_right && restored_right, || {
        let lines = [reserved, restored].into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join(", ");
        let reason = super::page::show(cook.reason);
        format!("cook {cook_id} of order {order_id} is {status} ({reason}), {quantity} of {menu_id}; the ledger has: [{lines}]")
    });
    let steps = match status {
        CookStatus::Started => 1,
        CookStatus::Completed => 2,
        CookStatus::Cancelled => 1 + i64::from(reserves > 0),
    };
    finding.demand(*version == steps, || {
        format!("cook {cook_id} of order {order_id} is {status} in {version} steps and not in {steps}")
    });
}
