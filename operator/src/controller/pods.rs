//! What is wrong with a pod, in a sentence. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStatus, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::ResourceExt as _;
use serde_json::Value;

use super::obstacle::Obstacle;
use crate::{
    api::{FoodService, Reason},
    build::labels,
};

/// Restarts that a service may need while what it depends on starts up.
const TOLERATED_RESTARTS: i32 = 2;

/// How long a pod may be overdue that is to end. Then nobody waits for it any more: its node is dead, most likely.
const OVERDUE: SignedDuration = SignedDuration::from_secs(60);

/// The longest part of a container's last words that is shown.
const LONGEST: usize = 400;

/// Whether the pod belongs to `service` in that role.
pub(super) fn is(pod: &Pod, service: FoodService, role: &str) -> bool {
    let is = |key: &str, value: &str| pod.labels().get(key).is_some_and(|found| found == value);
    is(labels::NAME, service.as_str()) && is(labels::ROLE, role)
}

/// Whether the pod is ready to serve.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _)| status == "True")
}

/// How much longer a pod that is being deleted may still be at work.
pub(super) fn drains_for(pod: &Pod, now: Timestamp) -> Option<Duration> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    // By then its grace period is over: a pod's time of deletion lies ahead.
    let Time(end) = pod.metadata.deletion_timestamp.as_ref()?;
    let left = end.duration_since(now).saturating_add(OVERDUE);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// Why a pod of a service doesn't become ready, if something is wrong with it. The sentence stays the same from one
/// attempt to the next.
pub fn trouble(service: FoodService, pod: &Pod) -> Option<Obstacle> {
    if is_ready(pod) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let name = pod.name_any();
    if let Some(("False", message)) = condition(pod, "PodScheduled") {
        let message = message.unwrap_or("no node takes it");
        return Some(Obstacle::new(
            Reason::Unschedulable,
            format!("{service}: pod {name} waits for a node: {message}"),
        ));
    }
    containers(pod).iter().find_map(|container| container_trouble(service, &name, container))
}

fn container_trouble(service: FoodService, pod: &str, container: &ContainerStatus) -> Option<Obstacle> {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    match waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default() {
        // The kubelet alternates between the two.
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => Some(Obstacle::new(
            Reason::ImagePullBackOff,
            format!(
                "{service}: image {} can't be pulled: check spec.image and that nodes may pull it, then see kubectl \
                 describe pod {pod}",
                container.image
            ),
        )),
        // The kubelet's own caches are behind, which it mends by itself.
        "CreateContainerConfigError" if message.starts_with("failed to sync ") => None,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(Obstacle::new(
            Reason::ContainerConfigError,
            format!("{service}: pod {pod} can't start its container: {message}"),
        )),
        _ if container.restart_count > TOLERATED_RESTARTS && !container.ready => {
            let words = last_words(container).unwrap_or_else(|| "it left no message".to_owned());
            Some(Obstacle::new(Reason::CrashLoopBackOff, format!("{service}: pod {pod} ends again and again: {words}")))
        }
        _ => None,
    }
}

/// What the first container of a pod that ended with an error said last.
pub fn failure_of(pod: &Pod) -> Option<String> {
    containers(pod).iter().find_map(last_words)
}

/// Why the pod's container can't even start, for pods that are not expected to become ready.
pub(super) fn start_trouble(service: FoodService, pod: &Pod) -> Option<Obstacle> {
    trouble(service, pod).filter(|obstacle| obstacle.reason != Reason::CrashLoopBackOff)
}

fn last_words(container: &ContainerStatus) -> Option<String> {
    let ended = |state: &Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.clone());
    let ended = ended(&container.state).or_else(|| ended(&container.last_state))?;
    if ended.exit_code == 0 {
        return None;
    }
    let words = ended.message.as_deref().and_then(sentence);
    Some(words.unwrap_or_else(|| match ended.reason.as_deref() {
        Some("OOMKilled") => "it needs more memory than resources.limits.memory".to_owned(),
        _ => format!("exit code {}", ended.exit_code),
    }))
}

/// The last log line of a termination message, as a sentence: our services log JSON.
fn sentence(message: &str) -> Option<String> {
    let line = message.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let text = match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(fields)) => {
            let nested = fields.get("fields").and_then(Value::as_object).unwrap_or(&fields);
            let field = |name: &str| nested.get(name).or_else(|| fields.get(name)).and_then(Value::as_str);
            field("error").or_else(|| field("message")).unwrap_or(line).to_owned()
        }
        _ => line.to_owned(),
    };
    Some(text.chars().take(LONGEST).collect())
}

fn containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

/// Status and message of one of the pod's conditions.
fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<(&'a str, Option<&'a str>)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status.as_str(), found.message.as_deref()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(container: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "q-order-1" },
            "status": { "containerStatuses": [container] },
        }))
        .unwrap()
    }

    fn container(fields: &Value) -> Value {
        let mut container = json!({
            "name": "order", "image": "r/order:1", "imageID": "", "ready": false, "restartCount": 0,
        });
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        container
    }

    fn reason(fields: &Value) -> Option<Reason> {
        trouble(FoodService::Order, &pod(&container(fields))).map(|obstacle| obstacle.reason)
    }

    #[test]
    fn an_image_that_cannot_be_pulled_reads_the_same_in_both_of_the_kubelet_s_states() {
        let trouble = |reason: &str| {
            trouble(FoodService::Order, &pod(&container(&json!({ "state": { "waiting": { "reason": reason } } }))))
        };
        assert_eq!(trouble("ErrImagePull"), trouble("ImagePullBackOff"));
        assert!(trouble("ErrImagePull").unwrap().message.contains("r/order:1"));
    }

    #[test]
    fn a_crash_is_told_by_its_last_log_line() {
        let log =
            "starting\n{\"level\":\"ERROR\",\"fields\":{\"message\":\"the service ends\",\"error\":\"no topic\"}}\n";
        let crashed = json!({
            "restartCount": 4,
            "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 1, "message": log } },
        });
        let obstacle = trouble(FoodService::Order, &pod(&container(&crashed))).unwrap();
        assert_eq!(obstacle.message, "order: pod q-order-1 ends again and again: no topic");
    }

    #[test]
    fn a_deleted_pod_drains_until_it_has_ended_or_should_have_long_since() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let drains = |phase: &str, end: Option<&str>| {
            let pod = json!({ "metadata": { "deletionTimestamp": end }, "status": { "phase": phase } });
            drains_for(&serde_json::from_value(pod).unwrap(), now).map(|left| left.as_secs())
        };
        assert_eq!(drains("Running", None), None);
        assert_eq!(drains("Running", Some("2026-01-02T00:00:20Z")), Some(80));
        assert_eq!(drains("Running", Some("2026-01-01T23:59:30Z")), Some(30));
        assert_eq!(drains("Running", Some("2026-01-01T23:59:00Z")), None, "its node is dead");
        for ended in ["Succeeded", "Failed"] {
            assert_eq!(drains(ended, Some("2026-01-02T00:00:20Z")), None);
        }
    }

    #[test]
    fn a_first_restart_and_a_container_that_is_being_made_are_no_trouble() {
        assert_eq!(reason(&json!({ "state": { "waiting": { "reason": "ContainerCreating" } } })), None);
        assert_eq!(
            reason(&json!({ "restartCount": 1, "state": { "waiting": { "reason": "CrashLoopBackOff" } } })),
            None
        );
    }

    #[test]
    fn a_kubelet_that_has_not_seen_a_config_map_yet_is_no_trouble() {
        let waiting = |message: &str| json!({ "state": { "waiting": { "reason": "CreateContainerConfigError", "message": message } } });
        assert_eq!(reason(&waiting("failed to sync configmap cache: timed out waiting for the condition")), None);
        assert_eq!(reason(&waiting("configmap \"q-order\" not found")), Some(Reason::ContainerConfigError));
    }

    #[test]
    fn a_ready_pod_is_no_trouble_however_often_it_started() {
        assert_eq!(reason(&json!({ "restartCount": 9, "ready": true })), None);
    }

    #[test]
    fn running_out_of_memory_says_what_to_change() {
        let ended = json!({
            "restartCount": 3, "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } },
        });
        let obstacle = trouble(FoodService::Order, &pod(&container(&ended))).unwrap();
        assert!(obstacle.message.contains("resources.limits.memory"), "{}", obstacle.message);
    }
}
