//! The controller: dereference → validate → build → apply → status, one file a step.
//!
//! What it asks of the API server, which the chart's roles have to grant:
//!
//! | group | resources | verbs |
//! |---|---|---|
//! | `foodplatform.dev` | `foodplatforms` | get (one that can't be read), list, watch, patch (finalizers only) |
//! | `foodplatform.dev` | `foodplatforms/status` | patch |
//! | `foodplatform.dev` | `foodplatforms/finalizers` | update (owner references that block deletion) |
//! | core | `configmaps`, `persistentvolumeclaims`, `serviceaccounts`, `services` | get, list, watch, create, patch, delete |
//! | `apps` | `deployments` | get, list, watch, create, patch, delete |
//! | `batch` | `jobs` | get, list, watch, create, patch, delete |
//! | `autoscaling` | `horizontalpodautoscalers` | get, list, watch, create, patch, delete |
//! | `policy` | `poddisruptionbudgets` | get, list, watch, create, patch, delete |
//! | `networking.k8s.io` | `ingresses`, `networkpolicies` | get, list, watch, create, patch, delete |
//! | `gateway.networking.k8s.io` | `httproutes` | get, list, watch, create, patch, delete |
//! | `networking.istio.io` | `destinationrules` | get, list, watch, create, patch, delete |
//! | `kafka.strimzi.io` | `kafkatopics` | get, create, patch, delete (in the namespace of the Kafka that the spec names) |
//! | core | `pods` | list, watch |
//! | core | `secrets` | get, list, watch (metadata only; those that the spec names are read), create, update (tokens) |
//! | `events.k8s.io` | `events` | create, patch |
//! | `coordination.k8s.io` | `leases` | get, create, update (in its own namespace) |
//!
//! With a list of namespaces all of it is needed in those alone, by Roles.

mod applied;
mod apply;
pub mod backoff;
mod cache;
mod cancellation_tokens;
mod conditions;
mod context;
mod deletion;
mod dereference;
mod diff;
mod error;
mod events;
mod live;
mod migration;
mod obstacle;
mod pack;
mod pods;
mod prune;
mod queue;
mod reconcile;
mod report;
mod rollout;
mod served;
pub(crate) mod server_side_apply;
mod status;
mod topics;
mod trim;
mod validate;
mod wake;
mod wording;

/// What the steps decide, without doing it: for those who want to know what a reconciliation would do, and why.
pub mod decisions {
    pub use super::{
        apply::{Failure, admit, replicas_to_hand_over},
        dereference::{kafka_credentials, known_databases},
        diff::{Difference, difference},
        error::words,
        migration::is_outdated,
        obstacle::Obstacle,
        pods::{failure_of, is_ready, trouble},
        prune::is_surplus,
        rollout::roll_back,
        served::is_served,
    };
}

use std::{convert::Infallible, sync::Arc};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, join, join_all, pending, ready},
};
use kube::Client;
use kube_runtime::{
    controller::{Action, Config, Error as ControllerError, ReconcileRequest, applier},
    events::Reporter,
    reflector::ObjectRef,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, info};

pub use crate::kafka::connection::THREADS as KAFKA_THREADS;
pub use conditions::Conditions;
pub use error::Error;

use self::{
    context::Context,
    events::Events,
    live::{Guarded, Live},
};
use crate::{fence::Fence, kafka::connection::Clients, metrics};

/// Platforms that are reconciled at the same time, in each scope.
const CONCURRENCY: u16 = 8;
/// The name that events and leases carry.
pub const NAME: &str = "foodplatform-operator";

/// Reconciles all platforms of the namespaces (none named: of all namespaces) until `stop`. Then it takes nothing new,
/// ends what it has begun, and returns. `synced` is called once the caches are filled. `conditions` gets to know the platforms.
///
/// The fence is that of the client, for what goes to Kafka.
pub async fn run(
    client: Client,
    fence: Fence,
    namespaces: &[String],
    instance: Option<String>,
    conditions: &Conditions,
    stop: CancellationToken,
    synced: impl Fn(),
) {
    let scopes: Vec<Option<String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let reporter = Reporter { controller: NAME.to_owned(), instance };
    // All namespaces take turns.
    let kafka = Arc::new(Clients::new(fence));
    let mut ready = Vec::new();
    let mut runs = Vec::new();
    for scope in scopes {
        let (wake, woken) = mpsc::unbounded_channel();
        let (live, watches) = Live::watch(&client, scope.as_deref(), &wake);
        conditions.add(live.platforms.clone());
        let events = Events::new(client.clone(), reporter.clone());
        let kafka = Arc::clone(&kafka);
        let context = Arc::new(Context::new(client.clone(), kafka, live.clone(), wake, events));
        ready.push(live.clone());
        runs.push(run_scope(context, live, woken, watches, stop.clone()));
    }
    let tell = async {
        join_all(ready.iter().map(Live::synced)).await;
        info!("the caches are filled");
        synced();
    };
    tokio::select! {
        _ = join(join_all(runs), tell) => {}
        // Without caches there is nothing to end.
        () = stop_before_synced(&stop, &ready) => {}
    }
}

/// Resolves when it is time to stop while the caches are still being filled.
async fn stop_before_synced(stop: &CancellationToken, caches: &[Live]) {
    let synced = join_all(caches.iter().map(Live::synced));
    tokio::select! {
        biased;
        _ = synced => pending().await,
        () = stop.cancelled() => {}
    }
}

async fn run_scope(
    context: Arc<Context>,
    live: Live,
    woken: mpsc::UnboundedReceiver<ObjectRef<Guarded>>,
    watches: BoxFuture<'static, ()>,
    stop: CancellationToken,
) {
    let queue = queue::gathered(woken)
        .map(|platform| Ok::<_, Infallible>(ReconcileRequest::from(platform)))
        .take_until(stop.cancelled_owned());
    let store = live.platforms.clone();
    let reconciliations = async {
        // A cache that isn't filled yet would look like children that are missing.
        live.synced().await;
        applier(
            |platform, context| spawned(platform, context).boxed(),
            reconcile::retry,
            Arc::clone(&context),
            store,
            queue.boxed(),
            Config::default().concurrency(CONCURRENCY),
        )
        .for_each(|result| {
            tell(&context, result);
            ready(())
        })
        .await;
    };
    tokio::select! {
        () = reconciliations => {}
        // It never ends; without it nothing would be seen any more.
        () = watches => error!("the watches ended"),
    }
}

/// A reconciliation in a task of its own: a panic is an error of one platform, and no more.
async fn spawned(platform: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let task = tokio::spawn(reconcile::reconcile(platform, context).in_current_span());
    let result = task.await.unwrap_or_else(|error| Err(Error::Panicked(error.to_string())));
    metrics::reconciled(started.elapsed(), result.as_ref().err().map(Error::step));
    result
}

fn tell(context: &Context, result: Result<(ObjectRef<Guarded>, Action), ControllerError<Error, Infallible>>) {
    match result {
        Ok((platform, action)) => debug!(%platform, ?action, "reconciled"),
        // It was deleted between the event and now.
        Err(ControllerError::ObjectNotFound(platform)) => {
            debug!(%platform, "is gone");
            context.sweep();
        }
        Err(ControllerError::ReconcilerFailed(error, platform)) if error.is_stale() => {
            debug!(%platform, %error, "changed under our hands");
        }
        Err(ControllerError::ReconcilerFailed(error, platform)) => {
            error!(%platform, step = error.step(), %error, "the reconciliation failed and is repeated");
        }
        Err(other) => error!(error = %other, "the controller failed"),
    }
}
