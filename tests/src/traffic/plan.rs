//! What happens, and when: all of it drawn from one seed. Pure.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// How much happens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What everything is drawn from. The names of items, customers and keys hold it, too.
    pub seed: u64,
    /// How many orders are placed in a second, evenly.
    pub orders_per_second: u32,
    /// For how long.
    pub lasting: Duration,
    /// How many menu items there are.
    pub menus: usize,
    /// How many customers there are.
    pub customers: usize,
    /// The portions of each item at the beginning: 1 to 1000.
    pub stock: i64,
    /// How often what happens.
    pub odds: Odds,
}

/// How often what happens, for each order: from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub struct Odds {
    /// The customer cancels at once, often ahead of the kitchen.
    pub cancel_at_once: f64,
    /// The customer cancels some time later.
    pub cancel_later: f64,
    /// The kitchen rejects it.
    pub reject: f64,
    /// It is sent again although it was answered.
    pub repeat: f64,
    /// Some item is restocked.
    pub restock: f64,
}

impl Default for Settings {
    /// 20 orders a second for 30 s, of which some do not find stock.
    fn default() -> Self {
        Self {
            seed: 0,
            orders_per_second: 20,
            lasting: Duration::from_secs(30),
            menus: 5,
            customers: 20,
            stock: 50,
            odds: Odds { cancel_at_once: 0.08, cancel_later: 0.12, reject: 0.05, repeat: 0.05, restock: 0.2 },
        }
    }
}

/// The longest time from an order to what comes after it.
const LATER: Duration = Duration::from_secs(3);

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The menu items that there have to be.
    pub menus: Vec<String>,
    /// Their stock at the beginning.
    pub first: Vec<Supply>,
    /// The orders by time.
    pub orders: Vec<Order>,
    /// The restocks by time.
    pub supplies: Vec<Supply>,
}

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// When, from the beginning.
    pub at: Duration,
    /// Who.
    pub customer: String,
    /// What.
    pub menu: String,
    /// How much of it.
    pub quantity: i64,
    /// The idempotency key.
    pub key: String,
    /// Whether it is sent again once it was answered.
    pub repeated: bool,
    /// What comes after it.
    pub after: After,
}

/// What comes after an order was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// Nothing but what the platform does by itself.
    Nothing,
    /// So much later the customer cancels.
    Cancel(Duration),
    /// So much later the kitchen rejects it.
    Reject(Duration),
}

/// A restock.
#[derive(Debug, Clone, PartialEq)]
pub struct Supply {
    /// When, from the beginning.
    pub at: Duration,
    /// The item.
    pub menu: String,
    /// The portions.
    pub quantity: i64,
    /// The idempotency key.
    pub key: String,
}

impl Plan {
    /// Draws it.
    pub fn new(settings: &Settings) -> Self {
        let Settings { seed, orders_per_second, lasting, menus, customers, stock, odds } = *settings;
        let mut rng = StdRng::seed_from_u64(seed);
        let names = |kind: &str, count: usize| -> Vec<_> { (0..count).map(|n| format!("{kind}-{seed}-{n}")).collect() };
        let (menus, customers) = (names("menu", menus), names("customer", customers));
        let supply = |at, menu: &String, quantity, number: String| Supply {
            at,
            menu: menu.clone(),
            quantity,
            key: format!("supply-{seed}-{number}"),
        };
        let first = menus.iter().map(|menu| supply(Duration::ZERO, menu, stock, "first".to_owned())).collect();
        let mut plan = Self { menus, first, orders: vec![], supplies: vec![] };
        let count = (f64::from(orders_per_second) * lasting.as_secs_f64()) as u32;
        for number in 0..count {
            let at = Duration::from_secs(number.into()) / orders_per_second;
            let mut any = |of: &[String]| of.choose(&mut rng).expect("one at least").clone();
            let (customer, menu, supplied) = (any(&customers), any(&plan.menus), any(&plan.menus));
            let after = draw_after(&mut rng, odds);
            plan.orders.push(Order {
                at,
                customer,
                menu,
                quantity: rng.random_range(1..=5),
                key: format!("order-{seed}-{number}"),
                repeated: rng.random_bool(odds.repeat),
                after,
            });
            if rng.random_bool(odds.restock) {
                let quantity = rng.random_range(1..=20);
                plan.supplies.push(supply(at, &supplied, quantity, number.to_string()));
            }
        }
        plan
    }
}

fn draw_after(rng: &mut StdRng, odds: Odds) -> After {
    let (draw, delay) = (rng.random::<f64>(), LATER.mul_f64(rng.random()));
    if draw < odds.cancel_at_once {
        After::Cancel(Duration::ZERO)
    } else if draw < odds.cancel_at_once + odds.cancel_later {
        After::Cancel(delay)
    } else if draw < odds.cancel_at_once + odds.cancel_later + odds.reject {
        After::Reject(delay)
    } else {
        After::Nothing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| Plan::new(&Settings { seed, ..Settings::default() });
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn everything_that_may_happen_happens_at_its_rate() {
        let settings = Settings { orders_per_second: 50, lasting: Duration::from_secs(20), ..Settings::default() };
        let plan = Plan::new(&settings);
        assert_eq!(plan.orders.len(), 1000);
        assert!(plan.orders.is_sorted_by_key(|order| order.at));
        assert_eq!(plan.orders.last().map(|order| order.at), Some(Duration::from_millis(19_980)));
        let keys: BTreeSet<_> = plan.orders.iter().map(|order| &order.key).collect();
        assert_eq!(keys.len(), 1000, "each order has its own key");
        let keys: BTreeSet<_> = plan.first.iter().chain(&plan.supplies).map(|it| (&it.menu, &it.key)).collect();
        assert_eq!(keys.len(), plan.first.len() + plan.supplies.len(), "and each restock");

        let share = |matches: fn(&Order) -> bool| {
            let count = plan.orders.iter().filter(|order| matches(order)).count();
            f64::from(u32::try_from(count).unwrap()) / 1000.0
        };
        let odds = settings.odds;
        for (found, wanted) in [
            (share(|order| order.after == After::Cancel(Duration::ZERO)), odds.cancel_at_once),
            (share(|order| matches!(order.after, After::Cancel(delay) if delay > Duration::ZERO)), odds.cancel_later),
            (share(|order| matches!(order.after, After::Reject(_))), odds.reject),
            (share(|order| order.repeated), odds.repeat),
        ] {
            assert!((found - wanted).abs() < 0.04, "{found}, not about {wanted}");
        }
    }
}
