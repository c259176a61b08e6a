//! What all reconciliations share.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject},
};
use kube_runtime::reflector::ObjectRef;

use super::{
    applied::Applied,
    cancellation_tokens,
    dereference::Secrets,
    error::{Error, Step},
    events::{Changes, Events},
    live::Live,
    wake::Wake,
    wording::Wordings,
};
use crate::{
    build::Platform,
    database::DatabaseWatch,
    kafka::{connection::Clients, deletions::TopicDeletions, keeper::TopicKeeper},
    sync::lock,
};

/// For one request to the API server, retries included. Watches have their own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// What all reconciliations share.
pub(super) struct Context {
    /// The API server.
    pub client: Client,
    /// What lives in the cluster.
    pub live: Live,
    /// Asks for a reconciliation.
    pub wake: Wake,
    /// Checks topics.
    pub topics: Arc<TopicKeeper>,
    /// Deletes topics.
    pub topic_deletions: Arc<TopicDeletions>,
    /// Asks whether databases answer.
    pub databases: DatabaseWatch,
    /// Writes events.
    pub events: Events,
    /// What was read of Secrets.
    pub secrets: Secrets,
    /// Which tokens between order and cook are known to be good.
    pub cancellation_tokens: cancellation_tokens::Known,
    /// What was applied last.
    pub applied: Applied,
    /// In which words is told what goes wrong.
    pub wordings: Wordings,
    /// How often in a row each platform's reconciliation left something to be done, by uid.
    failures: Mutex<HashMap<String, u32>>,
    /// What a platform's last reconciliation changed and left to the next to tell, by uid.
    untold: Mutex<HashMap<String, Changes>>,
}

impl Context {
    /// A context with nothing remembered.
    #[must_use]
    pub(super) fn new(client: Client, kafka: Arc<Clients>, live: Live, wake: Wake, events: Events) -> Self {
        Self {
            topics: Arc::new(TopicKeeper::new(client.clone(), Arc::clone(&kafka))),
            topic_deletions: Arc::new(TopicDeletions::new(kafka)),
            client,
            live,
            wake,
            databases: DatabaseWatch::default(),
            events,
            secrets: Secrets::default(),
            cancellation_tokens: cancellation_tokens::Known::default(),
            applied: Applied::default(),
            wordings: Wordings::default(),
            failures: Mutex::default(),
            untold: Mutex::default(),
        }
    }

    /// The API of a kind in a namespace.
    pub(super) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The same for a kind that is only known at run time.
    pub(super) fn dynamic_api(&self, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    /// Asks for a reconciliation of `platform` when it is called.
    pub(super) fn waker(&self, platform: &Platform) -> impl Fn() + Send + Sync + 'static {
        let wake = self.wake.clone();
        let reference = ObjectRef::new(&platform.name).within(&platform.namespace);
        move || {
            // The controller is about to stop when nobody listens any more.
            let _ = wake.send(reference.clone());
        }
    }

    /// One more reconciliation of this platform left something to be done; how many there were before it.
    pub(super) fn failed(&self, uid: &str) -> u32 {
        let mut failures = lock(&self.failures);
        let count = failures.entry(uid.to_owned()).or_default();
        let before = *count;
        *count = count.saturating_add(1);
        before
    }

    /// How many reconciliations of this platform in a row have left something to be done.
    pub(super) fn failures(&self, uid: &str) -> u32 {
        lock(&self.failures).get(uid).copied().unwrap_or_default()
    }

    /// The reconciliation did all of its work.
    pub(super) fn succeeded(&self, uid: &str) {
        lock(&self.failures).remove(uid);
    }

    /// Leaves it to the platform's next reconciliation to tell what this one has changed.
    pub(super) fn leave_untold(&self, uid: &str, changes: Changes) {
        lock(&self.untold).insert(uid.to_owned(), changes);
    }

    /// What the platform's last reconciliation has left to tell.
    pub(super) fn take_untold(&self, uid: &str) -> Option<Changes> {
        lock(&self.untold).remove(uid)
    }

    /// Forgets all platforms that are gone.
    pub(super) fn sweep(&self) {
        let there: HashSet<String> = self.live.platforms.state().iter().filter_map(|platform| platform.uid()).collect();
        let is_there = |uid: &str| there.contains(uid);
        lock(&self.failures).retain(|uid, _| is_there(uid));
        lock(&self.untold).retain(|uid, _| is_there(uid));
        self.events.retain(is_there);
        self.topics.retain(is_there);
        self.topic_deletions.retain(is_there);
        self.databases.retain(is_there);
        self.applied.retain(is_there);
        self.wordings.retain(is_there);
        self.secrets.retain(is_there);
        self.cancellation_tokens.retain(is_there);
    }
}

/// Sends one request, with a time-out.
pub(super) async fn request<T>(
    step: Step,
    what: impl FnOnce() -> String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Request { step, what: what(), source: Box::new(source) }),
        Err(_) => Err(Error::TimedOut { step, what: what() }),
    }
}
