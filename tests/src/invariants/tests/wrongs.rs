//! Worlds made wrong on purpose.

use contract::{
    Cancellation, CookSnapshot, DeliverySnapshot, DeliveryStatus, OrderReason, OrderSnapshot, OrderStatus,
    OverallStatus, Quantity,
};

use super::{
    super::{
        Acceptance,
        Invariant::{self, I1, I2, I3, I4, I5, I6},
        Kind, Menu, Movement, Page, World,
    },
    stories::*,
};

/// The parts of a world by order, for making them wrong.
impl World {
    pub(super) fn order(&mut self, of: &str) -> &mut OrderSnapshot {
        self.orders.iter_mut().find(|order| order.order_id.as_str() == of).unwrap()
    }

    pub(super) fn cook(&mut self, of: &str) -> &mut CookSnapshot {
        self.cooks.iter_mut().find(|cook| cook.order_id.as_str() == of).unwrap()
    }

    pub(super) fn delivery(&mut self, of: &str) -> &mut DeliverySnapshot {
        self.deliveries.iter_mut().find(|delivery| delivery.order_id.as_str() == of).unwrap()
    }

    pub(super) fn page(&mut self, of: &str) -> &mut Page {
        self.pages.iter_mut().find(|page| page.order_id.as_str() == of).unwrap()
    }

    pub(super) fn menu_of(&mut self, order: &str) -> &mut Menu {
        let menu = self.cook(order).menu_id.clone();
        self.menus.iter_mut().find(|item| item.menu_id == menu).unwrap()
    }

    /// Writes a line into an order's ledger once more, as applying the same thing twice does.
    pub(super) fn again(&mut self, order: &str, kind: Kind) {
        let menu = self.menu_of(order);
        let line = menu.movements.iter().find(|line| line.kind == kind && line.reference == order).unwrap().clone();
        shift(menu, kind, order, line.quantity);
    }

    /// Takes lines out of the ledger, as if they had never been.
    pub(super) fn forget(&mut self, matches: impl Fn(&Movement) -> bool) {
        for menu in &mut self.menus {
            let lines = std::mem::take(&mut menu.movements);
            menu.on_hand = 0;
            for line in lines.into_iter().filter(|line| !matches(line)) {
                shift(menu, line.kind, &line.reference, line.quantity);
            }
        }
    }

    pub(super) fn remove(&mut self, order: &str, orders: bool, cooks: bool, deliveries: bool, pages: bool) {
        self.orders.retain(|it| !orders || it.order_id.as_str() != order);
        self.cooks.retain(|it| !cooks || it.order_id.as_str() != order);
        self.deliveries.retain(|it| !deliveries || it.order_id.as_str() != order);
        self.pages.retain(|it| !pages || it.order_id.as_str() != order);
    }
}

/// Something that goes wrong: what, how, what is broken then, and what a violation says, among other things.
pub(super) type Wrong = (&'static str, fn(&mut World), &'static [Invariant], &'static str);

#[rustfmt::skip]
pub(super) const WRONGS: &[Wrong] = &[
    // I1
    ("stock vanishes", |w| w.menus[0].on_hand -= 1, &[I1], "menu item soup"),
    ("stock appears, with the last line of the ledger", |w| {
        let menu = &mut w.menus[1];
        menu.on_hand += 7;
        menu.movements.last_mut().unwrap().on_hand += 7;
    }, &[I1], "menu item rice"),
    ("a line of the ledger says another balance", |w| w.menus[0].movements[1].on_hand += 1, &[I1], "after Restock k-2"),
    ("a cook is of another quantity than its order", |w| w.order(DELIVERED).quantity = Quantity::try_from(9).unwrap(), &[I1, I4], "asks for 9 of soup"),
    ("a cook of nothing", |w| w.cook(DELIVERED).menu_id = id("air"), &[I1, I6], "menu item air, which does not exist"),
    ("a cancelled order's cook goes on", |w| {
        (w.order(DELIVERED).status, w.order(DELIVERED).reason) = (OrderStatus::Cancelled, Some(OrderReason::Customer));
        w.page(DELIVERED).status = OverallStatus::Cancelled;
        w.page(DELIVERED).reason = Some(OrderReason::Customer);
        w.remove(DELIVERED, false, false, true, false);
        (w.page(DELIVERED).delivery_id, w.page(DELIVERED).delivery_status) = (None, None);
        (w.order(DELIVERED).version, w.page(DELIVERED).version) = (2, Some(2));
    }, &[I1], "COMPLETED, of order o-0, which is CANCELLED"),
    // I2
    ("a cancelled order is delivered", |w| {
        let mut delivery = w.delivery(DELIVERED).clone();
        (delivery.order_id, delivery.delivery_id) = (id(AHEAD), id("d-4"));
        delivery.cook_id = w.cook(AHEAD).cook_id.clone();
        w.deliveries.push(delivery);
    }, &[I2, I4, I6], "order o-4 is CANCELLED (CUSTOMER) and has the delivery d-4"),
    ("a delivered order is cancelled beside", |w| {
        w.order(REFUSED).cancellation = Cancellation::Done;
        w.page(REFUSED).cancellation = Cancellation::Done;
    }, &[I2], "its cancellation is DONE"),
    ("a delivered order was said to be cancelled", |w| w.told.cancelled.extend([id(DELIVERED)]), &[I2], "(200)"),
    ("a cancelled order was said not to be", |w| w.told.refused.extend([id(CANCELLED)]), &[I2], "(409)"),
    // I3
    ("an order is lost without a trace", |w| {
        w.remove(OUT_OF_STOCK, true, true, true, true);
    }, &[I3], "order o-7 was accepted (202) and is lost: order does not have it, MyPage does not know it"),
    ("a rejected request was said to be an order", |w| {
        w.told.accepted.insert(id(REJECTED), Acceptance::Placed);
    }, &[I3], "(201) and is lost: order does not have it, MyPage says REJECTED"),
    ("a request stays one", |w| w.page(REJECTED).status = OverallStatus::Requested, &[I3, I4], "MyPage says REQUESTED"),
    ("an order waits for its courier", |w| {
        w.remove(DELIVERED, false, false, true, false);
        w.order(DELIVERED).status = OrderStatus::Cooking;
        let page = w.page(DELIVERED);
        (page.status, page.delivery_id, page.delivery_status) = (OverallStatus::Cooking, None, None);
        page.updated_at = at(20);
    }, &[I3], "order o-0 is stuck: COOKING"),
    ("a cancellation has no answer", |w| {
        w.order(REFUSED).cancellation = Cancellation::Pending;
        w.page(REFUSED).cancellation = Cancellation::Pending;
    }, &[I3], "stuck: DELIVERED, cancellation PENDING"),
    ("a courier never comes back", |w| {
        (w.delivery(FAILED).status, w.delivery(FAILED).version) = (DeliveryStatus::PickedUp, 2);
        w.page(FAILED).delivery_status = Some(DeliveryStatus::PickedUp);
    }, &[I3], "is DELIVERY_FAILED with the cook k-1 COMPLETED and the delivery d-1 PICKED_UP"),
    // I4
    ("MyPage misses an order", |w| w.remove(CANCELLED, false, false, false, true), &[I4], "does not know it"),
    ("MyPage is behind", |w| w.page(DELIVERED).status = OverallStatus::Delivering, &[I4], "status Delivering and not Delivered"),
    ("MyPage has an older delivery", |w| w.page(DELIVERED).delivery_status = Some(DeliveryStatus::PickedUp), &[I4], "delivery_status"),
    ("MyPage has an older order", |w| w.page(KITCHEN).version = Some(1), &[I4], "version Some(1) and not Some(2)"),
    ("MyPage has another cook", |w| w.page(AHEAD).cook_id = Some(id("k-99")), &[I4], "cook_id"),
    ("MyPage's time is from before the last change", |w| w.page(DELIVERED).updated_at = at(1), &[I4], "updated_at"),
    ("MyPage shows an order twice", |w| { let page = w.page(FAILED).clone(); w.pages.push(page); }, &[I4], "2 times"),
    ("MyPage shows an order that nobody has", |w| {
        let mut page = w.page(DELIVERED).clone();
        page.order_id = id("o-ghost");
        w.pages.push(page);
    }, &[I4], "MyPage shows order o-ghost as DELIVERED, but order does not have it"),
    // I5
    ("a refused order has a second cook", |w| {
        let mut cook = w.cook(OUT_OF_STOCK).clone();
        cook.cook_id = id("k-second");
        w.cooks.push(cook);
    }, &[I5], "order o-7 has more than one cook: k-7 CANCELLED, k-second CANCELLED"),
    ("an order is cooked twice", |w| {
        let mut cook = w.cook(DELIVERED).clone();
        cook.cook_id = id("k-second");
        w.cooks.push(cook);
        w.again(DELIVERED, Kind::Reserve);
    }, &[I5, I6], "more than one cook"),
    ("an order is delivered twice", |w| {
        let mut delivery = w.delivery(FAILED).clone();
        delivery.delivery_id = id("d-second");
        w.deliveries.push(delivery);
    }, &[I5], "order o-1 has more than one delivery"),
    ("a refused cook is of no order", |w| {
        w.remove(UNKNOWN_MENU, true, false, false, true);
        w.told.accepted.remove(&id(UNKNOWN_MENU));
    }, &[I5], "of order o-8, which does not exist"),
    // I6
    ("stock is reserved twice", |w| w.again(DELIVERED, Kind::Reserve), &[I1, I6], "cook k-0 of order o-0"),
    ("stock is restored twice", |w| w.again(CANCELLED, Kind::Restore), &[I1, I6], "cook k-3 of order o-3"),
    ("stock is restored that was never reserved", |w| {
        let menu = w.menu_of(AHEAD);
        shift(menu, Kind::Restore, AHEAD, 2);
    }, &[I1, I6], "cook k-4 of order o-4"),
    ("a rejected cook keeps its stock", |w| {
        w.forget(|line| line.kind == Kind::Restore && line.reference == KITCHEN);
    }, &[I1, I6], "cook k-6 of order o-6 is CANCELLED (KITCHEN)"),
    ("stock is taken and given back for a refused cook", |w| {
        let menu = w.menu_of(OUT_OF_STOCK);
        shift(menu, Kind::Reserve, OUT_OF_STOCK, -2);
        shift(menu, Kind::Restore, OUT_OF_STOCK, 2);
    }, &[I6], "is CANCELLED (OUT_OF_STOCK)"),
    ("a restock is applied twice", |w| shift(&mut w.menus[0], Kind::Restock, "k-1", 100), &[I6], "more than once with the key k-1"),
    ("a confirmed restock is lost", |w| {
        w.forget(|line| line.kind == Kind::Restock && line.reference == "k-1");
    }, &[I6], "by 100 with the key k-1 was confirmed; the ledger has []"),
    ("a cook is completed twice", |w| w.cook(DELIVERED).version = 3, &[I6], "COMPLETED in 3 steps and not in 2"),
    ("a delivery makes a step too many", |w| w.delivery(FAILED).version = 4, &[I6], "FAILED in 4 steps"),
    ("a delivery is of another cook", |w| w.delivery(DELIVERED).cook_id = id("k-99"), &[I6], "for the completed cook k-99"),
    ("the ledger knows an order that nobody cooks", |w| {
        let menu = &mut w.menus[0];
        shift(menu, Kind::Reserve, "o-ghost", -1);
        shift(menu, Kind::Restore, "o-ghost", 1);
    }, &[I6], "o-ghost, which has no cook"),
];
