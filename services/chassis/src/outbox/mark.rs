//! Where reading the outbox may begin.
//!
//! Deleted rows stay in the index until the next vacuum, and each read from the start would step over all of them: tens
//! of thousands under load. So reading begins behind a mark, below which no row can appear any more. That takes more than
//! having published what is there: a transaction may have drawn its place and commit later. It has written its
//! aggregate's row before, or locked it, so it has a transaction id; once all that ran at some moment have ended, all
//! places drawn before that moment are either visible or given up. That holds for one run of one server: another one, or
//! the same after a restore, may have gone back to an earlier time and draw places again.

use chrono::{DateTime, Utc};

/// The transactions of the database at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Snapshot {
    /// When the server was started.
    pub(super) server: DateTime<Utc>,
    /// All with lower ids have ended.
    pub(super) xmin: i64,
    /// The id that was given out last: all that have begun to write have lower ids.
    pub(super) newest: i64,
}

/// The mark, and how it advances.
#[derive(Debug, Default)]
pub(super) struct Mark {
    at: i64,
    /// The run of the server that all of this is about.
    server: DateTime<Utc>,
    /// The last place that was published.
    published: i64,
    next: Option<Next>,
}

/// A place that is to become the mark.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// When all transactions below this id have ended.
    After { place: i64, newest: i64 },
    /// When everything up to it was read and published once more.
    Settled { place: i64 },
}

impl Mark {
    /// Reading begins after this place.
    pub(super) const fn at(&self) -> i64 {
        self.at
    }

    /// The start of the server on which it does; on any other it begins at the start.
    pub(super) const fn server(&self) -> DateTime<Utc> {
        self.server
    }

    /// Looks at what is under way, now and then.
    pub(super) fn observe(&mut self, now: Snapshot) {
        if now.server != self.server {
            *self = Self { server: now.server, ..Self::default() };
        }
        self.next = Some(match self.next {
            None => Next::After { place: self.published, newest: now.newest },
            Some(Next::After { place, newest }) if now.xmin >= newest => Next::Settled { place },
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

    fn of(server: i64, xmin: i64, newest: i64) -> Snapshot {
        Snapshot { server: DateTime::from_timestamp_nanos(server), xmin, newest }
    }

    #[test]
    fn it_waits_for_all_that_ran_and_for_one_more_read() {
        let mut mark = Mark::default();
        mark.observe(of(1, 1, 1));
        mark.published(100, ALL);
        mark.observe(of(1, 2, 2));
        mark.published(0, ALL);
        mark.observe(of(1, 7, 9));
        mark.published(200, ALL);
        assert_eq!(mark.at(), 0);
        mark.observe(of(1, 8, 20));
        mark.published(300, ALL);
        assert_eq!(mark.at(), 0, "transaction 8 may still have a place before 100");
        mark.observe(of(1, 9, 30));
        assert_eq!(mark.at(), 0, "what it wrote is not read yet");
        mark.published(310, 99);
        assert_eq!(mark.at(), 0, "the read did not get that far");
        mark.published(310, 100);
        assert_eq!(mark.at(), 100);
        mark.observe(of(1, 30, 30));
        mark.observe(of(1, 31, 31));
        mark.published(0, ALL);
        assert_eq!(mark.at(), 310);
    }

    #[test]
    fn for_another_run_of_the_server_it_begins_again() {
        let mut mark = Mark::default();
        for look in 1..10 {
            mark.published(1000, ALL);
            mark.observe(of(1, look, look));
            mark.published(0, ALL);
        }
        assert_eq!((mark.at(), mark.server()), (1000, of(1, 0, 0).server));
        mark.observe(of(2, 1, 1));
        assert_eq!((mark.at(), mark.server()), (0, of(2, 0, 0).server));
        for look in 2..5 {
            mark.published(10, ALL);
            mark.observe(of(2, look, look));
        }
        mark.published(0, ALL);
        assert_eq!(mark.at(), 10, "what it knew is forgotten");
    }
}
