//! What comes of a load between two looks at it, while something happens to the platform.

use std::collections::BTreeMap;

use ::tests::wait;

use crate::load::{Load, Rate, Traffic};

/// What came of a load between two looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meanwhile {
    /// Orders that order itself took: 201.
    pub(crate) placed: usize,
    /// Orders that were taken for later: 202.
    pub(crate) deferred: usize,
    /// What failed, with how often.
    pub(crate) failures: BTreeMap<String, usize>,
}

impl Meanwhile {
    /// What `after` has that `before` had not.
    pub(crate) fn between(before: &Traffic, after: &Traffic) -> Self {
        let of = |traffic: &Traffic, status| traffic.statuses.get(&status).copied().unwrap_or_default();
        let more = |status| of(after, status) - of(before, status);
        let failures = after.failures.iter().map(|(what, count)| {
            let more = count - before.failures.get(what).copied().unwrap_or_default();
            (what.clone(), more)
        });
        Self { placed: more(201), deferred: more(202), failures: failures.filter(|(_, more)| *more > 0).collect() }
    }

    /// Whether orders were taken for later, and none at once.
    ///
    /// # Errors
    /// When not, with who was `away`.
    pub(crate) fn only_deferred(&self, away: &str) -> Result<(), String> {
        if self.placed == 0 && self.deferred > 0 {
            Ok(())
        } else {
            Err(format!("without {away} orders were not only taken for later: {self:?}"))
        }
    }

    /// Whether orders were placed at once, and none taken for later.
    ///
    /// # Errors
    /// When not, with who was `away`.
    pub(crate) fn only_placed(&self, away: &str) -> Result<(), String> {
        if self.placed > 0 && self.deferred == 0 {
            Ok(())
        } else {
            Err(format!("without {away} orders were not only placed at once: {self:?}"))
        }
    }
}

/// Waits until orders are placed and nothing else happens, for two seconds: breakers leave a service alone for a while
/// after it is back.
pub(crate) async fn until_well(load: &Load, rate: Rate) {
    let more = 2 * (rate.orders + rate.reads) as usize;
    wait::until("orders to be placed at once", wait::SOON, async || {
        let before = load.traffic();
        load.requests(more).await;
        let now = Meanwhile::between(&before, &load.traffic());
        let is_well = now.placed > 0 && now.deferred == 0 && now.failures.is_empty();
        if is_well { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_between_two_looks_is_counted() {
        let before = Traffic {
            statuses: [(200, 9), (201, 3)].into(),
            failures: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
            ..Traffic::default()
        };
        let mut after = before.clone();
        assert_eq!(Meanwhile::between(&before, &after), Meanwhile::default());
        after.statuses.insert(202, 4);
        after.failures.insert("b".to_owned(), 5);
        let now = Meanwhile::between(&before, &after);
        assert_eq!(now, Meanwhile { placed: 0, deferred: 4, failures: [("b".to_owned(), 3)].into() });
    }

    #[test]
    fn one_order_of_the_other_kind_is_too_many() {
        let of = |placed, deferred| Meanwhile { placed, deferred, ..Meanwhile::default() };
        of(0, 1).only_deferred("order").unwrap();
        of(1, 0).only_placed("cook").unwrap();
        for bad in [of(0, 0), of(1, 1)] {
            bad.only_deferred("order").unwrap_err();
            bad.only_placed("cook").unwrap_err();
        }
    }
}
