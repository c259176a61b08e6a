//! One reconciliation: the steps in their order, and a status whatever came of them.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt as _, api::ApiResource, core::error_boundary::InvalidObject};
use kube_runtime::controller::Action;
use tracing::{debug, warn};

use super::{
    backoff, cancellation_tokens,
    context::{Context, request},
    deletion,
    dereference::{self, Databases},
    error::{Error, Step},
    events,
    live::Guarded,
    migration::{self, Migration},
    obstacle::Obstacle,
    pods, prune,
    report::{AT_ONCE, Report},
    rollout,
    status::{self, Observation},
    topics,
    validate::validate,
};
use crate::{
    api::{FoodPlatform, FoodPlatformStatus, FoodService, Reason},
    build::{self, Child, Children, Dereferenced, Platform},
    kafka::{Fate, keeper::Known},
};

/// Between two looks at a platform of which no watch tells anything.
const RESYNC: Duration = Duration::from_secs(10 * 60);
/// Between two looks at one with something in its way, growing from the first to the second.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Before looking again at what changed under our hands.
const AGAIN: Duration = Duration::from_millis(500);
/// After so many times in a row that is a failure like any other.
const STALE_AT_MOST: u32 = 3;

/// Reconciles one platform.
///
/// # Errors
/// When a step could not do its work for a reason that is no fault of the platform. The status says so, too.
pub(super) async fn reconcile(resource: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    match &resource.0 {
        Err(invalid) if invalid.metadata.deletion_timestamp.is_some() => {
            deletion::let_go_unread(&context, resource.as_ref()).await
        }
        Err(invalid) => undecodable(&context, invalid).await,
        Ok(platform) if platform.metadata.deletion_timestamp.is_some() => deletion::go_on(&context, platform).await,
        Ok(platform) => reconcile_platform(&context, platform).await,
    }
}

/// When to look again after an error.
pub(super) fn retry(resource: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let failures = context.failed(&resource.uid().unwrap_or_default());
    if error.is_stale() && failures < STALE_AT_MOST {
        return Action::requeue(AGAIN);
    }
    let wait = backoff::exponential(RETRY.0, RETRY.1, failures);
    // A deletion is not to be held up beyond its time.
    let left = resource.0.as_ref().ok().and_then(|platform| deletion::time_left(platform, Timestamp::now()));
    Action::requeue(left.map_or(wait, |left| wait.min(left)))
}

async fn reconcile_platform(context: &Context, resource: &FoodPlatform) -> Result<Action, Error> {
    let uid = resource.uid().unwrap_or_default();
    let mut report = Report::default();
    let mut known = Known::default();
    let mut failure = None;
    let before = resource.status.clone().unwrap_or_default();
    let mut valid = validate(resource);
    if let Ok(platform) = &mut valid {
        rollout::roll_back(platform, &before);
    }
    let paused = resource.spec.paused.unwrap_or_default();
    match &valid {
        Err(obstacle) => report.obstacles.push(obstacle.clone()),
        // Not even asking Kafka: that is what makes topics.
        Ok(_) if paused => {}
        Ok(platform) => {
            report.notes = platform.breaker_warnings();
            failure = bring_about(context, resource, platform, &mut known, &mut report).await.err();
        }
    }
    if report.is_gone {
        // Its watch is about to tell.
        return Ok(Action::await_change());
    }
    let (reference, changes) = (resource.object_ref(&()), mem::take(&mut report.changes));
    if let Some(error) = failure.take_if(|error| error.is_stale() && context.failures(&uid) < STALE_AT_MOST) {
        // What was seen is past already, and so would be a status that tells of it.
        events::changes(&context.events, &reference, &changes).await;
        return Err(error);
    }
    if let Some(error) = &failure {
        report.obstacles.push(Obstacle::new(Reason::ApplyFailed, format!("{error}; retrying")));
    }

    // What was written comes back by the watches, and so does the platform: one status tells of both, and one event of all
    // that was made. But that it isn't ready any more is told at once.
    let is_well = failure.is_none() && report.obstacles.is_empty() && !status::is_ready(&before);
    let untold = context.take_untold(&uid);
    if is_well && !changes.is_empty() && untold.is_none() {
        context.leave_untold(&uid, changes);
        return Ok(Action::requeue(AGAIN));
    }
    let changes = untold.unwrap_or_default().and(changes);

    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let generation = resource.metadata.generation.unwrap_or_default();
    let observation = Observation {
        generation,
        platform: valid.as_ref().ok(),
        paused,
        obstacles: context.wordings.told(&uid, generation, report.obstacles, Instant::now()),
        progress: report.progress,
        held: report.held,
        notes: report.notes,
        topics: known.outcome.as_deref(),
        database: report.database,
        children: &context.live.children_of(&namespace, &name, status::is_of_interest),
        pods: &context.live.pods_of(&namespace, &name),
    };
    let after = status::status(&before, &observation, now());
    let is_news = after != before;
    let told = if is_news { status::write(context, resource, &after).await } else { Ok(()) };
    events::changes(&context.events, &reference, &changes).await;
    told?;
    if is_news {
        events::transition(&context.events, &reference, &before, &after).await;
    }
    if let Some(error) = failure {
        return Err(error);
    }
    if !observation.obstacles.is_empty() {
        // Most obstacles are watched; this is for those that aren't, such as somebody else's object.
        let failures = context.failed(&uid);
        return Ok(Action::requeue(backoff::exponential(RETRY.0, RETRY.1, failures)));
    }
    context.succeeded(&uid);
    let waits = [report.look_again, Some(backoff::jittered(RESYNC)), known.next_check];
    let wait = waits.into_iter().flatten().min().unwrap_or(RESYNC);
    Ok(Action::requeue(wait.max(AGAIN)))
}

/// Dereference, build, apply, prune. What pods need comes first, what they no longer need goes last. A service that
/// lacks some of what it needs waits for it alone; the others go on.
async fn bring_about(
    context: &Context,
    resource: &FoodPlatform,
    platform: &Platform,
    known: &mut Known,
    report: &mut Report,
) -> Result<(), Error> {
    // Before there is anything that has to go first.
    if !deletion::hold(context, resource, platform).await? {
        report.is_gone = true;
        return Ok(());
    }
    let kafka = dereference::kafka(context, platform).await?;
    if let Ok(connection) = &kafka
        && report.take_in(platform, topics::place_kafka_topics(context, platform).await)?
    {
        *known = topics::observe(context, platform, connection.clone(), context.waker(platform));
    }
    report.take_in(platform, topics::record(context, platform, known).await)?;
    if !report.take_in(platform, cancellation_tokens::ensure(context, platform, Timestamp::now()).await)? {
        let waits = |service: FoodService| (service, format!("{service} waits for the tokens for cancellations"));
        report.held.extend([FoodService::Order, FoodService::Cook].map(waits));
    }
    if report.is_namespace_leaving {
        return Ok(());
    }
    let mut dereferenced = Dereferenced::default();
    // Pods would wait for a Secret that isn't there; everything else is brought about already.
    let mut complete = true;
    match dereference::databases(context, platform).await? {
        Ok(Databases { addresses, known }) => {
            report.database = context.databases.observe(&platform.uid, &addresses, context.waker(platform));
            dereferenced.databases = known;
        }
        Err(obstacle) => {
            report.obstacles.push(obstacle);
            complete = false;
        }
    }
    match kafka {
        Ok(connection) => dereferenced.kafka_checksum = connection.credentials.checksum(&platform.salt()),
        Err(obstacle) => {
            report.obstacles.push(obstacle);
            complete = false;
        }
    }
    let children = build::children(platform, &dereferenced);
    report.apply_all(context, platform, &children.foundations, AT_ONCE).await?;
    if report.is_namespace_leaving || !complete {
        return Ok(());
    }
    let migrations = report.without_held(&children.migrations);
    report.apply_all(context, platform, &migrations, AT_ONCE).await?;
    if report.is_namespace_leaving {
        return Ok(());
    }
    let blocked: Vec<_> = report.held.iter().map(|(service, _)| *service).collect();
    let waiting = hold(context, platform, &children, known, report).await?;
    report.held.extend(waiting);
    let workloads = report.without_held(&children.workloads);
    report.apply_all(context, platform, &workloads, 1).await?;
    if report.is_namespace_leaving {
        return Ok(());
    }
    let now = Timestamp::now();
    let pods = context.live.pods_of(&platform.namespace, &platform.name);
    let drained_in = pods.iter().filter_map(|pod| pods::drains_for(pod, now)).max();
    if let Some(wait) = drained_in {
        // No event tells of a pod that isn't waited for any more.
        report.look_again_in(wait);
    }
    let settled = report.held.is_empty()
        && report.obstacles.is_empty()
        && drained_in.is_none()
        && is_rolled_out(context, platform, &children);
    let removed = prune::prune(context, platform, &children, settled, &blocked).await?;
    report.changes.deleted.extend(removed);
    Ok(())
}

/// The further services whose workloads have to wait, and why: for their migration, and before their first pod for the
/// topics.
async fn hold(
    context: &Context,
    platform: &Platform,
    children: &Children,
    known: &Known,
    report: &mut Report,
) -> Result<Vec<(FoodService, String)>, Error> {
    let pods = context.live.pods_of(&platform.namespace, &platform.name);
    let topics_there = matches!(
        known.outcome.as_deref(),
        Some(Ok(reports)) if reports.iter().all(|r| r.partitions.is_some() && !matches!(r.fate, Fate::Foreign(_)))
    );
    let mut held = Vec::new();
    for child in children.workloads.iter().filter(|child| child.kind() == "Deployment") {
        let service = child.service;
        if report.is_held(service) {
            continue;
        }
        let first = context.live.version(child.kind(), &platform.namespace, &child.name()).is_none();
        if first && !topics_there {
            held.push((service, format!("{service} waits for the topics")));
            continue;
        }
        let Some(job) = children.migration_of(service) else { continue };
        match migrate(context, platform, job, &pods, report).await? {
            Migration::Done => {}
            Migration::Running => held.push((service, format!("{service} waits for its migration"))),
            Migration::Hindered(obstacle) | Migration::Failed(obstacle) => {
                report.obstacles.push(obstacle);
                held.push((service, format!("{service} waits for its migration")));
            }
        }
    }
    Ok(held)
}

async fn migrate(
    context: &Context,
    platform: &Platform,
    child: &Child,
    pods: &[Arc<k8s_openapi::api::core::v1::Pod>],
    report: &mut Report,
) -> Result<Migration, Error> {
    let Some(live) = context.live.child(child.kind(), &platform.namespace, &child.name()) else {
        return Ok(Migration::Running);
    };
    let Ok(job) = live.clone().try_parse::<Job>() else { return Ok(Migration::Running) };
    let state = migration::state(child.service, &job, pods);
    if matches!(state, Migration::Failed(_))
        && let Some(wait) = migration::repeat(context, &child.resource, &live, &job, Timestamp::now()).await?
    {
        report.look_again_in(wait);
    }
    Ok(state)
}

/// Whether every Deployment runs nothing but what was built. Pods that are being deleted don't count any more.
fn is_rolled_out(context: &Context, platform: &Platform, children: &Children) -> bool {
    children.workloads.iter().filter(|child| child.kind() == "Deployment").all(|child| {
        let Some(live) = context.live.child(child.kind(), &platform.namespace, &child.name()) else { return false };
        let number = |pointer: &str| live.data.pointer(pointer).and_then(serde_json::Value::as_i64).unwrap_or(0);
        number("/status/observedGeneration") >= live.metadata.generation.unwrap_or(0)
            && number("/status/updatedReplicas") >= number("/spec/replicas")
            && number("/status/replicas") == number("/status/updatedReplicas")
    })
}

/// Says in the status of a platform that can't be read why it can't. What it has runs on.
async fn undecodable(context: &Context, invalid: &InvalidObject) -> Result<Action, Error> {
    let meta = &invalid.metadata;
    let (Some(namespace), Some(name)) = (&meta.namespace, &meta.name) else { return Ok(Action::await_change()) };
    warn!(namespace, name, error = invalid.error, "the FoodPlatform can't be read");
    let api = context.dynamic_api(namespace, &ApiResource::erase::<FoodPlatform>(&()));
    let what = || format!("reading FoodPlatform {namespace}/{name}");
    let Some(live) = request(Step::Dereference, what, api.get_opt(name)).await? else {
        return Ok(Action::await_change());
    };
    let before: FoodPlatformStatus =
        live.data.get("status").and_then(|status| serde_json::from_value(status.clone()).ok()).unwrap_or_default();
    let observation = Observation {
        generation: live.metadata.generation.unwrap_or_default(),
        platform: None,
        paused: false,
        obstacles: vec![Obstacle::new(
            Reason::InvalidSpec,
            format!(
                "the resource can't be read: {}; change it as the definition of this operator's version wants it",
                invalid.error
            ),
        )],
        progress: Vec::new(),
        held: Vec::new(),
        notes: Vec::new(),
        topics: None,
        database: None,
        children: &[],
        pods: &[],
    };
    let after = status::status(&before, &observation, now());
    if after != before {
        let guarded = kube::core::DeserializeGuard::<FoodPlatform>(Err(InvalidObject {
            error: String::new(),
            metadata: live.metadata.clone(),
        }));
        status::write(context, &guarded, &after).await?;
        events::transition(&context.events, &guarded.object_ref(&()), &before, &after).await;
    }
    debug!(namespace, name, "left as it is");
    Ok(Action::await_change())
}

/// Now, in the whole seconds that Kubernetes' times have.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
