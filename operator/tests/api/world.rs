//! A namespace with an operator that looks after it.

use std::{
    fmt::Debug,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use foodplatform_operator::{
    api::{FoodPlatform, condition},
    client,
    controller::{self, Conditions},
    crd_yaml,
    fence::Fence,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Event, Namespace, Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use scopeguard::guard;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{OnceCell, watch},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    interference::Interference,
    kstatus::Seen,
    kubelet::{self, Fate},
    panics,
};

/// For anything that has to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace with an operator that looks after it, and what nodes would do to its pods.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    seen: Seen,
    fate: watch::Sender<Fate>,
    stop: CancellationToken,
    operator: JoinHandle<()>,
    kubelet: JoinHandle<()>,
}

impl World {
    /// Starts it, with the Secret of the database in it.
    pub(crate) async fn start(name: &str) -> Self {
        let world = Self::without_secret(name).await;
        world.secret("url").await;
        world
    }

    /// Starts it without that Secret.
    pub(crate) async fn without_secret(name: &str) -> Self {
        Self::with_operator(name, |client, scope, stop| {
            tokio::spawn(async move {
                controller::run(client, Fence::open(), &scope, Some("test".into()), &Conditions::default(), stop, || {})
                    .await
            })
        })
        .await
    }

    /// Starts it without an operator: the test brings its own.
    pub(crate) async fn unattended(name: &str) -> Self {
        let world = Self::with_operator(name, |_, _, stop| tokio::spawn(stop.cancelled_owned())).await;
        world.secret("url").await;
        world
    }

    /// Starts it with an operator that something comes between; one that ends is followed by another.
    pub(crate) async fn disturbed(name: &str, interference: &Arc<Interference>) -> Self {
        let interference = Arc::clone(interference);
        let world = Self::with_operator(name, |_, scope, stop| {
            tokio::spawn(async move {
                let mut ended = interference.ended();
                loop {
                    ended.borrow_and_update();
                    // A runtime of its own: nothing of it goes on when it ends.
                    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                    let runtime = guard(runtime, Runtime::shutdown_background);
                    let (interference, scope, stop) = (Arc::clone(&interference), scope.clone(), stop.clone());
                    let fence = Fence::open();
                    let its_fence = fence.clone();
                    let operator = runtime.spawn(async move {
                        // With connections of its own, which end with it.
                        let client = interference.client(&client().await);
                        controller::run(
                            client,
                            its_fence,
                            &scope,
                            Some("test".into()),
                            &Conditions::default(),
                            stop,
                            || {},
                        )
                        .await;
                    });
                    let stopped = tokio::select! {
                        stopped = operator => { stopped.unwrap(); true }
                        _ = ended.changed() => false,
                    };
                    // A thread that is about to ask Kafka for something goes on.
                    fence.close();
                    drop(runtime);
                    if stopped {
                        return;
                    }
                }
            })
        })
        .await;
        world.secret("url").await;
        world
    }

    async fn with_operator(
        name: &str,
        start: impl FnOnce(Client, Vec<String>, CancellationToken) -> JoinHandle<()>,
    ) -> Self {
        panics::look_out();
        let client = client().await;
        install_definition(&client).await;
        let namespace: Namespace =
            serde_json::from_value(json!({ "metadata": { "generateName": format!("{name}-") } })).unwrap();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any();
        let fate = watch::Sender::new(Fate::Work);
        let stop = CancellationToken::new();
        let operator = start(client.clone(), vec![namespace.clone()], stop.clone());
        let kubelet = tokio::spawn(kubelet::run(client.clone(), namespace.clone(), fate.subscribe()));
        Self { client, namespace, seen: Seen::default(), fate, stop, operator, kubelet }
    }

    /// Stops the operator as SIGTERM does, which has to work, and removes the namespace. No operator has panicked, and others
    /// understand what was seen of platforms.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.operator).await.expect("the operator stops").unwrap();
        self.kubelet.abort();
        let namespaces: Api<Namespace> = Api::all(self.client);
        match namespaces.delete(&self.namespace, &DeleteParams::background()).await {
            Ok(_) => {}
            // A test may have done so.
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => {}
            Err(error) => panic!("{error}"),
        }
        self.seen.assert_understood();
        panics::assert_none();
    }

    /// Removes the namespace, with the operator looking after it still.
    pub(crate) async fn delete_namespace(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.unwrap();
    }

    /// Has the pods that are there stay when they are deleted.
    pub(crate) async fn hold_pods(&self) {
        self.finalize_pods(json!(["test/holds-it"])).await;
    }

    /// Lets them go.
    pub(crate) async fn release_pods(&self) {
        self.finalize_pods(Value::Null).await;
    }

    async fn finalize_pods(&self, finalizers: Value) {
        for pod in self.api::<Pod>().list(&ListParams::default()).await.unwrap() {
            self.patch::<Pod>(&pod.name_any(), json!({ "metadata": { "finalizers": finalizers } })).await;
        }
    }

    /// What becomes of pods from now on.
    pub(crate) fn pods(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn get<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>().get_opt(name).await.unwrap()
    }

    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug,
    {
        let object: K = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap()
    }

    pub(crate) async fn patch<K>(&self, name: &str, patch: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>().delete(name, &DeleteParams::background()).await.unwrap();
    }

    /// Names and resource versions of everything of a kind, by name.
    pub(crate) async fn versions<K>(&self) -> Vec<(String, String)>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let list = self.api::<K>().list(&ListParams::default()).await.unwrap();
        list.iter().map(|object| (object.name_any(), object.resource_version().unwrap())).collect()
    }

    /// The Secret of the database, with the URL under `key`.
    pub(crate) async fn secret(&self, key: &str) {
        self.secret_with(key, &database_url()).await;
    }

    /// The Secret of the database, with `url` under `key`.
    pub(crate) async fn secret_with(&self, key: &str, url: &str) {
        let patch = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "database" },
            "stringData": { key: url },
        });
        let secrets = self.api::<k8s_openapi::api::core::v1::Secret>();
        secrets.patch("database", &PatchParams::apply("test"), &Patch::Apply(patch)).await.unwrap();
    }

    /// Creates the platform `shop`, with `over` laid over a small spec.
    pub(crate) async fn shop(&self, over: Value) {
        let shop: FoodPlatform = serde_json::from_value(shop(over)).unwrap();
        self.api::<FoodPlatform>().create(&PostParams::default(), &shop).await.unwrap();
    }

    /// Waits until the platform `shop` is ready.
    pub(crate) async fn ready(&self) -> FoodPlatform {
        self.shop_when("ready", |shop| is(shop, condition::READY, "True", "Ready")).await
    }

    /// Waits for an event with that reason.
    pub(crate) async fn event(&self, reason: &str) {
        eventually(&format!("an event {reason}"), || async {
            let events = self.api::<Event>().list(&ListParams::default()).await.unwrap();
            events.iter().any(|event| event.reason.as_deref() == Some(reason)).then_some(())
        })
        .await;
    }

    /// Waits until the platform `shop` is gone.
    pub(crate) async fn gone(&self) {
        eventually("the platform to be gone", || async {
            self.get::<FoodPlatform>("shop").await.is_none().then_some(())
        })
        .await;
    }

    /// Waits until the platform `shop`, with a status about its present spec, is as `wanted`.
    pub(crate) async fn shop_when(&self, what: &str, wanted: impl Fn(&FoodPlatform) -> bool) -> FoodPlatform {
        let last = Mutex::new(None);
        let seen = eventually(what, || async {
            let shop = self.get::<FoodPlatform>("shop").await?;
            self.seen.add(&shop);
            *last.lock().unwrap() = Some(shop.clone());
            (is_current(&shop) && wanted(&shop)).then_some(shop)
        });
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(shop) => shop,
            Err(_) => panic!("the platform isn't {what}: {:#?}", last.lock().unwrap().as_ref().map(|s| &s.status)),
        }
    }
}

/// The platform `shop`, with `over` laid over a small spec.
pub(crate) fn shop(over: Value) -> Value {
    let mut spec = json!({
        "image": { "registry": "registry.test/food", "tag": "1.0.0" },
        "kafka": { "bootstrapServers": kafka(), "topicDefaults": { "partitions": 3, "replicationFactor": 1 } },
        "database": { "secretRef": { "name": "database" } },
        "gateway": { "type": "NodePort" },
    });
    merge(&mut spec, over);
    json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": { "name": "shop" }, "spec": spec,
    })
}

/// The bootstrap servers of the tests' Kafka.
pub(crate) fn kafka() -> String {
    std::env::var("TEST_KAFKA").expect("TEST_KAFKA names the bootstrap servers of a Kafka to test with")
}

/// The URL of the tests' PostgreSQL.
pub(crate) fn database_url() -> String {
    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is the URL of a PostgreSQL to test with")
}

/// Lays `from` over `into`.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Whether the status is about the present spec.
pub(crate) fn is_current(shop: &FoodPlatform) -> bool {
    shop.status.as_ref().and_then(|status| status.observed_generation) == shop.metadata.generation
}

/// Whether a condition has that status and reason.
pub(crate) fn is(shop: &FoodPlatform, type_: &str, status: &str, reason: &str) -> bool {
    find(shop, type_).is_some_and(|found| found.0 == status && found.1 == reason)
}

/// A condition's message.
pub(crate) fn message(shop: &FoodPlatform, type_: &str) -> String {
    find(shop, type_).map(|found| found.2).unwrap_or_default()
}

/// A condition's status, reason and message.
pub(crate) fn find(shop: &FoodPlatform, type_: &str) -> Option<(String, String, String)> {
    let conditions = &shop.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status.clone(), found.reason.clone(), found.message.clone()))
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A client of the tests' control plane.
pub(crate) async fn client() -> Client {
    let path = std::env::var_os("TEST_KUBECONFIG").expect("TEST_KUBECONFIG names the kubeconfig of a control plane");
    let kubeconfig = Kubeconfig::read_from(PathBuf::from(path)).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    client::client(config).unwrap()
}

/// Gives the cluster FoodPlatforms.
pub(crate) async fn install_definition(client: &Client) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let definition: CustomResourceDefinition = serde_saphyr::from_str(&crd_yaml().unwrap()).unwrap();
            let name = definition.name_any();
            let api: Api<CustomResourceDefinition> = Api::all(client.clone());
            let parameters = PatchParams::apply("test").force();
            api.patch(&name, &parameters, &Patch::Apply(&definition)).await.unwrap();
            eventually("the definition to be served", || async {
                let conditions = api.get(&name).await.unwrap().status?.conditions?;
                conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(())
            })
            .await;
        })
        .await;
}
