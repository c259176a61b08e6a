//! What the load was told.

use std::{collections::BTreeMap, fmt, time::Duration};

use contract::Identifier;

use super::Supply;
use crate::{
    api::{Answer, text},
    invariants::{Acceptance, Restock, Told},
};

/// What is noted of a request that was not answered.
pub(super) const NO_ANSWER: &str = "no answer";

/// Everything that was answered.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What callers may rely on.
    pub told: Told,
    /// Orders and restocks whose outcome nobody came to know.
    pub unknown: Vec<String>,
    /// Answers that should not have been given.
    pub complaints: Vec<String>,
    /// How often each answer was given to each kind of request.
    pub answers: BTreeMap<(&'static str, String), usize>,
    /// The longest time until an order was accepted.
    pub slowest: Duration,
}

impl Record {
    /// How many orders were accepted for later.
    pub fn deferred(&self) -> usize {
        self.told.accepted.values().filter(|how| **how == Acceptance::Deferred).count()
    }

    /// How often a request of that kind was answered with that status.
    pub fn count(&self, what: &str, status: &str) -> usize {
        let matching =
            self.answers.iter().filter(|((asked, said), _)| *asked == what && said.split(' ').next() == Some(status));
        matching.map(|(_, count)| count).sum()
    }

    /// Every answer that told nothing, with the requests that it was given to, and how often.
    pub fn failures(&self) -> Vec<String> {
        let failures = self.answers.iter().filter(|((_, said), _)| said.starts_with('5') || said == NO_ANSWER);
        failures.map(|((what, said), count)| format!("{what}: {said} x {count}")).collect()
    }

    pub(super) fn answered(&mut self, what: &'static str, said: String) {
        *self.answers.entry((what, said)).or_default() += 1;
    }

    /// What was answered to the placing of the order that has the id `expected`.
    pub(super) fn placed(&mut self, expected: &Identifier, answer: Option<&Answer>, took: Duration) {
        let Some(answer) = answer else { return self.unknown.push(format!("placing {expected}")) };
        let acceptance = match answer.status {
            200 | 201 => Acceptance::Placed,
            202 => Acceptance::Deferred,
            _ => return self.complain("placing", expected, answer),
        };
        if text(&answer.body, "orderId") != expected.as_str() {
            return self.complain("placing", expected, answer);
        }
        self.slowest = self.slowest.max(took);
        let known = self.told.accepted.entry(expected.clone()).or_insert(acceptance);
        if acceptance == Acceptance::Placed {
            *known = acceptance;
        }
    }

    /// What was answered to cancelling the order `id`.
    pub(super) fn cancelled(&mut self, id: &Identifier, answer: Option<&Answer>) {
        // Without an answer nobody relies on either outcome.
        let Some(answer) = answer else { return };
        match answer.status {
            200 => drop(self.told.cancelled.insert(id.clone())),
            409 => drop(self.told.refused.insert(id.clone())),
            202 => {}
            // Neither order nor MyPage may know of it yet.
            404 if self.told.accepted.get(id) == Some(&Acceptance::Deferred) => {}
            _ => self.complain("cancelling", id, answer),
        }
    }

    /// What was answered to a restock.
    pub(super) fn restocked(&mut self, supply: &Supply, answer: Option<&Answer>) {
        let Supply { menu, key, quantity, .. } = supply;
        let Some(answer) = answer else { return self.unknown.push(format!("restocking {menu} with the key {key}")) };
        let menu_id = menu.parse().expect("an id");
        if answer.status != 200 {
            return self.complain("restocking", &menu_id, answer);
        }
        self.told.restocks.push(Restock { menu_id, key: key.clone(), quantity: *quantity });
    }

    fn complain(&mut self, what: &str, id: &Identifier, answer: &Answer) {
        self.complaints.push(format!("{what} {id}: {}: {}", answer.status, answer.text));
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} orders accepted ({} of them deferred), {} cancelled, {} refused to cancel, {} restocks; {} outcomes \
             unknown; the slowest order took {:.1} s",
            self.told.accepted.len(),
            self.deferred(),
            self.told.cancelled.len(),
            self.told.refused.len(),
            self.told.restocks.len(),
            self.unknown.len(),
            self.slowest.as_secs_f64()
        )?;
        for ((what, said), count) in &self.answers {
            writeln!(f, "     {what}: {said} x {count}")?;
        }
        self.complaints.iter().try_for_each(|complaint| writeln!(f, "     - {complaint}"))
    }
}
