//! A platform for one test, in a namespace of its own, for what would disturb others.

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use super::{Cluster, Platform, until_gone};
use crate::{api::fresh, database::Database, kafka::Kafka, process::Service, servers};

/// The name of the platform, in its own namespace.
pub const THROWAWAY: &str = "throwaway";
/// The Secret with the database's URL.
pub const SECRET: &str = "throwaway-database-url";

/// A namespace for a platform. Both go with this value, and so do the topics and schemas.
pub struct Throwaway {
    /// The platform; it is not applied yet.
    pub platform: Platform,
    /// A spec that works: small and quick, with claims for logs.
    pub spec: Value,
    database_url: ByteString,
}

impl Throwaway {
    /// Makes the namespace, and a spec with the images, the Kafka and the log volumes of the quickstart. The Secret that
    /// it refers to is not there yet: see [`Throwaway::create_secret`].
    ///
    /// # Panics
    /// When the quickstart lacks what is taken from it.
    pub async fn new(cluster: &Cluster) -> Self {
        let quickstart = cluster.quickstart().await;
        let model = quickstart.get().await["spec"].take();
        let reference = &model["database"]["secretRef"];
        let secret = cluster.namespaced::<Secret>(&quickstart.namespace);
        let secret = secret.get(reference["name"].as_str().expect("secretRef.name")).await.expect("the Secret");
        let key = reference["key"].as_str().unwrap_or("url");
        let database_url = secret.data.and_then(|mut data| data.remove(key)).expect("the database's URL");

        let namespace = format!("e2e-{}", &fresh()[..8]);
        let object = Namespace {
            metadata: ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        cluster.cluster_wide::<Namespace>().create(&PostParams::default(), &object).await.expect("a new namespace");
        let mut spec = json!({
            "image": model["image"],
            "kafka": {
                "bootstrapServers": model["kafka"]["bootstrapServers"],
                "topicDefaults": { "partitions": 1, "replicationFactor": 1 },
            },
            "database": { "secretRef": { "name": SECRET } },
            "services": {
                "cook": { "config": { "cookingTime": "0s" } },
                "delivery": { "config": { "deliveryTime": "0s" } },
            },
            "gateway": { "type": "ClusterIP" },
        });
        if model["logs"]["volume"].is_object() {
            spec["logs"] = json!({ "volume": model["logs"]["volume"] });
        }
        Self { platform: Platform::new(cluster.clone(), namespace, THROWAWAY), spec, database_url }
    }

    /// Makes the Secret with the database's URL.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn create_secret(&self) {
        let object = Secret {
            metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
            data: Some([("url".to_owned(), self.database_url.clone())].into()),
            ..Secret::default()
        };
        let secrets = self.platform.cluster.namespaced::<Secret>(&self.platform.namespace);
        secrets.create(&PostParams::default(), &object).await.expect("a new Secret");
    }

    /// Applies the spec.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn apply(&self) {
        self.platform.apply(&self.spec).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Deletes the platform, and waits until the object is gone.
    pub async fn delete(&self) {
        delete(&self.platform).await;
    }
}

/// Deletes the platform, if it is there, and waits until it is gone.
async fn delete(platform: &Platform) {
    let api = platform.api();
    match api.delete(&platform.name, &DeleteParams::default()).await {
        Ok(_) => until_gone(&api, &platform.name).await,
        Err(error) if is_not_found(&error) => {}
        Err(error) => panic!("deleting FoodPlatform {}: {error}", platform.name),
    }
}

/// Takes everything away: pods before topics and schemas, so that nobody misses them or makes them anew.
async fn clean(platform: &Platform, spec: &Value) {
    delete(platform).await;
    let namespace = &platform.namespace;
    let namespaces = platform.cluster.cluster_wide::<Namespace>();
    namespaces.delete(namespace, &DeleteParams::default()).await.expect("deleting our namespace");
    until_gone(&namespaces, namespace).await;
    let prefix = platform.prefix(spec);
    let groups: Vec<_> = Service::ALL.iter().map(|service| format!("{prefix}{service}")).collect();
    let kafka = Kafka::new(servers::kafka()).delete(&prefix, &groups).await;
    let schema = |service: &Service| format!("{namespace}__{}__{service}", platform.name).replace('-', "_");
    let schemas: Vec<_> = Service::ALL.iter().map(schema).collect();
    let database = Database::new(servers::database_url()).drop_schemas(&schemas).await;
    for error in [kafka.err(), database.err()].into_iter().flatten() {
        eprintln!("cleaning up {namespace}: {error}");
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        // As in `crate::platform`: dropping is not async.
        std::thread::scope(|scope| {
            let cleaner = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    // A connection belongs to the runtime that made it: this one needs its own.
                    let platform = Platform { cluster: Cluster::connect().await, ..self.platform.clone() };
                    clean(&platform, &self.spec).await;
                });
            });
            if cleaner.join().is_err() {
                eprintln!("cleaning up {} did not come to its end", self.platform.namespace);
            }
        });
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}
