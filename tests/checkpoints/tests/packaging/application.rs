//! An Application of Argo CD, as `kubectl get application` shows it.

use std::sync::{Arc, Mutex};

use ::tests::{cluster::Cluster, wait};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::argo_cd::NAMESPACE;

/// See the module.
#[derive(Clone)]
pub(crate) struct Application {
    api: Api<DynamicObject>,
    name: String,
}

/// How an Application stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The commit that it was last compared with.
    pub(crate) revision: String,
    /// `Synced` or `OutOfSync`.
    pub(crate) sync: String,
    pub(crate) health: String,
    /// What is said of those of its objects that are not healthy.
    pub(crate) messages: Vec<String>,
    /// When it last began to make the cluster so, and what has come of it.
    pub(crate) operation: (String, String),
    /// How often it has.
    pub(crate) deployments: i64,
}

impl Application {
    pub(crate) fn new(cluster: &Cluster, name: &str) -> Self {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application"));
        Self { api: cluster.dynamic(NAMESPACE, &kind), name: name.to_owned() }
    }

    /// Makes it: of a directory of a repository's branch main, made so in a namespace whenever it isn't, and gone with all that
    /// it has made.
    pub(crate) async fn create(&self, repository: &str, path: &str, namespace: &str) {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": self.name, "finalizers": ["resources-finalizer.argocd.argoproj.io"] },
            "spec": {
                "project": "default",
                "source": { "repoURL": repository, "path": path, "targetRevision": "main" },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": namespace },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "syncOptions": ["ServerSideApply=true"] },
            },
        });
        let parameters = PatchParams::apply("tests").force();
        self.api.patch(&self.name, &parameters, &Patch::Apply(&object)).await.unwrap();
    }

    /// Has Argo CD look at the repository, as a webhook of its host would, not after some minutes.
    pub(crate) async fn refresh(&self) {
        let patch = json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "normal" } } });
        self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Asks for its deletion.
    pub(crate) async fn delete(&self) {
        self.api.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until it is gone.
    pub(crate) async fn until_gone(&self) {
        ::tests::cluster::until_gone(&self.api, &self.name).await;
    }

    /// How it stands.
    pub(crate) async fn state(&self) -> Result<State, String> {
        let object = self.api.get(&self.name).await.map_err(|error| error.to_string())?;
        Ok(State::of(&object.data["status"]))
    }

    /// Waits until it stands in a way.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> State {
        wait::until(&format!("Application {}: {what}", self.name), ::tests::cluster::READY, async || {
            let state = self.state().await?;
            if holds(&state) { Ok(state) } else { Err(format!("{state:?}")) }
        })
        .await
    }

    /// Waits until the cluster is as a commit says, and all of it healthy.
    pub(crate) async fn until_done(&self, revision: &str) -> State {
        self.until(&format!("{revision} Synced and Healthy"), |state| state.is_done(revision)).await
    }

    /// Keeps each way in which it stands from now on.
    pub(crate) fn watch(&self) -> Watch {
        let states = Arc::new(Mutex::new(vec![]));
        let (application, into) = (self.clone(), Arc::clone(&states));
        let task = tokio::spawn(async move {
            loop {
                if let Ok(state) = application.state().await {
                    let mut states = into.lock().unwrap();
                    if states.last() != Some(&state) {
                        states.push(state);
                    }
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        Watch { states, _task: AbortOnDropHandle::new(task) }
    }
}

impl State {
    /// What `.status` says.
    pub(crate) fn of(status: &Value) -> Self {
        let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let resources = status["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
        let messages = resources.iter().filter(|resource| resource["health"]["status"] != "Healthy");
        Self {
            revision: text("/sync/revision"),
            sync: text("/sync/status"),
            health: text("/health/status"),
            messages: messages
                .filter_map(|resource| resource["health"]["message"].as_str().map(str::to_owned))
                .collect(),
            operation: (text("/operationState/startedAt"), text("/operationState/phase")),
            deployments: status["history"]
                .as_array()
                .and_then(|history| history.last()?["id"].as_i64())
                .map_or(0, |id| id + 1),
        }
    }

    pub(crate) fn is_done(&self, revision: &str) -> bool {
        (&*self.revision, &*self.sync, &*self.health, &*self.operation.1)
            == (revision, "Synced", "Healthy", "Succeeded")
    }
}

/// The ways in which an Application stood, one after the other.
pub(crate) struct Watch {
    states: Arc<Mutex<Vec<State>>>,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// What was seen so far.
    pub(crate) fn seen(&self) -> Vec<State> {
        self.states.lock().unwrap().clone()
    }
}
