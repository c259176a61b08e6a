//! In which words is told what goes wrong again and again.
//!
//! An error's text may be another each time: the port of a connection, the time, the number of a request. Were each of them
//! written to the status, each reconciliation would bring about the next at once, however long it is to wait.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use super::{backoff, obstacle::Obstacle, reconcile::RETRY};
use crate::{api::Reason, sync::lock};

/// The words in which each platform's obstacles were told last, by its uid.
#[derive(Default)]
pub(super) struct Wordings(Mutex<HashMap<String, Wording>>);

struct Wording {
    /// The generation of the spec that it is about.
    generation: i64,
    obstacles: Vec<Obstacle>,
    /// Until then it stays.
    until: Instant,
    /// How many others were told before it.
    changes: u32,
}

impl Wordings {
    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|uid, _| is_there(uid));
    }

    /// The obstacles as they are to be told: in the words before, where nothing but an error's words have changed and these
    /// have not stood as long yet as the back-off lasts.
    pub(super) fn told(&self, uid: &str, generation: i64, obstacles: Vec<Obstacle>, now: Instant) -> Vec<Obstacle> {
        let mut wordings = lock(&self.0);
        if !obstacles.iter().any(is_error) {
            wordings.remove(uid);
            return obstacles;
        }
        let before = wordings
            .get(uid)
            .filter(|before| before.generation == generation && are_same(&before.obstacles, &obstacles));
        let changes = match before {
            Some(before) if now < before.until || before.obstacles == obstacles => return before.obstacles.clone(),
            Some(before) => before.changes.saturating_add(1),
            None => 0,
        };
        let until = now + backoff::exponential(RETRY.0, RETRY.1, changes);
        wordings.insert(uid.to_owned(), Wording { generation, obstacles: obstacles.clone(), until, changes });
        obstacles
    }
}

/// Whether the obstacle's words are those of an error.
fn is_error(obstacle: &Obstacle) -> bool {
    matches!(obstacle.reason, Reason::ApplyFailed | Reason::Deleting)
}

/// Whether they differ in errors' words at most.
fn are_same(before: &[Obstacle], now: &[Obstacle]) -> bool {
    let is_same =
        |(before, now): (&Obstacle, &Obstacle)| before == now || (before.reason == now.reason && is_error(before));
    before.len() == now.len() && before.iter().zip(now).all(is_same)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed(words: &str) -> Vec<Obstacle> {
        vec![Obstacle::new(Reason::ApplyFailed, words)]
    }

    #[test]
    fn words_that_vary_are_told_no_sooner_than_the_back_off_allows() {
        let (wordings, start) = (Wordings::default(), Instant::now());
        let mut told = Vec::new();
        for tenths in 0..6000 {
            let now = start + Duration::from_millis(100) * tenths;
            told.push(wordings.told("u", 1, failed(&tenths.to_string()), now));
        }
        told.dedup();
        // After 1, 2, 4, 8, 16, 32 and then each 60 s, or after half of that.
        assert!((14..=28).contains(&told.len()), "{}", told.len());
    }

    #[test]
    fn other_words_are_told_once_the_former_have_stood_for_a_while() {
        let (wordings, start) = (Wordings::default(), Instant::now());
        let told = |words, after| wordings.told("u", 1, failed(words), start + Duration::from_millis(after));
        assert_eq!(told("a", 0), failed("a"));
        assert_eq!(told("b", 100), failed("a"));
        assert_eq!(told("b", 1000), failed("b"));
        assert_eq!(told("a", 1500), failed("b"));
    }

    #[test]
    fn whatever_else_changes_is_told_at_once() {
        let (wordings, now) = (Wordings::default(), Instant::now());
        let told = |generation, obstacles: &[Obstacle]| wordings.told("u", generation, obstacles.to_vec(), now);
        let with = |words, other| [failed(words), vec![Obstacle::new(Reason::NameConflict, other)]].concat();
        for (generation, obstacles) in [
            (1, failed("a")),
            (2, failed("b")),
            (2, with("c", "taken")),
            (2, with("d", "taken by another")),
            (2, failed("e")),
            (2, Vec::new()),
            (2, failed("f")),
        ] {
            assert_eq!(told(generation, &obstacles), obstacles);
        }
        assert_eq!(told(2, &failed("g")), failed("f"));
        assert_eq!(wordings.told("v", 2, failed("g"), now), failed("g"), "of another platform");
        wordings.retain(|uid| uid == "v");
        assert_eq!(told(2, &failed("g")), failed("g"));
    }
}
