//! How the migration of a service's schema stands. Pure, but for the repetition of one that gave up.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    batch::v1::{Job, JobCondition},
    core::v1::Pod,
};
use kube::{
    ResourceExt as _,
    api::{ApiResource, DynamicObject},
};

use super::{context::Context, error::Error, obstacle::Obstacle, pods, prune};
use crate::{
    api::{FoodService, Reason},
    build::{TEMPLATE_CHECKSUM, labels},
};

/// The shortest and the longest time between a Job's failure and its repetition; in between, as long as it ran.
const RETRY: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(15), SignedDuration::from_secs(300));

/// How a migration stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Migration {
    /// The schema is as the image expects it.
    Done,
    /// It runs, or is about to.
    Running,
    /// Something is in its way. It goes on trying.
    Hindered(Obstacle),
    /// The Job gave up.
    Failed(Obstacle),
}

/// How the migration by `job` stands, as far as Job and pods show.
pub(super) fn state(service: FoodService, job: &Job, pods: &[Arc<Pod>]) -> Migration {
    if is(job, "Complete").is_some() {
        return Migration::Done;
    }
    let name = job.name_any();
    let of_job = |pod: &&Arc<Pod>| {
        let its = |label: &str| pod.labels().get(label);
        pods::is(pod, service, labels::ROLE_MIGRATE)
            && its("batch.kubernetes.io/job-name").is_some_and(|found| *found == name)
            // One of that name may have been made anew, and the former's pods be about to end.
            && its("batch.kubernetes.io/controller-uid").is_none_or(|uid| Some(uid) == job.metadata.uid.as_ref())
    };
    let words = pods.iter().filter(of_job).find_map(|pod| pods::failure_of(pod));
    if let Some(failed) = is(job, "Failed") {
        let words = words.or_else(|| failed.message.clone()).unwrap_or_else(|| "the Job says no more".to_owned());
        return Migration::Failed(hindrance(service, &name, &words));
    }
    if let Some(words) = words {
        return Migration::Hindered(hindrance(service, &name, &words));
    }
    match pods.iter().filter(of_job).find_map(|pod| pods::start_trouble(service, pod)) {
        Some(obstacle) => Migration::Hindered(obstacle),
        None => Migration::Running,
    }
}

/// The Job's condition of that type, where it holds.
fn is<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Whether a live Job has yet to complete and makes other pods than those that are built. They may be what keeps it from
/// completing, and it takes no others: it has to be made anew.
#[must_use]
pub fn is_outdated(built: &DynamicObject, live: &DynamicObject) -> bool {
    let is_other = built.annotations().get(TEMPLATE_CHECKSUM) != live.annotations().get(TEMPLATE_CHECKSUM);
    is_other && live.clone().try_parse::<Job>().is_ok_and(|job| is(&job, "Complete").is_none())
}

fn hindrance(service: FoodService, job: &str, words: &str) -> Obstacle {
    if is_about_reaching(words) {
        return Obstacle::new(
            Reason::DatabaseUnreachable,
            format!("{service} can't reach the database: {words}; retrying"),
        );
    }
    Obstacle::new(
        Reason::MigrationFailed,
        format!("the migration of {service} failed: {words}; retrying, see kubectl logs job/{job}"),
    )
}

/// Whether an error is about getting through to the database, rather than about what it answered.
fn is_about_reaching(words: &str) -> bool {
    const SIGNS: [&str; 9] = [
        "connection refused",
        "can't reach",
        "cannot reach",
        "cannot connect",
        "unreachable",
        "timed out",
        "lookup address",
        "no route to host",
        "connection reset",
    ];
    let words = words.to_lowercase();
    SIGNS.iter().any(|sign| words.contains(sign))
}

/// Removes a Job that gave up, so that it is made anew, once it has waited long enough. Returns how long it still has to
/// wait.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn repeat(
    context: &Context,
    resource: &ApiResource,
    live: &DynamicObject,
    job: &Job,
    now: Timestamp,
) -> Result<Option<Duration>, Error> {
    match remaining(job, now) {
        Some(wait) => Ok(Some(wait)),
        None => {
            prune::remove(context, resource, live).await?;
            Ok(None)
        }
    }
}

/// How long a failed Job still has to wait.
fn remaining(job: &Job, now: Timestamp) -> Option<Duration> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let failed = conditions.iter().find(|c| c.type_ == "Failed")?.last_transition_time.as_ref()?.0;
    let started = job.creation_timestamp().map_or(failed, |time| time.0);
    let wait = failed.duration_since(started).clamp(RETRY.0, RETRY.1) - now.duration_since(failed);
    Duration::try_from(wait).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(conditions: &Value) -> Job {
        serde_json::from_value(json!({
            "metadata": { "name": "q-order-migrate-1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "conditions": conditions },
        }))
        .unwrap()
    }

    fn pod(message: &str) -> Arc<Pod> {
        pod_of("u", message)
    }

    fn pod_of(job: &str, message: &str) -> Arc<Pod> {
        let pod = json!({
            "metadata": { "name": "p", "labels": {
                "app.kubernetes.io/name": "order", "foodplatform.dev/role": "migrate",
                "batch.kubernetes.io/job-name": "q-order-migrate-1", "batch.kubernetes.io/controller-uid": job,
            } },
            "status": { "containerStatuses": [{
                "name": "order", "image": "i", "imageID": "", "ready": false, "restartCount": 1,
                "lastState": { "terminated": { "exitCode": 1, "message": message } },
            }] },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn failed() -> Job {
        job(&json!([{ "type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z" }]))
    }

    #[test]
    fn follows_the_job() {
        assert_eq!(state(FoodService::Order, &job(&json!([])), &[]), Migration::Running);
        let former = pod_of("former", "old trouble");
        assert_eq!(state(FoodService::Order, &job(&json!([])), &[former]), Migration::Running, "it was made anew");
        let complete = job(&json!([{ "type": "Complete", "status": "True" }]));
        assert_eq!(state(FoodService::Order, &complete, &[pod("old trouble")]), Migration::Done);
        assert!(matches!(state(FoodService::Order, &failed(), &[]), Migration::Failed(_)));
    }

    #[test]
    fn tells_an_unreachable_database_from_a_failed_migration() {
        let reason = |words: &str| match state(FoodService::Order, &job(&json!([])), &[pod(words)]) {
            Migration::Hindered(obstacle) => obstacle.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason("error: Connection refused (os error 111)"), Reason::DatabaseUnreachable);
        assert_eq!(reason("error: relation \"orders\" already exists"), Reason::MigrationFailed);
    }

    #[test]
    fn a_job_is_outdated_by_another_template_until_it_has_completed() {
        let job = |checksum: Option<&str>, condition: &str| -> DynamicObject {
            let annotations = checksum.map(|checksum| json!({ TEMPLATE_CHECKSUM: checksum }));
            serde_json::from_value(json!({
                "metadata": { "name": "q-order-migrate-1", "annotations": annotations },
                "status": { "conditions": [{ "type": condition, "status": "True" }] },
            }))
            .unwrap()
        };
        let is_outdated = |live: Option<&str>, condition| is_outdated(&job(Some("a"), ""), &job(live, condition));
        for unfinished in ["Suspended", "Failed"] {
            assert!(!is_outdated(Some("a"), unfinished));
            assert!(is_outdated(Some("b"), unfinished));
            assert!(is_outdated(None, unfinished), "of an older version, or somebody took it away");
        }
        assert!(!is_outdated(Some("b"), "Complete") && !is_outdated(None, "Complete"));
    }

    #[test]
    fn a_failed_job_waits_as_long_as_it_ran() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        assert_eq!(remaining(&failed(), at("2026-01-01T00:01:10Z")), Some(Duration::from_secs(50)));
        assert_eq!(remaining(&failed(), at("2026-01-01T00:02:00Z")), None);
    }
}
