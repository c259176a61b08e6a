//! How a platform stands, as a tree for people. Pure.

use anstyle::Style;
use foodplatform_operator::{
    api::{TopicState, condition},
    build::labels,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    lag::Lag,
    tree::{Node, render},
    view::{PodView, ServiceView, View},
};
use crate::paint::{BAD, FAINT, GOOD, MIDDLING, PLAIN, STRONG, harmless, paint};

/// The whole of it, as of `now`.
pub(super) fn show(view: &View, now: Timestamp) -> String {
    let mut text = headline(view, now);
    let behind = match view.observed_generation {
        None => Some("The operator has not looked at it yet: does it run, and look after this namespace?"),
        seen if seen != view.generation => {
            Some("The operator has not looked at the newest spec yet: what follows is about the one before.")
        }
        _ => None,
    };
    if let Some(behind) = behind {
        text += &paint(MIDDLING, behind);
        text.push('\n');
    }
    if let Some(reason) = &view.pods_unknown {
        text += &paint(MIDDLING, format_args!("Pods can't be listed: {}", harmless(reason)));
        text.push('\n');
    }
    let sections = [
        ("Conditions", condition_nodes(&view.conditions, now)),
        ("Services", view.services.iter().map(|service| service_node(service, &view.topic_prefix, now)).collect()),
        ("Volumes", view.volumes.iter().map(volume_node).collect()),
        ("Topics", view.topics.iter().map(topic_node).collect()),
    ];
    for (title, nodes) in sections.iter().filter(|(_, nodes)| !nodes.is_empty()) {
        text += &format!("\n{}\n{}", paint(STRONG, title), render(nodes));
    }
    text
}

fn headline(view: &View, now: Timestamp) -> String {
    let name = paint(STRONG, format_args!("{}/{}", view.namespace, view.name));
    let ready = if view.ready { paint(GOOD, "ready") } else { paint(BAD, "not ready") };
    let services = view.services_ready.as_ref().map(|ready| format!("{ready} services"));
    let age = view.created.map(|created| format!("{} old", age(created, now)));
    let parts = [Some(name), Some(ready), services, view.endpoint.as_deref().map(harmless), age];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ") + "\n"
}

fn condition_nodes(conditions: &[Condition], now: Timestamp) -> Vec<Node> {
    let node = |(index, condition): (usize, &Condition)| {
        let node = Node::default()
            .cell(PLAIN, &condition.type_)
            .cell(style_of(condition), &condition.status)
            .cell(PLAIN, &condition.reason)
            .cell(FAINT, age(condition.last_transition_time.0, now));
        // What stalls a platform keeps it from being ready, too: once is enough.
        match conditions[..index].iter().find(|before| before.message == condition.message) {
            Some(before) if !condition.message.is_empty() => node.cell(FAINT, format!("as {}", before.type_)),
            _ => node.cell(PLAIN, &condition.message),
        }
    };
    conditions.iter().enumerate().map(node).collect()
}

fn style_of(condition: &Condition) -> Style {
    match (condition.type_.as_str(), condition.status.as_str()) {
        (condition::STALLED, "True") => BAD,
        (condition::RECONCILING | condition::PAUSED, "True") => MIDDLING,
        (condition::STALLED | condition::RECONCILING | condition::PAUSED, "False") => PLAIN,
        (_, "True") => GOOD,
        (_, "False") => BAD,
        _ => MIDDLING,
    }
}

fn service_node(service: &ServiceView, topic_prefix: &str, now: Timestamp) -> Node {
    let status = &service.status;
    let scaled = status.autoscaling.as_ref();
    let scaled = scaled.map(|scaled| format!("{} of {}..{} by load", scaled.current, scaled.min, scaled.max));
    let mut node = Node::default()
        .cell(STRONG, status.name.as_str())
        .cell(counted(status.ready, status.desired), format!("{}/{} ready", status.ready, status.desired))
        .cell(counted(status.updated, status.desired), format!("{} updated", status.updated))
        .cell(PLAIN, scaled.unwrap_or_default())
        .cell(PLAIN, service.lag.as_ref().map(|lag| lag_text(lag, topic_prefix)).unwrap_or_default())
        .cell(PLAIN, &status.image);
    if let Some(last) = status.last_ready_image.as_ref().filter(|last| **last != status.image) {
        node = node.note(FAINT, format!("last ready with {last}"));
    }
    if let Some(failed) = &status.failed_rollout {
        node = node.note(BAD, format!("{} was given up: {}", failed.image, failed.message));
    }
    for reason in service.lag.iter().flat_map(|lag| &lag.untold) {
        node = node.note(FAINT, format!("lag: {reason}"));
    }
    node.children(service.pods.iter().map(|pod| pod_node(pod, now)))
}

fn counted(there: i32, wanted: i32) -> Style {
    if there >= wanted { GOOD } else { MIDDLING }
}

/// Such as `lag 12 (menu 10, cook 2)`.
fn lag_text(lag: &Lag, topic_prefix: &str) -> String {
    let Some(total) = lag.total else { return "lag ?".to_owned() };
    let topic = |(topic, messages): (&String, &u64)| {
        format!("{} {messages}", topic.strip_prefix(topic_prefix).unwrap_or(topic))
    };
    let parts: Vec<_> = lag.topics.iter().filter(|(_, messages)| **messages > 0).map(topic).collect();
    let at_least = if lag.untold.is_empty() { "" } else { "≥ " };
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!("lag {at_least}{total}{parts}")
}

fn pod_node(pod: &PodView, now: Timestamp) -> Node {
    let migrates = pod.role == labels::ROLE_MIGRATE;
    let (style, state) = match pod.phase.as_str() {
        "Running" if pod.ready => (GOOD, "ready"),
        _ if migrates => (MIDDLING, "migrates"),
        _ => (MIDDLING, "not ready"),
    };
    let restarts = match pod.restarts {
        1 => "1 restart".to_owned(),
        restarts => format!("{restarts} restarts"),
    };
    let node = Node::default()
        .cell(PLAIN, &pod.name)
        .cell(PLAIN, &pod.phase)
        .cell(style, state)
        .cell(if pod.restarts > 0 { MIDDLING } else { PLAIN }, restarts)
        .cell(PLAIN, pod.created.map(|created| age(created, now)).unwrap_or_default())
        .cell(PLAIN, pod.node.as_deref().unwrap_or_default());
    match &pod.trouble {
        Some(trouble) => node.note(BAD, trouble),
        None => node,
    }
}

fn volume_node(volume: &foodplatform_operator::api::VolumeStatus) -> Node {
    let style = match volume.phase.as_str() {
        "Bound" => GOOD,
        "Lost" => BAD,
        _ => MIDDLING,
    };
    let capacity = volume.capacity.as_deref().unwrap_or_default();
    Node::default().cell(PLAIN, &volume.name).cell(style, &volume.phase).cell(PLAIN, capacity)
}

fn topic_node(topic: &foodplatform_operator::api::TopicStatus) -> Node {
    let (style, state) = match topic.state {
        TopicState::Ready => (GOOD, "Ready"),
        TopicState::Differs => (MIDDLING, "Differs"),
        TopicState::Missing => (BAD, "Missing"),
        TopicState::Foreign => (BAD, "Foreign"),
        TopicState::Unknown => (MIDDLING, "Unknown"),
    };
    let partitions = match topic.partitions {
        None => String::new(),
        Some(1) => "1 partition".to_owned(),
        Some(partitions) => format!("{partitions} partitions"),
    };
    Node::default().cell(PLAIN, &topic.name).cell(style, state).cell(PLAIN, partitions)
}

/// The time between two moments, in the two largest units that matter: `45s`, `12m`, `3h10m`, `5d2h`, `80d`.
fn age(from: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(from).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{of}"),
    };
    match () {
        () if minutes < 2 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_kubectl_tells_them() {
        let age = |seconds| age(Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap());
        for (seconds, told) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (600, "10m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 600, "3h10m"),
            (47 * 3600, "47h"),
            (5 * 86_400 + 7200, "5d2h"),
            (80 * 86_400, "80d"),
        ] {
            assert_eq!(age(seconds), told, "{seconds}");
        }
    }
}
