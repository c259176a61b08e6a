//! What there is of a platform, in a form in which two namespaces can be compared.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use foodplatform_operator::{
    api::FoodPlatform,
    build::{self, labels},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};
use regex::Regex;
use serde_json::{Value, json};

use crate::{
    kafka::Kafka,
    world::{World, kafka},
};

/// Every object that is the operator's, by kind and name, the topics, and what the status says.
pub(crate) type State = BTreeMap<String, Value>;

/// To make a client takes far longer than to ask it.
static KAFKA: LazyLock<Kafka> = LazyLock::new(Kafka::connect);

/// The state once it stays as it is.
pub(crate) async fn settled(world: &World) -> State {
    let mut last = state(world).await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = state(world).await;
        if now == last {
            return now;
        }
        last = now;
    }
}

/// The state as it is now.
pub(crate) async fn state(world: &World) -> State {
    let shop = world.get::<FoodPlatform>("shop").await;
    let servers = shop.as_ref().map_or_else(kafka, |shop| shop.spec.kafka.bootstrap_servers.clone());
    let mut state = State::new();
    if let Some(status) = shop.and_then(|shop| shop.status) {
        state.insert("FoodPlatform shop".to_owned(), serde_json::to_value(status).unwrap());
    }
    let secrets = ApiResource::erase::<Secret>(&());
    let ours = ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
    for kind in build::kinds().into_iter().chain(build::optional_kinds()).chain([secrets]) {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
        let list = match api.list(&ours).await {
            Ok(list) => list,
            // The cluster doesn't have the kind.
            Err(kube::Error::Api(answer)) if answer.code == 404 => continue,
            Err(error) => panic!("{}: {error}", kind.kind),
        };
        for mut object in list {
            let key = format!("{} {}", kind.kind, object.name_any());
            object.types = None;
            let mut object = serde_json::to_value(object).unwrap();
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            if kind.kind == "Secret" {
                // What they say is made up anew each time.
                object["data"].as_object_mut().into_iter().flatten().for_each(|(_, secret)| *secret = json!("SECRET"));
            }
            state.insert(key, object);
        }
    }
    let topics = KAFKA.topics(&format!("{}.", world.namespace));
    state.extend(topics.into_iter().map(|(name, partitions)| (format!("topic {name}"), json!(partitions))));
    let chance = Chance { namespace: &world.namespace, port: servers.rsplit(':').next().unwrap().parse().unwrap() };
    state.into_iter().map(|(key, value)| (chance.out_of(&key), chance.out_of_value(&value))).collect()
}

/// What differs from one namespace to the next.
struct Chance<'a> {
    namespace: &'a str,
    /// Of Kafka.
    port: u16,
}

impl Chance<'_> {
    fn out_of(&self, text: &str) -> String {
        static UID: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
        /// Of the names of Jobs and policies.
        static HASH: LazyLock<Regex> = LazyLock::new(|| Regex::new("-(migrate|serve)-[0-9a-f]{10}").unwrap());
        /// A port that Kubernetes has chosen.
        static NODE_PORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(":3[0-9]{4}$").unwrap());
        let text = text.replace(self.namespace, "NS").replace(&self.namespace.replace('-', "_"), "NS");
        let text = text.replace(&format!(":{}", self.port), ":KAFKA");
        let text = HASH.replace_all(&text, "-$1-HASH");
        NODE_PORT.replace(&UID.replace_all(&text, "UID"), ":PORT").into_owned()
    }

    fn out_of_value(&self, value: &Value) -> Value {
        /// In Base64.
        static TOPIC_ID: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[0-9A-Za-z+/_-]{22}( |$)").unwrap());
        const FIELDS: [&str; 16] = [
            "managedFields",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "uid",
            "clusterIP",
            "clusterIPs",
            "nodePort",
            "deployment.kubernetes.io/revision",
            "foodplatform.dev/secret-checksum",
            "foodplatform.dev/config-checksum",
            "foodplatform.dev/template-checksum",
            "foodplatform.dev/changed-at",
            // Of a condition.
            "lastTransitionTime",
            "observedGeneration",
            // What an autoscaler has seen so far.
            "current",
        ];
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str()));
                fields.map(|(name, field)| (self.out_of(name), self.out_of_value(field))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.out_of_value(item)).collect(),
            // Kafka's ids of topics, in the record of them and in the status.
            Value::String(text) if TOPIC_ID.is_match(text) => json!(TOPIC_ID.replace(text, "ID$1")),
            Value::String(text) => json!(self.out_of(text)),
            Value::Number(number) if number.as_u64() == Some(self.port.into()) => json!("KAFKA"),
            other => other.clone(),
        }
    }
}
