//! A cluster in which what examples want is there, and an operator that looks after all of their namespaces.

use std::{collections::BTreeSet, fmt::Debug, path::PathBuf, sync::Mutex, time::Duration};

use foodplatform_operator::{
    api::{FoodPlatform, condition::READY},
    controller::{self, Conditions},
    fence::Fence,
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, ValidationDirective},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::Example;
use crate::{
    definitions,
    kubelet::{self, Fate},
    strimzi,
    world::{client, database_url, eventually, install_definition, is, is_current, kafka},
};

pub(super) struct Cluster {
    client: Client,
    namespaces: BTreeSet<String>,
    /// What nodes would do, and Strimzi.
    others: Vec<JoinHandle<()>>,
    /// Kept, for those would end with it.
    _fate: watch::Sender<Fate>,
    operator: JoinHandle<()>,
    stop: CancellationToken,
}

impl Cluster {
    /// With the namespaces that examples want, and the kinds.
    pub(super) async fn start(examples: &[Example]) -> Self {
        let client = client().await;
        install_definition(&client).await;
        let documents = || examples.iter().flat_map(|example| &example.documents);
        for document in documents() {
            if let Some(group) = group_of_others(document) {
                let kind = document["kind"].as_str().unwrap().to_lowercase();
                definitions::install(&client, &format!("{kind}s.{group}")).await;
            }
        }
        // What the operator makes of them.
        definitions::install(&client, "kafkatopics.kafka.strimzi.io").await;
        crate::ways_in::install_destination_rules(&client).await;

        let named = documents().filter_map(|document| document["metadata"]["namespace"].as_str().map(str::to_owned));
        let namespaces: BTreeSet<String> = named.collect();
        for name in &namespaces {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            apply(&client, &namespace, false).await.unwrap();
        }
        let (fate, stop) = (watch::Sender::new(Fate::Work), CancellationToken::new());
        let kubelets = namespaces
            .iter()
            .map(|namespace| tokio::spawn(kubelet::run(client.clone(), namespace.clone(), fate.subscribe())));
        let topics = Api::namespaced_with(client.clone(), "food-strimzi", &strimzi::kind());
        let others = kubelets.chain([tokio::spawn(strimzi::operate(topics))]).collect();
        let scope: Vec<_> = namespaces.iter().cloned().collect();
        let (its_client, its_stop) = (client.clone(), stop.clone());
        let operator = tokio::spawn(async move {
            let (identity, conditions) = (Some("test".into()), Conditions::default());
            controller::run(its_client, Fence::open(), &scope, identity, &conditions, its_stop, || {}).await;
        });
        Self { client, namespaces, others, _fate: fate, operator, stop }
    }

    /// The API server takes every document of them, with no field that it doesn't know.
    pub(super) async fn takes_as_they_stand(&self, examples: &[Example]) {
        for example in examples {
            for document in &example.documents {
                let taken = apply(&self.client, &in_known_version(document), true).await;
                assert!(taken.is_ok(), "{}: {}", example.file, taken.unwrap_err());
            }
        }
    }

    /// Applies them, but for where Kafka and the database are and what is shown to them.
    pub(super) async fn apply(&self, examples: &[Example]) {
        for example in examples {
            for document in &example.documents {
                let document = at_home(&in_known_version(document));
                for secret in secrets(&document) {
                    apply(&self.client, &secret, false).await.unwrap();
                }
                let taken = apply(&self.client, &document, false).await;
                assert!(taken.is_ok(), "{}: {}", example.file, taken.unwrap_err());
            }
        }
    }

    /// Waits until a platform is ready.
    pub(super) async fn ready(&self, namespace: &str, name: &str) {
        let platforms: Api<FoodPlatform> = Api::namespaced(self.client.clone(), namespace);
        let last = Mutex::new(None);
        let what = format!("{namespace}/{name} to be ready");
        let seen = eventually(&what, || async {
            let platform = platforms.get(name).await.unwrap();
            let is_ready = is_current(&platform) && is(&platform, READY, "True", "Ready");
            *last.lock().unwrap() = platform.status;
            is_ready.then_some(())
        });
        if tokio::time::timeout(Duration::from_secs(55), seen).await.is_err() {
            panic!("{namespace}/{name} is not ready: {:#?}", last.lock().unwrap());
        }
    }

    pub(super) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What the operator has made of a kind for a platform, by name.
    pub(super) async fn children<K>(&self, namespace: &str, platform: &str) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let ours = format!("app.kubernetes.io/managed-by=foodplatform-operator,app.kubernetes.io/part-of={platform}");
        let mut list = self.api::<K>(namespace).list(&ListParams::default().labels(&ours)).await.unwrap().items;
        list.sort_by_key(kube::ResourceExt::name_any);
        list
    }

    /// What is there of a kind of others.
    pub(super) async fn others(&self, namespace: &str, api_version: &str, kind: &str) -> Vec<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap();
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind);
        api.list(&ListParams::default()).await.unwrap().items
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.operator.await.unwrap();
        self.others.iter().for_each(JoinHandle::abort);
        let namespaces: Api<Namespace> = Api::all(self.client);
        for name in &self.namespaces {
            namespaces.delete(name, &DeleteParams::background()).await.unwrap();
        }
    }
}

/// The group of a kind that neither Kubernetes nor we define.
fn group_of_others(document: &Value) -> Option<&str> {
    let (group, _) = document["apiVersion"].as_str()?.split_once('/')?;
    let is_kubernetes_own = !group.contains('.') || group.ends_with(".k8s.io");
    (!is_kubernetes_own && group != "foodplatform.dev").then_some(group)
}

/// Strimzi's generator is published for versions whose kinds were `v1beta2` only; what examples say is the same in both.
fn in_known_version(document: &Value) -> Value {
    let mut document = document.clone();
    if document["apiVersion"] == "kafka.strimzi.io/v1" {
        document["apiVersion"] = json!("kafka.strimzi.io/v1beta2");
    }
    document
}

async fn apply(client: &Client, document: &Value, dry_run: bool) -> kube::Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(document.clone()).unwrap();
    let types = object.types.as_ref().unwrap();
    let (kind, capabilities) = discovery::pinned_kind(client, &GroupVersionKind::try_from(types).unwrap()).await?;
    let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &kind),
        (Scope::Namespaced, namespace) => {
            Api::namespaced_with(client.clone(), &namespace.expect("it says its namespace"), &kind)
        }
    };
    let parameters = PatchParams {
        dry_run,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("example").force()
    };
    api.patch(&object.name_any(), &parameters, &Patch::Apply(document)).await
}

/// The document with the tests' Kafka and database in the place of its own.
fn at_home(document: &Value) -> Value {
    let mut document = document.clone();
    if document["kind"] == "Secret" && document["stringData"].get("url").is_some() {
        document["stringData"]["url"] = json!(database_url());
    }
    if document["kind"] != "FoodPlatform" {
        return document;
    }
    let kafka_spec = &mut document["spec"]["kafka"];
    if kafka_spec.get("tls").is_some() {
        kafka_spec["bootstrapServers"] = json!(variable("TEST_KAFKA_SECURE"));
        // It asks for a certificate as well.
        kafka_spec["tls"]["clientSecretRef"] = json!({ "name": "kafka-client" });
    } else {
        kafka_spec["bootstrapServers"] = json!(kafka());
    }
    if kafka_spec.pointer("/sasl/username").is_some() {
        kafka_spec["sasl"]["username"] = json!(variable("TEST_KAFKA_USERNAME"));
    }
    // There is one broker.
    if let Some(factor) = kafka_spec.pointer_mut("/topicDefaults/replicationFactor") {
        *factor = json!(1);
    }
    document
}

/// The Secrets that a platform names.
fn secrets(document: &Value) -> Vec<Value> {
    let certificates = PathBuf::from(variable("TEST_KAFKA_CERTIFICATES"));
    let file = |name: &str| std::fs::read_to_string(certificates.join(name)).unwrap();
    let of = |pointer: &str, data: Value| {
        let name = document.pointer(&format!("/spec/{pointer}/name"))?.as_str()?;
        let metadata = json!({ "name": name, "namespace": document["metadata"]["namespace"] });
        Some(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }))
    };
    let user = json!({ "username": variable("TEST_KAFKA_USERNAME"), "password": variable("TEST_KAFKA_PASSWORD") });
    [
        of("database/secretRef", json!({ "url": database_url() })),
        of("database/caSecretRef", json!({ "ca.crt": file("ca.crt") })),
        of("kafka/tls/caSecretRef", json!({ "ca.crt": file("ca.crt") })),
        of("kafka/tls/clientSecretRef", json!({ "tls.crt": file("client.crt"), "tls.key": file("client.key") })),
        of("kafka/sasl/secretRef", user),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is about the tests' Kafka: run them by cargo xtask test"))
}
