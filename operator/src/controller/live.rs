//! What lives in the cluster, kept up to date by watches, so that a reconciliation reads from memory.

use std::{collections::HashMap, fmt::Debug, hash::Hash, pin::pin, sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, join, join_all, join3, pending, select_all},
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1 as core};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    core::DeserializeGuard,
};
use kube_runtime::{
    WatchStreamExt as _,
    reflector::{ObjectRef, Store, store::Writer},
    watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{
    cache::Cache,
    pack::{Packed, Packer, version},
    served, trim,
    wake::{Wake, by_itself, by_label, by_reference},
};
use crate::{
    api::FoodPlatform,
    build::{self, labels},
};

/// A platform, or the reason why it can't be read: one that can't must not hide the others.
pub(super) type Guarded = DeserializeGuard<FoodPlatform>;

/// How long a write may take to come back by its watch.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Objects of one page of a list: all of it is in memory at once, for each kind.
const PAGE: u32 = 100;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Live {
    /// The platforms themselves.
    pub platforms: Store<Guarded>,
    children: Arc<HashMap<String, Children>>,
    pods: Arc<Cache<Arc<core::Pod>>>,
    secrets: Store<PartialObjectMeta<core::Secret>>,
    /// Told of each event of the platforms.
    platforms_changed: watch::Sender<()>,
    filled: watch::Receiver<bool>,
}

/// What lives of one kind of child.
struct Children {
    resource: ApiResource,
    cache: Arc<Cache<Packed>>,
    /// Whether the cluster has the kind; `None` until that is known.
    is_served: watch::Receiver<Option<bool>>,
}

impl Children {
    /// Waits until the cache is filled, or is known to stay empty for now.
    async fn filled(&self) {
        let mut is_served = self.is_served.clone();
        let absent = async {
            if is_served.wait_for(|is_served| *is_served == Some(false)).await.is_err() {
                // It is not asked any more.
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.cache.filled() => {}
            () = absent => {}
        }
    }
}

impl Live {
    /// Starts to watch `namespace` (`None`: all of them), which keeps the caches up to date and wakes platforms up. The
    /// future ends only when a watch does, which is a bug of ours; with the future all watches end.
    pub(super) fn watch(client: &Client, namespace: Option<&str>, wake: &Wake) -> (Self, BoxFuture<'static, ()>) {
        let mut tasks: Vec<BoxFuture<'static, ()>> = Vec::new();

        let watched = Watched { namespace };
        let all = watcher::Config::default().page_size(PAGE);
        let ours = all.clone().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
        // Tokens and Helm's releases are most of a cluster's Secrets, and none of them holds a database's URL.
        let plain = all.clone().fields("type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1");

        let platforms_changed = watch::Sender::new(());
        let (platforms, task) = {
            let (mut tell, changed) = (by_itself(wake), platforms_changed.clone());
            watched.store(watched.api(client), all, (), trim::platform, move |event| {
                changed.send_replace(());
                tell(event);
            })
        };
        tasks.push(task);

        let mut children = HashMap::new();
        let kinds = build::kinds().into_iter().map(|resource| (resource, false));
        for (resource, is_optional) in kinds.chain(build::optional_kinds().into_iter().map(|kind| (kind, true))) {
            let api = match namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let wake = by_label(wake, &platforms);
            let packer = Packer::default();
            let keep = move |child: &DynamicObject| packer.pack(child);
            let (cache, task) = watched.cache(api, ours.clone(), resource.clone(), trim::child, keep, wake);
            let (served, is_served) = watch::channel(if is_optional { None } else { Some(true) });
            tasks.push(match is_optional {
                true => {
                    let filled = Arc::clone(&cache);
                    let filled = async move { filled.filled().await };
                    served::watch(client.clone(), resource.clone(), served, task, filled).boxed()
                }
                false => task,
            });
            children.insert(resource.kind.clone(), Children { resource, cache, is_served });
        }

        let keep = |pod: &core::Pod| Arc::new(pod.clone());
        let (pods, task) = watched.cache(watched.api(client), ours, (), trim::pod, keep, by_label(wake, &platforms));
        tasks.push(task);

        let wake = by_reference(wake, &platforms);
        let (secrets, task) = watched.store(watched.api(client), plain, (), trim::secret, wake);
        tasks.push(task);

        let (fills, filled) = watch::channel(false);
        let live = Self { platforms, children: Arc::new(children), pods, secrets, platforms_changed, filled };
        tasks.push(live.fill(fills).then(|()| pending()).boxed());
        // Each by itself, for what they tell has to be decoded, and writes wait for it.
        let tasks = tasks.into_iter().map(|task| AbortOnDropHandle::new(tokio::spawn(task)));
        (live, select_all(tasks.collect::<Vec<_>>()).map(drop).boxed())
    }

    /// Waits until every cache is filled.
    pub(super) async fn synced(&self) {
        if self.filled.clone().wait_for(|filled| *filled).await.is_err() {
            // The watches have ended, and with them all waiting.
            pending::<()>().await;
        }
    }

    /// What [`Live::synced`] waits for. A store wakes up only the last one who waits for it, so that only one may.
    fn fill(&self, filled: watch::Sender<bool>) -> BoxFuture<'static, ()> {
        let stores = self.clone();
        async move {
            let others =
                join3(stores.platforms.wait_until_ready(), stores.secrets.wait_until_ready(), stores.pods.filled());
            let children = join_all(stores.children.values().map(Children::filled));
            let (_, (platforms, secrets, ())) = join(children, others).await;
            // A writer that is gone means that the watches are, and then nothing goes on.
            if platforms.is_ok() && secrets.is_ok() {
                filled.send_replace(true);
            }
        }
        .boxed()
    }

    /// The child of that kind and name, when it carries our label.
    pub(super) fn child(&self, kind: &str, namespace: &str, name: &str) -> Option<DynamicObject> {
        self.children.get(kind)?.cache.get(namespace, name)?.unpack()
    }

    /// Its version.
    pub(super) fn version(&self, kind: &str, namespace: &str, name: &str) -> Option<u64> {
        self.children.get(kind)?.cache.get(namespace, name)?.version
    }

    /// Everything of a kind that carries the platform's label and whose name is `wanted`, with its kind.
    pub(super) fn children_of(
        &self,
        namespace: &str,
        platform: &str,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Vec<(ApiResource, DynamicObject)> {
        let of = |Children { resource, cache, .. }: &Children| -> Vec<_> {
            let wanted = cache.of(namespace, platform).into_iter().filter(|(name, _)| wanted(&resource.kind, name));
            wanted.filter_map(|(_, object)| Some((resource.clone(), object.unpack()?))).collect()
        };
        self.children.values().flat_map(of).collect()
    }

    /// The platform's pods, those of its Jobs among them.
    pub(super) fn pods_of(&self, namespace: &str, platform: &str) -> Vec<Arc<core::Pod>> {
        self.pods.of(namespace, platform).into_iter().map(|(_, pod)| pod).collect()
    }

    /// The resourceVersion of a Secret, when it is there.
    pub(super) fn secret_version(&self, namespace: &str, name: &str) -> Option<String> {
        self.secrets.get(&ObjectRef::new(name).within(namespace))?.resource_version()
    }

    /// Waits until the cache has what was just written, so that the next reconciliation doesn't act on the past. Gives
    /// up after a while: the object may have been deleted again.
    pub(super) async fn catch_up(&self, kind: &str, written: &DynamicObject) {
        let (Some(namespace), Some(version)) = (written.namespace(), version(written)) else { return };
        let Some(Children { cache, .. }) = self.children.get(kind) else { return };
        let name = written.name_any();
        let has_come = || cache.get(&namespace, &name).and_then(|object| object.version) >= Some(version);
        until(cache.changes(), has_come).await;
    }

    /// The same for a platform's status.
    pub(super) async fn catch_up_platform(&self, written: &DynamicObject) {
        let Some(version) = version(written) else { return };
        let key = ObjectRef::new(&written.name_any()).within(&written.namespace().unwrap_or_default());
        let has_come = || self.platforms.get(&key).and_then(|o| self::version(o.as_ref())) >= Some(version);
        until(self.platforms_changed.subscribe(), has_come).await;
    }
}

/// Waits until that is so, looking after each of the changes, but not for ever: the next event shows what became of it.
async fn until(mut changes: watch::Receiver<()>, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    // Out of time.
    let _ = tokio::time::timeout(CATCH_UP, wait).await;
}

struct Watched<'a> {
    namespace: Option<&'a str>,
}

impl Watched<'_> {
    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    /// One watch with a store.
    fn store<K>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        kind: K::DynamicType,
        trim: fn(&mut K),
        wake: impl FnMut(&Event<K>) + Send + 'static,
    ) -> (Store<K>, BoxFuture<'static, ()>)
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        K::DynamicType: Clone + Debug + Eq + Hash + Send + Sync,
    {
        let what = K::kind(&kind).into_owned();
        let mut writer = Writer::new(kind);
        let store = writer.as_reader();
        (store, follow(api, config, what, trim, move |event| writer.apply_watcher_event(event), wake))
    }

    /// One watch with a cache that keeps of an object what `keep` says.
    fn cache<K, T>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        kind: K::DynamicType,
        trim: fn(&mut K),
        keep: impl Fn(&K) -> T + Send + 'static,
        wake: impl FnMut(&Event<K>) + Send + 'static,
    ) -> (Arc<Cache<T>>, BoxFuture<'static, ()>)
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        K::DynamicType: Clone,
        T: Clone + Send + Sync + 'static,
    {
        let cache = Arc::new(Cache::default());
        let kept = Arc::clone(&cache);
        let what = K::kind(&kind).into_owned();
        (cache, follow(api, config, what, trim, move |event| kept.take_in(event, &keep), wake))
    }
}

/// One watch, each of whose events is taken in and then told. A watch that fails is logged and started again after a
/// while, by itself: it doesn't hold up the others.
fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    what: String,
    trim: fn(&mut K),
    mut take_in: impl FnMut(&Event<K>) + Send + 'static,
    mut wake: impl FnMut(&Event<K>) + Send + 'static,
) -> BoxFuture<'static, ()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let events = kube_runtime::watcher(api, config).modify(trim).default_backoff();
    async move {
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    take_in(&event);
                    wake(&event);
                }
                Err(error) => {
                    warn!(kind = what, error = %chain(&error), "the watch broke off and is started again")
                }
            }
        }
    }
    .boxed()
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
