//! Where log lines come from.

use std::io;

use foodplatform_operator::build::labels;
use futures::{AsyncBufRead, AsyncBufReadExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{ResourceExt as _, api::LogParams};

/// A service's container in a pod, which has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The service, and the container's name in the pod.
    pub(super) service: String,
    pub(super) pod: String,
    /// The container's own name for itself: another one after each restart.
    pub(super) container: String,
    /// Whether it still runs.
    pub(super) runs: bool,
}

impl Source {
    /// The service's container in a pod, whatever somebody else has put beside it. `None` until it has started for the
    /// first time.
    pub(super) fn new(pod: &Pod) -> Option<Self> {
        let service = pod.labels().get(labels::NAME)?.clone();
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let (container, runs) = started(statuses.iter().find(|status| status.name == service)?)?;
        Some(Self { service, pod: pod.name_any(), container, runs })
    }

    /// The window of this container's log: with several in the pod the API server wants to know which.
    pub(super) fn of(&self, window: &LogParams) -> LogParams {
        LogParams { container: Some(self.service.clone()), ..window.clone() }
    }
}

/// The container that the API server has the log of: the one that runs, or the last one that did.
fn started(status: &ContainerStatus) -> Option<(String, bool)> {
    let state = status.state.clone().unwrap_or_default();
    let runs = state.running.is_some();
    let last = status.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
    if !runs && state.terminated.is_none() && !last {
        return None;
    }
    status.container_id.clone().map(|id| (id, runs))
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// When it was written, by the node's clock. None where the kubelet has something to say itself.
    pub(super) time: Option<Timestamp>,
    pub(super) text: String,
}

impl Line {
    /// Takes a line apart that carries its time.
    fn new(line: &str) -> Self {
        let parts = line.split_once(' ').and_then(|(time, text)| Some((time.parse().ok()?, text)));
        match parts {
            Some((time, text)) => Self { time: Some(time), text: text.to_owned() },
            None => Self { time: None, text: line.to_owned() },
        }
    }
}

/// The next line; `None` at the end.
///
/// # Errors
/// When the log breaks off.
pub(super) async fn next(log: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    if log.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    // Whatever a service writes: what is no text becomes `�`.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(Line::new(text.trim_end_matches(['\n', '\r']))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(containers: &[Value]) -> Option<(String, bool)> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "shop-order-1", "labels": { "app.kubernetes.io/name": "order" } },
            "status": { "containerStatuses": containers },
        }))
        .unwrap();
        Source::new(&pod).map(|source| (source.container, source.runs))
    }

    #[test]
    fn a_container_has_a_log_once_it_has_started() {
        let container = |state: &Value, last: &Value, id: Option<&str>| {
            source(&[json!({
                "name": "order", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "containerID": id, "state": state, "lastState": last,
            })])
        };
        let (waiting, ended) = (json!({ "waiting": {} }), json!({ "terminated": { "exitCode": 1 } }));
        let running = json!({ "running": {} });
        assert_eq!(container(&waiting, &json!({}), None), None);
        assert_eq!(container(&running, &ended, Some("b")), Some(("b".to_owned(), true)));
        assert_eq!(container(&ended, &json!({}), Some("a")), Some(("a".to_owned(), false)));
        assert_eq!(container(&waiting, &ended, Some("a")), Some(("a".to_owned(), false)), "between two attempts");
    }

    #[test]
    fn a_container_beside_the_service_s_is_not_taken_for_it() {
        let container = |name: &str, state: &Value| {
            json!({
                "name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": format!("containerd://{name}"), "state": state,
            })
        };
        let (running, ended) = (json!({ "running": {} }), json!({ "terminated": { "exitCode": 1 } }));
        let beside = container("istio-proxy", &running);
        assert_eq!(source(std::slice::from_ref(&beside)), None);
        let both = [beside, container("order", &ended)];
        assert_eq!(source(&both), Some(("containerd://order".to_owned(), false)));
    }

    #[tokio::test]
    async fn lines_carry_their_times() {
        let mut log: &[u8] = b"2026-01-02T03:04:05.000000006Z one two\nfailed to read\n2026-01-02T12:04:06+09:00 \xff";
        let mut lines = Vec::new();
        while let Some(line) = next(&mut log).await.unwrap() {
            lines.push((line.time.map(|time| time.to_string()), line.text));
        }
        let expected = [
            (Some("2026-01-02T03:04:05.000000006Z".to_owned()), "one two".to_owned()),
            (None, "failed to read".to_owned()),
            (Some("2026-01-02T03:04:06Z".to_owned()), "\u{fffd}".to_owned()),
        ];
        assert_eq!(lines, expected);
    }
}
