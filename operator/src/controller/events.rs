//! Events on a FoodPlatform: what was changed, and how its readiness changed.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube_runtime::events::{Event, EventType, Recorder};
use tracing::warn;

use super::status;
use crate::api::{FoodPlatformStatus, Reason, condition};

/// Kubernetes' limit for an event's note, in bytes.
const LONGEST_NOTE: usize = 1024;

/// For writing one: clusters may keep events somewhere else, which may be slow.
const PATIENCE: Duration = Duration::from_secs(3);

/// Children that were written in one reconciliation, such as `ConfigMap quickstart-cook`.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Made anew.
    pub created: Vec<String>,
    /// Changed.
    pub updated: Vec<String>,
    /// Removed.
    pub deleted: Vec<String>,
}

impl Changes {
    /// These, and then what was written after them.
    #[must_use]
    pub(super) fn and(mut self, later: Self) -> Self {
        self.created.extend(later.created);
        self.updated.extend(later.updated);
        self.deleted.extend(later.deleted);
        self
    }

    /// Whether nothing was written.
    pub(super) const fn is_empty(&self) -> bool {
        self.created.is_empty() && self.updated.is_empty() && self.deleted.is_empty()
    }
}

/// Tells what was written.
pub(super) async fn changes(recorder: &Recorder, platform: &ObjectReference, changes: &Changes) {
    for (reason, children) in
        [("Created", &changes.created), ("Updated", &changes.updated), ("Deleted", &changes.deleted)]
    {
        if !children.is_empty() {
            publish(recorder, platform, EventType::Normal, reason, "Apply", list(children)).await;
        }
    }
}

/// Tells that the condition Ready has another status or reason than before.
pub(super) async fn transition(
    recorder: &Recorder,
    platform: &ObjectReference,
    before: &FoodPlatformStatus,
    after: &FoodPlatformStatus,
) {
    let Some(now) = status::find(after, condition::READY) else { return };
    let is_news = match status::find(before, condition::READY) {
        Some(before) => before.status != now.status || before.reason != now.reason,
        // That its children are made is told already.
        None => now.reason != Reason::Progressing.as_str(),
    };
    if !is_news {
        return;
    }
    let normal =
        [Reason::Ready, Reason::Progressing, Reason::Paused].iter().any(|reason| reason.as_str() == now.reason);
    let type_ = if normal { EventType::Normal } else { EventType::Warning };
    publish(recorder, platform, type_, &now.reason, "Reconcile", now.message.clone()).await;
}

/// The children by name, or when there are many, how many of each kind.
fn list(children: &[String]) -> String {
    const NAMED: usize = 6;
    if children.len() <= NAMED {
        return children.join(", ");
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for child in children {
        *kinds.entry(child.split(' ').next().unwrap_or(child)).or_default() += 1;
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

/// Writes an event. One that can't be written is no reason to stop.
pub(super) async fn publish(
    recorder: &Recorder,
    platform: &ObjectReference,
    type_: EventType,
    reason: &str,
    action: &str,
    mut note: String,
) {
    if note.len() > LONGEST_NOTE {
        let mut end = LONGEST_NOTE - '…'.len_utf8();
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    let event =
        Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None };
    match tokio::time::timeout(PATIENCE, recorder.publish(&event, platform)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, reason, "an event could not be written"),
        Err(_) => warn!(reason, "an event could not be written in time"),
    }
}
