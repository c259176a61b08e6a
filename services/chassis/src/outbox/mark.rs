//! Where reading the outbox may begin.
//!
//! Deleted rows stay in the index until the next vacuum, and each read from the start would step over all of them: tens
//! of thousands under load. So reading begins behind a mark, below which no row can appear any more. That takes more than
//! having published what is there: a transaction may have drawn its place and commit later. It has written its
//! aggregate's row before, so it has a transaction id; once all that ran at some moment have ended, all places drawn
//! before that moment are either visible or given up. And once in a while reading begins at the start whatever is known:
//! a database that has gone back to an earlier time, unnoticed, draws places again.

/// The transactions of the database at one moment, as `pg_current_snapshot()` tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Snapshot {
    /// All with lower ids have ended.
    pub(super) xmin: i64,
    /// All that have begun to write have lower ids.
    pub(super) xmax: i64,
}

/// After so many looks, which are a second apart, it begins again.
const LOOKS: u32 = 60;

/// The mark, and how it advances.
#[derive(Debug, Default)]
pub(super) struct Mark {
    at: i64,
    looks: u32,
    /// The last place that was published.
    published: i64,
    next: Option<Next>,
}

/// A place that is to become the mark.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// When all transactions below this id have ended.
    After { place: i64, xmax: i64 },
    /// When everything up to it was read and published once more.
    Settled { place: i64 },
}

impl Mark {
    /// Reading begins after this place.
    pub(super) const fn at(&self) -> i64 {
        self.at
    }

    /// Looks at what is under way, now and then.
    pub(super) fn observe(&mut self, now: Snapshot) {
        self.looks += 1;
        if self.looks == LOOKS {
            *self = Self::default();
            return;
        }
        self.next = Some(match self.next {
            None => Next::After { place: self.published, xmax: now.xmax },
            Some(Next::After { place, xmax }) if now.xmin >= xmax => Next::Settled { place },
            Some(next) => next,
        });
    }

    /// What was read from the mark on, after the last look, is published: `last` is its last place, and nothing was left
    /// out up to the place `complete_to`.
    pub(super) fn published(&mut self, last: i64, complete_to: i64) {
        self.published = self.published.max(last);
        if let Some(Next::Settled { place }) = self.next.take_if(|next| next.is_settled_by(complete_to)) {
            self.at = place;
        }
    }
}

impl Next {
    const fn is_settled_by(self, complete_to: i64) -> bool {
        matches!(self, Self::Settled { place } if place <= complete_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: i64 = i64::MAX;

    #[test]
    fn it_waits_for_all_that_ran_and_for_one_more_read() {
        let mut mark = Mark::default();
        mark.published(100, ALL);
        mark.observe(Snapshot { xmin: 7, xmax: 9 });
        mark.published(200, ALL);
        assert_eq!(mark.at(), 0);
        mark.observe(Snapshot { xmin: 8, xmax: 20 });
        mark.published(300, ALL);
        assert_eq!(mark.at(), 0, "transaction 8 may still have a place before 100");
        mark.observe(Snapshot { xmin: 9, xmax: 30 });
        assert_eq!(mark.at(), 0, "what it wrote is not read yet");
        mark.published(310, 99);
        assert_eq!(mark.at(), 0, "the read did not get that far");
        mark.published(310, 100);
        assert_eq!(mark.at(), 100);
        mark.observe(Snapshot { xmin: 30, xmax: 30 });
        mark.observe(Snapshot { xmin: 31, xmax: 31 });
        mark.published(0, ALL);
        assert_eq!(mark.at(), 310);
    }

    #[test]
    fn it_begins_again_and_what_it_knew_is_forgotten() {
        let (mut mark, mut began_again) = (Mark::default(), 0);
        for look in 1..=10 * i64::from(LOOKS) {
            // The database went back when half of the looks were done.
            mark.published(if look < 5 * i64::from(LOOKS) { 1000 } else { 10 }, ALL);
            let before = mark.at();
            mark.observe(Snapshot { xmin: look, xmax: look });
            began_again += u32::from(mark.at() < before);
            mark.published(0, ALL);
        }
        assert_eq!((began_again, mark.at()), (10, 0));
        for look in 1..4 {
            mark.published(10, ALL);
            mark.observe(Snapshot { xmin: look, xmax: look });
        }
        mark.published(0, ALL);
        assert_eq!(mark.at(), 10);
    }
}
