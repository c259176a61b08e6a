//! The checker itself: it finds nothing in good worlds, and in one that was made wrong on purpose exactly what is wrong.

mod stories;
mod wrongs;

use std::ops::RangeInclusive;

use contract::OrderStatus;
use proptest::prelude::*;

use super::{
    Invariant::{I1, I2, I3, I4, I5, I6},
    Told, check,
};
use stories::{ALL, OUT_OF_STOCK, Story, world};
use wrongs::WRONGS;

#[test]
fn a_good_world_has_no_violation() {
    for stories in [&ALL[..], &[]] {
        let report = check(&world(stories));
        assert!(report.holds() && report.apart.is_empty(), "{report}");
    }
    let report = check(&world(&ALL)).to_string();
    assert!(report.starts_with("I1 holds "), "{report}");
    assert_eq!(report.lines().count(), 6, "{report}");
}

#[test]
fn what_is_wrong_is_found_and_named() {
    for (name, make_wrong, expected, words) in WRONGS {
        let mut world = world(&ALL);
        make_wrong(&mut world);
        let report = check(&world);
        assert_eq!(report.broken(), *expected, "{name}:\n{report}");
        assert!(report.to_string().contains(words), "{name}: {words:?} is not in\n{report}");
    }
    for invariant in [I1, I2, I3, I4, I5, I6] {
        let wrongs = WRONGS.iter().filter(|(_, _, expected, _)| expected.contains(&invariant)).count();
        assert!(wrongs >= 4, "{invariant:?} is broken by {wrongs} of the ways only");
    }
}

#[test]
fn an_order_that_waits_for_a_dead_letter_is_listed_apart() {
    let mut world = world(&ALL);
    let order = world.order(OUT_OF_STOCK);
    (order.status, order.reason, order.version) = (OrderStatus::Placed, None, 1);
    world.remove(OUT_OF_STOCK, false, true, false, true);
    assert!(check(&world).broken().contains(&I3));
    world.dead_letters.push((OUT_OF_STOCK.to_owned(), "in menu.dlq".to_owned()));
    let report = check(&world);
    assert!(!report.broken().contains(&I3), "{report}");
    assert_eq!(report.apart.len(), 2, "{report}");
}

#[test]
fn what_was_told_is_read_back() {
    let told = world(&ALL).told;
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    assert_eq!(serde_json::from_str::<Told>("{}").unwrap(), Told::default());
}

fn stories(count: RangeInclusive<usize>) -> impl Strategy<Value = Vec<Story>> {
    proptest::collection::vec(proptest::sample::select(&ALL[..]), count)
}

proptest! {
    #[test]
    fn no_good_world_has_a_violation(stories in stories(0..=60)) {
        let report = check(&world(&stories));
        prop_assert!(report.holds(), "{}", report);
    }

    /// Other orders around it, and other sequences of rows, hide nothing and add nothing.
    #[test]
    fn what_is_wrong_is_found_in_every_world(
        more in stories(0..=30),
        wrong in proptest::sample::select(WRONGS),
        turn in 0usize..40,
    ) {
        let stories: Vec<_> = ALL.into_iter().chain(more).collect();
        let mut world = world(&stories);
        let (name, make_wrong, expected, _) = wrong;
        make_wrong(&mut world);
        fn turned<T>(rows: &mut [T], by: usize) {
            let by = by.checked_rem(rows.len()).unwrap_or_default();
            rows.rotate_left(by);
        }
        turned(&mut world.orders, turn);
        turned(&mut world.cooks, turn * 7);
        turned(&mut world.deliveries, turn * 3);
        turned(&mut world.pages, turn * 5);
        let report = check(&world);
        prop_assert_eq!(report.broken(), expected.to_vec(), "{}:\n{}", name, report);
    }
}
