//! What the steps of a reconciliation met and did.

use std::{pin::pin, time::Duration};

use futures::{StreamExt as _, stream};

use super::{
    apply::{self, Change, Failure},
    context::Context,
    error::Error,
    events::Changes,
    obstacle::Obstacle,
};
use crate::{
    api::{FoodService, Reason},
    build::{self, Child, Platform},
    database::Answer,
};

/// Children of one platform that are applied at the same time, where it doesn't matter which comes first.
pub(super) const AT_ONCE: usize = 4;
/// Before looking again at what is on its way out.
const LEAVING: Duration = Duration::from_secs(60);
/// Before asking an API server again that has yet to learn of a kind.
const LEARNING: Duration = Duration::from_secs(2);

/// What the steps met and did.
#[derive(Default)]
pub(super) struct Report {
    pub obstacles: Vec<Obstacle>,
    pub progress: Vec<String>,
    pub held: Vec<(FoodService, String)>,
    pub notes: Vec<String>,
    pub changes: Changes,
    /// Whether the platform itself is no longer there.
    pub is_gone: bool,
    /// Whether nothing can be made any more, for the namespace is being deleted.
    pub is_namespace_leaving: bool,
    /// Whether the database answers, as far as it could be asked.
    pub database: Answer,
    /// When to look again though nothing has changed.
    pub look_again: Option<Duration>,
}

impl Report {
    pub(super) fn look_again_in(&mut self, wait: Duration) {
        self.look_again = Some(self.look_again.map_or(wait, |before| before.min(wait)));
    }

    /// The children of services that don't have to wait.
    pub(super) fn without_held(&self, children: &[Child]) -> Vec<Child> {
        children.iter().filter(|child| !self.is_held(child.service)).cloned().collect()
    }

    fn wait_for_kind(&mut self) {
        let sentence = "the API server has yet to take in the definition of FoodPlatforms";
        if !self.progress.iter().any(|told| told == sentence) {
            self.progress.push(sentence.to_owned());
        }
        self.look_again_in(LEARNING);
    }

    fn hold_for(&mut self, child: &Child) {
        let service = child.service;
        self.held.push((service, format!("{service} waits for {} {}", child.kind(), child.name())));
    }

    /// Takes in how something went that belongs to no one service; `false` when it couldn't be done yet.
    pub(super) fn take_in(&mut self, platform: &Platform, outcome: Result<(), Failure>) -> Result<bool, Error> {
        match outcome {
            Ok(()) => return Ok(true),
            Err(Failure::Leaving(sentence)) => {
                self.progress.push(sentence);
                self.look_again_in(LEAVING);
            }
            Err(Failure::Obstacle(obstacle)) => self.obstacles.push(obstacle),
            Err(Failure::Error(error)) if error.is_namespace_leaving() => {
                self.progress.push(format!("namespace {} is being deleted", platform.namespace));
                self.is_namespace_leaving = true;
            }
            Err(Failure::Error(error)) if error.is_ahead_of_kind() => self.wait_for_kind(),
            Err(Failure::Error(error)) if error.is_refusal() => {
                self.obstacles.push(Obstacle::new(Reason::ApplyFailed, error.to_string()));
            }
            Err(Failure::Error(error)) => return Err(error),
        }
        Ok(false)
    }

    /// Whether a service has to wait.
    pub(super) fn is_held(&self, service: FoodService) -> bool {
        self.held.iter().any(|(held, _)| *held == service)
    }

    /// Applies the children, so many `at_once`. Where one of them can't be had yet, its service is held; the rest of them is
    /// applied.
    ///
    /// # Errors
    /// The first failure that is no refusal, after the rest of them was applied; at once where the API server gives no
    /// answer, or what was seen is past.
    pub(super) async fn apply_all(
        &mut self,
        context: &Context,
        platform: &Platform,
        children: &[Child],
        at_once: usize,
    ) -> Result<(), Error> {
        let outcomes = children.iter().map(|child| async move {
            let mut notes = Vec::new();
            (child, apply::apply(context, platform, child, &mut notes).await, notes)
        });
        // Collected, for the compiler can't tell how long a stream of their makings would borrow the children.
        let mut outcomes = pin!(stream::iter(outcomes.collect::<Vec<_>>()).buffered(at_once));
        let mut failure = None;
        while let Some((child, outcome, notes)) = outcomes.next().await {
            let named = || format!("{} {}", child.kind(), child.name());
            self.notes.extend(notes);
            match outcome {
                Ok(Change::None) => {}
                Ok(Change::Created) => self.changes.created.push(named()),
                Ok(Change::Updated) => self.changes.updated.push(named()),
                Err(Failure::Leaving(sentence)) => {
                    self.progress.push(sentence);
                    self.look_again_in(LEAVING);
                    self.hold_for(child);
                }
                Err(Failure::Obstacle(obstacle)) => {
                    self.obstacles.push(obstacle);
                    self.hold_for(child);
                }
                Err(Failure::Error(error)) if error.is_namespace_leaving() => {
                    self.progress.push(format!("namespace {} is being deleted", platform.namespace));
                    self.is_namespace_leaving = true;
                    return Ok(());
                }
                Err(Failure::Error(error)) if error.is_gone() && is_optional(child) => {
                    self.obstacles.push(kind_missing(child));
                    self.hold_for(child);
                }
                Err(Failure::Error(error)) if error.is_ahead_of_kind() => {
                    self.wait_for_kind();
                    self.hold_for(child);
                }
                Err(Failure::Error(error)) if error.is_refusal() => {
                    self.obstacles.push(Obstacle::new(Reason::ApplyFailed, error.to_string()));
                    self.hold_for(child);
                }
                Err(Failure::Error(error)) if error.is_stale() || !error.is_an_answer() => return Err(error),
                Err(Failure::Error(error)) => {
                    self.hold_for(child);
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Whether a cluster can be without the child's kind.
fn is_optional(child: &Child) -> bool {
    build::optional_kinds().iter().any(|kind| kind.kind == child.kind())
}

fn kind_missing(child: &Child) -> Obstacle {
    let (kind, version) = (child.kind(), &child.resource.api_version);
    Obstacle::new(
        Reason::KindMissing,
        format!("this cluster has no {kind} of {version}: install what brings it, or don't ask for it in the spec"),
    )
}
