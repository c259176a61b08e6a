//! Topics by way of Strimzi: its own definition of KafkaTopics, a real Kafka, and a stand-in for its Topic Operator, which
//! does with a KafkaTopic what that does.

use std::time::Duration;

use foodplatform_operator::api::{
    FoodPlatform,
    condition::{PAUSED, READY, TOPICS_READY},
};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    definitions,
    kafka::Kafka,
    world::{World, eventually, is, message},
};

const FINALIZER: &str = "strimzi.io/topic-operator";

pub(crate) fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("kafka.strimzi.io", "v1beta2", "KafkaTopic"))
}

/// The namespace of a Kafka cluster, with a stand-in for Strimzi's Topic Operator.
pub(crate) struct Cluster {
    client: Client,
    pub(crate) namespace: String,
    operator: JoinHandle<()>,
}

impl Cluster {
    pub(crate) async fn start(client: &Client) -> Self {
        definitions::install(client, "kafkatopics.kafka.strimzi.io").await;
        let wanted: Namespace = serde_json::from_value(json!({ "metadata": { "generateName": "kafka-" } })).unwrap();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.create(&PostParams::default(), &wanted).await.unwrap().name_any();
        let topics = Api::namespaced_with(client.clone(), &namespace, &kind());
        let operator = tokio::spawn(operate(topics));
        Self { client: client.clone(), namespace, operator }
    }

    fn topics(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind())
    }

    /// What a platform says of it, with `over` laid over it.
    pub(crate) fn spec(&self, over: &Value) -> Value {
        let mut kafka = json!({
            "topicManagement": "Strimzi", "strimzi": { "cluster": "main", "namespace": self.namespace },
        });
        kafka.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        json!({ "kafka": kafka })
    }

    pub(crate) async fn end(self) {
        self.operator.abort();
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.unwrap();
    }
}

/// Runs until it is aborted.
pub(crate) async fn operate(topics: Api<DynamicObject>) {
    let kafka = Kafka::connect();
    loop {
        sleep(Duration::from_millis(200)).await;
        // It may have changed meanwhile, or be gone with its namespace.
        let Ok(list) = topics.list(&ListParams::default()).await else { continue };
        for topic in list {
            let _ = see_to(&topics, &kafka, &topic).await;
        }
    }
}

async fn see_to(topics: &Api<DynamicObject>, kafka: &Kafka, topic: &DynamicObject) -> kube::Result<()> {
    let (name, parameters) = (topic.name_any(), PatchParams::default());
    let finalizers = |list: Value| {
        Patch::Merge(json!({ "metadata": { "finalizers": list, "resourceVersion": topic.resource_version() } }))
    };
    let spec = &topic.data["spec"];
    let text = spec["topicName"].as_str().unwrap_or(&name);
    let is_managed = topic.annotations().get("strimzi.io/managed").is_none_or(|managed| managed != "false");
    if topic.metadata.deletion_timestamp.is_some() {
        if is_managed && kafka.partitions(text) > 0 {
            kafka.delete(text).await;
        }
        topics.patch(&name, &parameters, &finalizers(json!([]))).await?;
        return Ok(());
    }
    if !is_managed {
        return Ok(());
    }
    if topic.finalizers().is_empty() {
        topics.patch(&name, &parameters, &finalizers(json!([FINALIZER]))).await?;
    }
    let generation = topic.metadata.generation;
    if topic.data.pointer("/status/observedGeneration").and_then(Value::as_i64) == generation {
        return Ok(());
    }
    let wanted = usize::try_from(spec["partitions"].as_i64().unwrap()).unwrap();
    let live = kafka.partitions(text);
    let condition = if live > wanted {
        json!({ "type": "Ready", "status": "False", "reason": "NotSupported", "message": "Decreasing partitions not supported" })
    } else if spec["config"]["unclean.leader.election.enable"] == "maybe" {
        json!({ "type": "Ready", "status": "False", "reason": "KafkaError", "message": "Invalid value maybe" })
    } else {
        if live == 0 {
            kafka.create(text, i32::try_from(wanted).unwrap()).await;
        } else if live < wanted {
            kafka.grow(text, wanted).await;
        }
        let config = spec["config"].as_object().unwrap();
        let config: Vec<_> = config.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
        kafka.set(text, &config).await;
        json!({ "type": "Ready", "status": "True" })
    };
    let status = json!({ "status": { "observedGeneration": generation, "conditions": [condition] } });
    topics.patch_status(&name, &parameters, &Patch::Merge(status)).await?;
    Ok(())
}

#[tokio::test]
async fn topics_are_asked_for_by_kafka_topics_and_go_with_them() {
    let world = World::start("strimzi").await;
    let cluster = Cluster::start(&world.client).await;
    world.shop(cluster.spec(&json!({ "deletionPolicy": "Delete" }))).await;
    world.ready().await;
    let (kafka, menu) = (Kafka::connect(), format!("{}.shop.menu", world.namespace));
    assert_eq!(kafka.partitions(&menu), 3);
    let made = cluster.topics().get(&menu).await.unwrap();
    assert_eq!(made.labels()["strimzi.io/cluster"], "main");
    assert_eq!(cluster.topics().list(&ListParams::default()).await.unwrap().items.len(), 8);

    let wish = |partitions: i32, retention: &str| json!({ "spec": { "kafka": { "topics": { "menu": { "partitions": partitions, "retention": retention } } } } });
    world.patch::<FoodPlatform>("shop", wish(5, "2h")).await;
    // Until the topics have been looked at again, the condition is that of the former wish.
    let grown = |shop: &FoodPlatform| {
        let topics = &shop.status.as_ref().unwrap().topics;
        topics.iter().any(|topic| topic.name == menu && topic.partitions == Some(5))
    };
    world.shop_when("grown", |shop| grown(shop) && is(shop, TOPICS_READY, "True", "TopicsReady")).await;
    assert_eq!((kafka.partitions(&menu), kafka.settings(&menu).await["retention.ms"].as_str()), (5, "7200000"));

    // Strimzi would give up the whole topic over fewer partitions.
    world.patch::<FoodPlatform>("shop", wish(2, "3h")).await;
    let shop = world.shop_when("told to shrink", |shop| is(shop, TOPICS_READY, "True", "TopicsDiffer")).await;
    assert!(message(&shop, TOPICS_READY).contains("keeps its 5 partitions"), "{}", message(&shop, TOPICS_READY));
    assert_eq!((kafka.partitions(&menu), kafka.settings(&menu).await["retention.ms"].as_str()), (5, "10800000"));

    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!(cluster.topics().list(&ListParams::default()).await.unwrap().items.len(), 0);
    assert_eq!(kafka.topics(&format!("{}.", world.namespace)), []);
    cluster.end().await;
    world.end().await;
}

#[tokio::test]
async fn kafka_topics_go_with_the_platform_whenever_that_is_deleted() {
    let world = World::start("hasty").await;
    let cluster = Cluster::start(&world.client).await;
    for step in 0..8 {
        world.shop(cluster.spec(&json!({ "deletionPolicy": "Delete" }))).await;
        // Topics are looked at, asked for and made within these times.
        sleep(Duration::from_millis(75) * step).await;
        world.delete::<FoodPlatform>("shop").await;
        world.gone().await;
        // A check that went on would make some now.
        sleep(Duration::from_millis(500)).await;
        let left = cluster.topics().list(&ListParams::default()).await.unwrap().items.len();
        let topics = Kafka::connect().topics(&format!("{}.", world.namespace));
        assert_eq!((left, topics), (0, vec![]), "deleted after step {step}");
    }
    cluster.end().await;
    world.end().await;
}

#[tokio::test]
async fn topics_from_before_strimzi_was_asked_for_them_go_with_the_platform() {
    let world = World::start("before").await;
    let cluster = Cluster::start(&world.client).await;
    world.shop(json!({ "kafka": { "deletionPolicy": "Delete" } })).await;
    world.ready().await;
    // Nothing is asked of Strimzi while it is paused.
    let mut spec = cluster.spec(&json!({}));
    spec["paused"] = json!(true);
    world.patch::<FoodPlatform>("shop", json!({ "spec": spec })).await;
    world.shop_when("paused", |shop| is(shop, PAUSED, "True", "Paused")).await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!(Kafka::connect().topics(&format!("{}.", world.namespace)), []);
    eventually("what was deleted", || async {
        let events = world.api::<Event>().list(&ListParams::default()).await.unwrap();
        events.iter().any(|event| event.message.as_deref() == Some("deleted 8 topics")).then_some(())
    })
    .await;
    cluster.end().await;
    world.end().await;
}

#[tokio::test]
async fn topics_stay_when_another_is_asked_for_them() {
    let world = World::start("leaving").await;
    let (one, other) = (Cluster::start(&world.client).await, Cluster::start(&world.client).await);
    world.shop(one.spec(&json!({ "deletionPolicy": "Delete" }))).await;
    let ids = |shop: &FoodPlatform| -> Vec<_> {
        shop.status.iter().flat_map(|status| &status.topics).map(|topic| topic.topic_id.clone()).collect()
    };
    let before = ids(&world.ready().await);
    // One that the Topic Operator has yet to see stays for good when it is given up.
    let seen = async |cluster: &Cluster| {
        let list = cluster.topics().list(&ListParams::default()).await.unwrap();
        (list.items.len(), list.iter().filter(|topic| topic.finalizers() == [FINALIZER]).count())
    };
    let direct = json!({ "kafka": { "topicManagement": Value::Null, "strimzi": Value::Null } });
    for (spec, left) in [(other.spec(&json!({})), 8), (direct, 0)] {
        world.patch::<FoodPlatform>("shop", json!({ "spec": spec })).await;
        eventually("KafkaTopics where they are wanted", || async {
            (seen(&one).await == (0, 0) && seen(&other).await == (left, left)).then_some(())
        })
        .await;
        let shop = world.shop_when("ready", |shop| is(shop, TOPICS_READY, "True", "TopicsReady")).await;
        assert_eq!(ids(&shop), before);
    }
    world.ready().await;
    let recorded = world.get::<ConfigMap>("shop-topics").await.unwrap();
    assert!(recorded.annotations().is_empty(), "{:?}", recorded.annotations());

    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    assert_eq!(Kafka::connect().topics(&format!("{}.", world.namespace)), []);
    one.end().await;
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn what_strimzi_does_not_do_is_told_in_its_own_words() {
    let world = World::start("complaint").await;
    let cluster = Cluster::start(&world.client).await;
    let config = json!({ "unclean.leader.election.enable": "maybe" });
    world.shop(cluster.spec(&json!({ "topics": { "cook": { "config": config } } }))).await;
    let cook = format!("{}.shop.cook", world.namespace);
    let told =
        format!("topic {cook} is not yet as KafkaTopic {}/{cook} asks for: Invalid value maybe", cluster.namespace);
    let shop = world.shop_when("told so", |shop| message(shop, TOPICS_READY).contains(&told)).await;
    assert!(is(&shop, TOPICS_READY, "False", "TopicRefused") && is(&shop, READY, "False", "TopicRefused"));
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "topics": null } } })).await;
    world.ready().await;
    cluster.end().await;
    world.end().await;
}

#[tokio::test]
async fn what_is_somebody_else_s_is_left_alone_until_it_is_to_be_adopted() {
    let world = World::start("theirs").await;
    let cluster = Cluster::start(&world.client).await;
    let (menu, cook) = (format!("{}.shop.menu", world.namespace), format!("{}.shop.cook", world.namespace));
    let theirs: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "kafka.strimzi.io/v1beta2", "kind": "KafkaTopic",
        "metadata": { "name": menu, "labels": { "strimzi.io/cluster": "main" } },
        "spec": { "partitions": 1, "replicas": 1, "config": {} },
    }))
    .unwrap();
    cluster.topics().create(&PostParams::default(), &theirs).await.unwrap();
    // One that no KafkaTopic stands for.
    Kafka::connect().create(&cook, 1).await;
    world.shop(cluster.spec(&json!({}))).await;
    let shop = world.shop_when("in conflict", |shop| is(shop, TOPICS_READY, "False", "TopicConflict")).await;
    let told = message(&shop, TOPICS_READY);
    assert!(told.contains(&format!("KafkaTopic {}/{menu} is there already", cluster.namespace)), "{told}");
    assert!(told.contains(&format!("topic {cook} is there already and was not made for this platform")), "{told}");
    assert_eq!(cluster.topics().get(&menu).await.unwrap().data["spec"]["partitions"], 1);

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "kafka": { "adopt": true } } })).await;
    world.ready().await;
    assert_eq!(Kafka::connect().partitions(&menu), 3);
    cluster.end().await;
    world.end().await;
}
