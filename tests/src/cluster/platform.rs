//! One FoodPlatform, by its spec, its status and its labels.

use std::time::Duration;

use contract::Topic;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::Cluster;
use crate::{process::Service, wait};

/// How long a platform may take to become what its spec says: images are there, pods start in seconds.
pub const READY: Duration = Duration::from_secs(180);

/// A condition of the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// A FoodPlatform in the cluster.
#[derive(Clone)]
pub struct Platform {
    /// The cluster.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Platform {
    /// The platform of that name.
    pub fn new(cluster: Cluster, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { cluster, namespace: namespace.into(), name: name.into() }
    }

    /// Its API.
    pub fn api(&self) -> Api<DynamicObject> {
        self.cluster.platforms(&self.namespace)
    }

    /// It as it is now, as JSON.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn try_get(&self) -> Result<Value, String> {
        let object = self.api().get(&self.name).await.map_err(|error| error.to_string())?;
        Ok(object.data)
    }

    /// It as it is now, as JSON.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn get(&self) -> Value {
        self.try_get().await.unwrap_or_else(|error| panic!("FoodPlatform {}: {error}", self.name))
    }

    /// Applies `spec` as `kubectl apply --server-side` does.
    ///
    /// # Errors
    /// The API server's message.
    pub async fn apply(&self, spec: &Value) -> Result<(), String> {
        let object = json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "spec": spec,
        });
        let parameters = PatchParams::apply("tests").force();
        let result = self.api().patch(&self.name, &parameters, &Patch::Apply(&object)).await;
        result.map(drop).map_err(|error| error.to_string())
    }

    /// Waits until the operator has seen the newest spec and a condition satisfies `holds`.
    pub async fn until_condition(&self, kind: &str, holds: impl Fn(&Condition) -> bool) -> Condition {
        wait::until(&format!("condition {kind} of {}", self.name), READY, async || {
            let object = self.api().get(&self.name).await.map_err(|error| error.to_string())?;
            let status = &object.data["status"];
            if status["observedGeneration"].as_i64() != object.metadata.generation {
                return Err(format!("generation {:?}, status {status}", object.metadata.generation));
            }
            let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let condition = conditions.iter().find(|condition| condition["type"] == kind);
            let text = |field: &str| condition.and_then(|found| found[field].as_str()).unwrap_or_default().to_owned();
            let condition = Condition { status: text("status"), reason: text("reason"), message: text("message") };
            if holds(&condition) { Ok(condition) } else { Err(format!("{conditions:?}")) }
        })
        .await
    }

    /// Waits until it is Ready.
    pub async fn until_ready(&self) {
        self.until_condition("Ready", |condition| condition.status == "True").await;
    }

    /// The label selector that finds all of its children.
    pub fn selector(&self) -> String {
        format!("app.kubernetes.io/part-of={}", self.name)
    }

    /// The label selector that finds the children of one service.
    pub fn selector_of(&self, service: Service) -> String {
        format!("{},app.kubernetes.io/name={service}", self.selector())
    }

    /// The name of a service's children.
    pub fn child(&self, service: Service) -> String {
        format!("{}-{service}", self.name)
    }

    /// The names of the children of those services, sorted, each with `suffix`.
    pub fn children<'a>(&self, services: impl IntoIterator<Item = &'a Service>, suffix: &str) -> Vec<String> {
        let mut names: Vec<_> =
            services.into_iter().map(|service| format!("{}{suffix}", self.child(*service))).collect();
        names.sort();
        names
    }

    /// The prefix of its topics, by its spec or by default.
    pub fn prefix(&self, spec: &Value) -> String {
        let default = || format!("{}.{}.", self.namespace, self.name);
        spec["kafka"]["topicPrefix"].as_str().map_or_else(default, str::to_owned)
    }

    /// The partitions that the spec asks for, by topic.
    pub fn partitions(spec: &Value, topic: Topic) -> i64 {
        let field = if topic == Topic::OrderRequests { "orderRequests" } else { topic.as_str() };
        let kafka = &spec["kafka"];
        let own = kafka["topics"][field]["partitions"].as_i64();
        own.or_else(|| kafka["topicDefaults"]["partitions"].as_i64()).unwrap_or(12)
    }
}
