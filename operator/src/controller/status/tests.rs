use serde_json::{Value, json};

use super::*;
use crate::{
    api::OnFailure,
    build::{Autoscaling, Replicas, labels},
    kafka::{Fate, TopicReport, Unreachable},
};

const NOW: &str = "2026-01-02T00:00:00Z";

fn platform() -> Platform {
    let resource: FoodPlatform = serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": { "name": "q", "namespace": "food", "uid": "u", "generation": 2 },
        "spec": {
            "image": { "registry": "r", "tag": "1" },
            "kafka": { "bootstrapServers": "k:9092" },
            "database": { "secretRef": { "name": "db" } },
        },
    }))
    .unwrap();
    Platform::new(&resource).unwrap()
}

fn child<K: Resource<DynamicType = ()>>(object: Value) -> (ApiResource, DynamicObject) {
    (ApiResource::erase::<K>(&()), serde_json::from_value(object).unwrap())
}

fn deployment(service: FoodService, ready: i32) -> (ApiResource, DynamicObject) {
    child::<Deployment>(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": format!("q-{service}"), "namespace": "food", "generation": 1 },
        "spec": {
            "replicas": 2, "selector": {},
            "template": { "spec": { "containers": [{ "name": service, "image": format!("r/{service}:1") }] } },
        },
        "status": { "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": ready },
    }))
}

fn deployments(ready: i32) -> Vec<(ApiResource, DynamicObject)> {
    FoodService::ALL.into_iter().map(|service| deployment(service, ready)).collect()
}

fn good(platform: &Platform) -> Outcome {
    let report = |topic: &crate::build::WantedTopic| TopicReport {
        made: std::collections::BTreeSet::new(),
        reset: std::collections::BTreeSet::new(),
        name: topic.name.clone(),
        partitions: Some(topic.partitions),
        id: Some("id".to_owned()),
        fate: Fate::AsWanted,
    };
    Ok(platform.topics.iter().map(report).collect())
}

/// What is seen of a platform that is ready.
fn seen<'a>(
    platform: &'a Platform,
    topics: &'a Outcome,
    children: &'a [(ApiResource, DynamicObject)],
) -> Observation<'a> {
    Observation {
        generation: 2,
        platform: Some(platform),
        paused: false,
        obstacles: Vec::new(),
        progress: Vec::new(),
        held: Vec::new(),
        notes: Vec::new(),
        topics: Some(topics),
        database: Some(Ok(())),
        children,
        pods: &[],
    }
}

fn after(previous: &FoodPlatformStatus, seen: &Observation<'_>) -> FoodPlatformStatus {
    status(previous, seen, NOW.parse().unwrap())
}

fn told<'a>(status: &'a FoodPlatformStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
    let condition = find(status, type_).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

#[test]
fn ready_when_all_services_and_topics_are() {
    let (platform, children) = (platform(), deployments(2));
    let status = after(&FoodPlatformStatus::default(), &seen(&platform, &good(&platform), &children));
    assert_eq!(told(&status, condition::READY), ("True", "Ready", "all services are ready"));
    assert_eq!(told(&status, condition::RECONCILING), ("False", "Ready", ""));
    assert_eq!(told(&status, condition::STALLED), ("False", "Ready", ""));
    assert_eq!(told(&status, condition::TOPICS_READY).0, "True");
    assert_eq!(status.services_ready.as_deref(), Some("5/5"));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
    assert_eq!(status.observed_generation, Some(2));
}

#[test]
fn a_database_that_does_not_answer_is_told_though_all_pods_are_ready() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let good = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    assert_eq!(told(&good, condition::DATABASE_REACHABLE).0, "True");

    // After a restart of the operator, what was known stays until there is an answer.
    let unasked = after(&good, &Observation { database: None, ..seen(&platform, &topics, &children) });
    assert_eq!(unasked, good);

    let database = Some(Err(Silent("the database is away".into())));
    let away = after(&good, &Observation { database, ..seen(&platform, &topics, &children) });
    let said = ("False", "DatabaseUnreachable", "the database is away");
    assert_eq!(told(&away, condition::DATABASE_REACHABLE), said);
    assert_eq!(told(&away, condition::READY), said);
    assert_eq!(told(&away, condition::STALLED).0, "False");
}

#[test]
fn looking_twice_changes_nothing() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let first = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    let later = status(&first, &seen(&platform, &topics, &children), "2026-01-03T00:00:00Z".parse().unwrap());
    assert_eq!(first, later);
}

#[test]
fn progress_says_how_far_it_is() {
    let (platform, children) = (platform(), deployments(1));
    let status = after(&FoodPlatformStatus::default(), &seen(&platform, &good(&platform), &children));
    let (ready, reason, message) = told(&status, condition::READY);
    assert_eq!((ready, reason), ("False", "Progressing"));
    assert!(message.starts_with("order has 1 of 2 pods ready; cook has"), "{message}");
    assert_eq!(told(&status, condition::RECONCILING).0, "True");
    assert_eq!(status.services_ready.as_deref(), Some("0/5"));
}

#[test]
fn a_paused_platform_says_so_and_how_its_services_stand() {
    let (platform, running) = (platform(), deployments(2));
    let topics = good(&platform);
    let before = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &running));
    assert_eq!(told(&before, condition::PAUSED), ("False", "NotPaused", ""));
    let paused =
        |children| Observation { paused: true, topics: None, database: None, ..seen(&platform, &topics, children) };
    let status = after(&before, &paused(&running));
    let message = "all services are ready; paused: nothing is created, changed or deleted until spec.paused is removed";
    assert_eq!(told(&status, condition::READY), ("True", "Ready", message));
    assert_eq!(told(&status, condition::PAUSED).0, "True");
    assert_eq!(told(&status, condition::TOPICS_READY), told(&before, condition::TOPICS_READY));

    let ending = deployments(1);
    let status = after(&before, &paused(&ending));
    let (ready, reason, message) = told(&status, condition::READY);
    assert_eq!((ready, reason), ("False", "Paused"));
    assert!(message.starts_with("paused: ") && message.contains("order has 1 of 2 pods ready"), "{message}");
    assert_eq!(told(&status, condition::RECONCILING).0, "False");
}

#[test]
fn a_held_service_is_not_ready_however_well_its_old_version_runs() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let held = vec![(FoodService::Cook, "cook waits for its migration".to_owned())];
    let status = after(&FoodPlatformStatus::default(), &Observation { held, ..seen(&platform, &topics, &children) });
    assert_eq!(told(&status, condition::READY), ("False", "Progressing", "cook waits for its migration"));
    assert_eq!(status.services_ready.as_deref(), Some("4/5"));
}

#[test]
fn an_autoscaled_service_with_fewer_pods_than_its_fewest_is_not_ready() {
    let mut platform = platform();
    platform.services[0].replicas =
        Replicas::Automatic(Autoscaling { min: 3, max: 5, target_cpu_utilization: 80, behavior: None });
    let (topics, children) = (good(&platform), deployments(2));
    let status = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    let message = "order has 2 of 3 pods of the wanted version";
    assert_eq!(told(&status, condition::READY), ("False", "Progressing", message));
    assert_eq!(status.services_ready.as_deref(), Some("4/5"));
    assert_eq!(status.services[0].desired, 3);
}

#[test]
fn what_takes_a_person_stalls_and_comes_first() {
    let (platform, children) = (platform(), deployments(2));
    let topics: Outcome = Err(Unreachable("Kafka is away".into()));
    let obstacles = vec![
        Obstacle::new(Reason::DatabaseUnreachable, "the database is away"),
        Obstacle::new(Reason::NameConflict, "taken"),
    ];
    let status =
        after(&FoodPlatformStatus::default(), &Observation { obstacles, ..seen(&platform, &topics, &children) });
    let message = "taken; the database is away; Kafka is away";
    assert_eq!(told(&status, condition::READY), ("False", "NameConflict", message));
    assert_eq!(told(&status, condition::STALLED), ("True", "NameConflict", message));
    assert_eq!(told(&status, condition::RECONCILING).0, "False");
    assert_eq!(told(&status, condition::TOPICS_READY), ("False", "KafkaUnreachable", "Kafka is away"));
}

#[test]
fn a_rollout_whose_pods_find_no_node_in_time_is_stuck() {
    let mut platform = platform();
    platform.on_failure = OnFailure::Rollback;
    let (topics, mut children) = (good(&platform), deployments(2));
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "q-order-1", "labels": { labels::NAME: "order", labels::ROLE: labels::ROLE_SERVE } },
        "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available" }] },
    }))
    .unwrap();
    let pods = [Arc::new(pod)];
    let mut before = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    before.services[0].last_ready_image = Some("r/order:0".to_owned());
    let mut said = |conditions: Value| {
        children[0].1.data["status"] = json!({
            "observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 0, "conditions": conditions,
        });
        after(&before, &Observation { pods: &pods, ..seen(&platform, &topics, &children) })
    };
    let message = "order: pod q-order-1 waits for a node: 0/3 nodes are available";

    let waiting = said(json!([{ "type": "Progressing", "status": "True" }]));
    assert_eq!(told(&waiting, condition::READY), ("False", "Unschedulable", message));
    assert_eq!(told(&waiting, condition::STALLED).0, "False");

    let late = said(json!([{
        "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too late",
    }]));
    assert_eq!(told(&late, condition::STALLED), ("True", "RolloutStuck", message));
    assert_eq!(late.services[0].failed_rollout.as_ref().map(|failed| failed.message.as_str()), Some(message));
}

#[test]
fn the_time_of_a_condition_is_that_of_its_status() {
    let (platform, running) = (platform(), deployments(2));
    let topics = good(&platform);
    let first = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &running));
    let starting = deployments(1);
    let later = status(&first, &seen(&platform, &topics, &starting), "2026-01-03T00:00:00Z".parse().unwrap());
    let time = |status, type_| find(status, type_).unwrap().last_transition_time.0.to_string();
    assert_eq!(time(&later, condition::READY), "2026-01-03T00:00:00Z");
    assert_eq!(time(&later, condition::RECONCILING), "2026-01-03T00:00:00Z");
    assert_eq!(time(&later, condition::STALLED), NOW);
    assert_eq!(time(&later, condition::TOPICS_READY), NOW);
}

#[test]
fn a_restart_of_the_operator_keeps_what_was_known_of_topics() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let before = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    let restarted = Observation { topics: None, ..seen(&platform, &topics, &children) };
    let now = after(&before, &restarted);
    assert_eq!(now.topics, before.topics);
    assert_eq!(find(&now, condition::TOPICS_READY), find(&before, condition::TOPICS_READY));
    assert_eq!(now, before);
}

#[test]
fn topics_that_are_about_to_be_changed_are_not_as_asked_for() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let before = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    let mut reports = topics.clone().unwrap();
    reports[0].fate = Fate::Announced;
    let announced = Ok(reports);
    let during = after(&before, &seen(&platform, &announced, &children));
    assert_eq!(told(&during, condition::READY), ("False", "Progressing", "the topics are being changed"));
    assert_eq!(told(&during, condition::TOPICS_READY), ("Unknown", "Progressing", "the topics are being changed"));
    assert_eq!(during.topics[0].state, crate::api::TopicState::Differs);

    // It wasn't good for this spec: the check that follows is no mere look.
    let changing = after(&during, &Observation { topics: None, ..seen(&platform, &topics, &children) });
    assert_eq!(told(&changing, condition::READY), ("False", "Progressing", "the topics are being checked"));
    assert_eq!(told(&changing, condition::TOPICS_READY).0, "Unknown");
    assert_eq!(told(&after(&changing, &seen(&platform, &topics, &children)), condition::READY).0, "True");
}

#[test]
fn an_invalid_spec_leaves_what_is_known_of_the_rest() {
    let (platform, children) = (platform(), deployments(2));
    let topics = good(&platform);
    let before = after(&FoodPlatformStatus::default(), &seen(&platform, &topics, &children));
    let invalid = Observation {
        platform: None,
        obstacles: vec![Obstacle::new(Reason::InvalidSpec, "spec.image is bad")],
        topics: None,
        ..seen(&platform, &topics, &[])
    };
    let status = after(&before, &invalid);
    assert_eq!(told(&status, condition::STALLED), ("True", "InvalidSpec", "spec.image is bad"));
    assert_eq!(status.services, before.services);
    assert_eq!(told(&status, condition::TOPICS_READY).0, "True");
}
