//! I4: MyPage equals the owners' own data, part by part. Pure.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use contract::{CookSnapshot, DeliverySnapshot, OrderSnapshot, OverallStatus, overall_status};

use super::{Finding, Invariant, Page, check::Index};

/// Compares every page with what its owners say, and looks for orders that have none.
pub(super) fn equality(index: &Index<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I4);
    for id in index.orders.keys().filter(|id| !index.pages.contains_key(**id)) {
        finding.looked_at += 1;
        finding.violations.push(format!("order {id} exists, but MyPage does not know it"));
    }
    for (id, pages) in &index.pages {
        finding.looked_at += pages.len();
        finding.demand(pages.len() == 1, || format!("MyPage shows order {id} {} times", pages.len()));
        for page in pages {
            let Some(order) = index.orders.get(*id) else {
                finding.demand(page.status == OverallStatus::Rejected, || {
                    format!("MyPage shows order {id} as {}, but order does not have it", page.status)
                });
                continue;
            };
            let differences = differences(page, order, index.cook(id), index.delivery(id));
            finding.demand(differences.is_empty(), || {
                format!("MyPage shows order {id} otherwise than its owners: {}", differences.join(", "))
            });
        }
    }
    finding
}

/// Each field in which `page` differs from what the owners say.
fn differences(
    page: &Page,
    order: &OrderSnapshot,
    cook: Option<&CookSnapshot>,
    delivery: Option<&DeliverySnapshot>,
) -> Vec<String> {
    let (cook_status, delivery_status) = (cook.map(|cook| cook.status), delivery.map(|delivery| delivery.status));
    let expected = Page {
        order_id: order.order_id.clone(),
        customer_id: order.customer_id.clone(),
        restaurant_id: Some(order.restaurant_id.clone()),
        menu_id: Some(order.menu_id.clone()),
        quantity: Some(order.quantity),
        address: order.address.clone(),
        note: order.note.clone(),
        status: overall_status(Some(order.status), cook_status, delivery_status, false),
        cancellation: order.cancellation,
        reason: order.reason,
        cook_id: cook.map(|cook| cook.cook_id.clone()),
        cook_status,
        delivery_id: delivery.map(|delivery| delivery.delivery_id.clone()),
        delivery_status,
        created_at: order.created_at,
        updated_at: page.updated_at,
        version: Some(order.version),
    };
    let mut differences = vec![];
    macro_rules! compare {
        ($($field:ident),+) => {
            $(if page.$field != expected.$field {
                differences.push(format!(concat!(stringify!($field), " {:?} and not {:?}"), page.$field, expected.$field));
            })+
        };
    }
    compare!(customer_id, restaurant_id, menu_id, quantity, address, note, status, cancellation, reason);
    compare!(cook_id, cook_status, delivery_id, delivery_status, created_at, version);
    let (least, most) = updated_between(order, cook, delivery);
    if !(least..=most).contains(&page.updated_at) {
        differences.push(format!("updated_at {} and not from {least} to {most}", page.updated_at));
    }
    differences
}

/// When the newest part of a page was written. Of the order itself that is known to lie in a span: progress changes the
/// order's own time, but only its kitchen and its courier tell of progress.
fn updated_between(
    order: &OrderSnapshot,
    cook: Option<&CookSnapshot>,
    delivery: Option<&DeliverySnapshot>,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let parts = [cook.map(|cook| cook.updated_at), delivery.map(|delivery| delivery.updated_at)];
    let with = |order: DateTime<Utc>| parts.into_iter().flatten().fold(order, DateTime::max);
    // The first version is told when the order is placed.
    let last_told = if order.version == 1 { order.created_at } else { order.updated_at };
    (with(order.created_at), with(last_told))
}

/// A value, or that there is none.
pub(super) fn show(value: Option<impl Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}
