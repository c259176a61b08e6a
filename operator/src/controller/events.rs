//! Events on a FoodPlatform: what was changed, and how its readiness changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::warn;

use super::status;
use crate::{
    api::{FoodPlatformStatus, Reason, condition},
    sync::lock,
};

/// Kubernetes' limit for an event's note, in bytes.
const LONGEST_NOTE: usize = 1024;

/// For writing one: clusters may keep events somewhere else, which may be slow.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writes events: one for each note, and a series where it is told again.
pub(super) struct Events {
    client: Client,
    reporter: Reporter,
    /// By the platform's uid and the reason.
    last: Mutex<HashMap<(String, String), Told>>,
}

/// What was told last. A recorder doesn't look at the note, and tells the old one again where the rest is the same; so each
/// note has a recorder of its own.
struct Told {
    note: String,
    recorder: Recorder,
}

impl Events {
    /// With nothing told so far.
    pub(super) fn new(client: Client, reporter: Reporter) -> Self {
        Self { client, reporter, last: Mutex::default() }
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.last).retain(|(uid, _), _| is_there(uid));
    }

    /// The recorder of that note.
    fn recorder(&self, uid: &str, reason: &str, note: &str) -> Recorder {
        let mut last = lock(&self.last);
        let key = (uid.to_owned(), reason.to_owned());
        if let Some(told) = last.get(&key).filter(|told| told.note == note) {
            return told.recorder.clone();
        }
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        last.insert(key, Told { note: note.to_owned(), recorder: recorder.clone() });
        recorder
    }
}

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
pub(super) async fn changes(events: &Events, platform: &ObjectReference, changes: &Changes) {
    for (reason, children) in
        [("Created", &changes.created), ("Updated", &changes.updated), ("Deleted", &changes.deleted)]
    {
        if !children.is_empty() {
            publish(events, platform, EventType::Normal, reason, "Apply", list(children)).await;
        }
    }
}

/// Tells that the condition Ready has another status or reason than before.
pub(super) async fn transition(
    events: &Events,
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
    publish(events, platform, type_, &now.reason, "Reconcile", now.message.clone()).await;
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
    events: &Events,
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
    let recorder = events.recorder(platform.uid.as_deref().unwrap_or_default(), reason, &note);
    let event =
        Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None };
    match tokio::time::timeout(PATIENCE, recorder.publish(&event, platform)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, reason, "an event could not be written"),
        Err(_) => warn!(reason, "an event could not be written in time"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, Request, Response};
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::Value;
    use tower::BoxError;

    use super::*;

    /// What was asked of the API server: how, and with which note.
    type Asked = Arc<Mutex<Vec<(Method, String)>>>;

    fn events() -> (Events, Asked) {
        let asked = Asked::default();
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let log = Arc::clone(&log);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let event: Value = serde_json::from_slice(&body)?;
                lock(&log).push((head.method, event["note"].as_str().unwrap_or_default().to_owned()));
                Ok::<_, BoxError>(Response::new(Body::from(body.to_vec())))
            }
        });
        (Events::new(Client::new(service, "default"), "test".into()), asked)
    }

    #[tokio::test]
    async fn another_note_is_another_event_and_the_same_a_series() {
        let (events, asked) = events();
        let shop = |uid: &str| ObjectReference {
            name: Some("shop".into()),
            namespace: Some("food".into()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        };
        let changed = |child: &str| Changes { updated: vec![child.to_owned()], ..Changes::default() };
        for (uid, child, how) in [
            ("u", "a", Method::POST),
            ("u", "a", Method::PATCH),
            ("u", "b", Method::POST),
            ("u", "b", Method::PATCH),
            ("u", "a", Method::POST),
            ("v", "a", Method::POST),
            ("u", "a", Method::PATCH),
        ] {
            changes(&events, &shop(uid), &changed(child)).await;
            assert_eq!(lock(&asked).pop(), Some((how, child.to_owned())), "{uid} {child}");
        }
        events.retain(|uid| uid == "v");
        assert!(lock(&events.last).keys().map(|(uid, _)| uid).eq(["v"]));
    }
}
