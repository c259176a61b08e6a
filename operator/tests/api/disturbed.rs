//! Whatever goes wrong between the operator and the API server, the cluster ends in the same state as when nothing does.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Debug,
    sync::{Arc, LazyLock},
    time::Duration,
};

use foodplatform_operator::api::{FoodPlatform, condition::READY};
use futures::{StreamExt as _, future::join_all, stream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount},
        networking::v1::Ingress,
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{Resource, ResourceExt as _, api::ListParams};
use regex::Regex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    interference::{Failure, Interference, Moment, Plan},
    world::{World, eventually, is, message},
};

/// Platforms that are disturbed at the same time.
const AT_ONCE: usize = 8;

/// How long a watch stands still.
const FROZEN: Duration = Duration::from_secs(4);

/// Every object that is the operator's, by kind and name, and the topics.
pub(crate) type State = BTreeMap<String, Value>;

/// A life from the creation to the deletion: the states in between, and how many writes it took.
#[derive(Debug)]
struct Life {
    created: State,
    changed: State,
    deleted: State,
    writes: usize,
    /// How many operators ended in it.
    ended: usize,
    /// The calls that failed in it.
    failed: HashSet<String>,
    /// How many events of watches were lost.
    lost: usize,
    /// The queries of all lists.
    lists: HashSet<String>,
}

async fn live(plan: Plan) -> Life {
    let interference = Interference::new(plan);
    let world = World::disturbed("disturbed", &interference).await;
    world
        .shop(json!({
            "logs": { "volume": { "size": "64Mi" } },
            "services": { "order": { "autoscaling": { "maxReplicas": 3 } } },
            "gateway": { "ingress": { "host": "a.example" } },
            "kafka": { "deletionPolicy": "Delete" },
        }))
        .await;
    world.ready().await;
    let created = settled(&world).await;
    // Upgrade, scale, topic growth and pruning in one.
    let changes = json!({ "spec": {
        "image": { "tag": "2.0.0" },
        "services": { "order": { "autoscaling": null }, "cook": { "replicas": 2 } },
        "gateway": { "ingress": null },
        "kafka": { "topics": { "menu": { "partitions": 6 } } },
    } });
    interference.freeze(true);
    world.patch::<FoodPlatform>("shop", changes).await;
    let thawed = Arc::clone(&interference);
    let thaw = tokio::spawn(async move {
        tokio::time::sleep(FROZEN).await;
        thawed.freeze(false);
    });
    world.ready().await;
    thaw.await.unwrap();
    world.ready().await;
    let changed = settled(&world).await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
    let deleted = eventually("all but its claims to be gone", || async {
        let state = state(&world).await;
        state.keys().all(|key| key.starts_with("PersistentVolumeClaim ")).then_some(state)
    })
    .await;
    world.end().await;
    let (writes, ended, failed) = (interference.writes(), *interference.ended().borrow(), interference.failed());
    let (lost, lists) = (interference.lost(), interference.lists());
    Life { created, changed, deleted, writes, ended, failed, lost, lists }
}

/// What happens when nothing goes wrong.
async fn undisturbed() -> &'static Life {
    static LIFE: OnceCell<Life> = OnceCell::const_new();
    LIFE.get_or_init(|| live(Plan::Nothing)).await
}

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

async fn state(world: &World) -> State {
    let mut state = State::new();
    add::<ServiceAccount>(world, &mut state).await;
    add::<ConfigMap>(world, &mut state).await;
    add::<Service>(world, &mut state).await;
    add::<PersistentVolumeClaim>(world, &mut state).await;
    add::<PodDisruptionBudget>(world, &mut state).await;
    add::<Job>(world, &mut state).await;
    add::<Deployment>(world, &mut state).await;
    add::<HorizontalPodAutoscaler>(world, &mut state).await;
    add::<Ingress>(world, &mut state).await;
    let topics = crate::kafka::Kafka::connect().topics(&format!("{}.", world.namespace));
    let topics = topics.into_iter().map(|(name, partitions)| (format!("topic {name}"), json!(partitions)));
    state.extend(topics);
    state.into_iter().map(|(key, value)| (key.replace(&world.namespace, "NS"), without_chance(&value, world))).collect()
}

async fn add<K>(world: &World, state: &mut State)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug,
{
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=foodplatform-operator");
    for object in world.api::<K>().list(&ours).await.unwrap() {
        let key = format!("{} {}", K::kind(&()), object.name_any());
        state.insert(key, serde_json::to_value(&object).unwrap());
    }
}

/// An object without what differs from one time to the next.
fn without_chance(value: &Value, world: &World) -> Value {
    static CHANCE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
    /// In Base64, and before the names of settings.
    static TOPIC_ID: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[0-9A-Za-z+/_-]{22}( |$)").unwrap());
    match value {
        Value::Object(fields) => {
            const CHANCE_FIELDS: [&str; 12] = [
                "managedFields",
                "resourceVersion",
                "creationTimestamp",
                "generation",
                "status",
                "uid",
                "clusterIP",
                "clusterIPs",
                "nodePort",
                "deployment.kubernetes.io/revision",
                "foodplatform.dev/secret-checksum",
                "foodplatform.dev/config-checksum",
            ];
            let fields = fields.iter().filter(|(name, _)| !CHANCE_FIELDS.contains(&name.as_str()));
            fields.map(|(name, field)| (name.replace(&world.namespace, "NS"), without_chance(field, world))).collect()
        }
        Value::Array(items) => items.iter().map(|item| without_chance(item, world)).collect(),
        // Kafka's ids of topics, in the record of them.
        Value::String(text) if TOPIC_ID.is_match(text) => json!(TOPIC_ID.replace(text, "ID$1")),
        Value::String(text) => {
            // A Job's name has a hash of what it migrates, which is not the same in two namespaces.
            let text = text.replace(&world.namespace, "NS").replace(&world.namespace.replace('-', "_"), "NS");
            json!(CHANCE.replace_all(&text, "UID"))
        }
        other => other.clone(),
    }
}

/// The names of the objects; those of Jobs without their hash.
fn names(state: &State) -> Vec<String> {
    let cut = |name: &String| name.split("-migrate-").next().unwrap_or(name).to_owned();
    state.keys().map(cut).collect()
}

fn assert_same(disturbed: &Life, plan: Plan, calm: &Life) {
    for (what, disturbed, calm) in [
        ("created", &disturbed.created, &calm.created),
        ("changed", &disturbed.changed, &calm.changed),
        ("deleted", &disturbed.deleted, &calm.deleted),
    ] {
        assert_eq!(names(disturbed), names(calm), "{what}, {plan:?}");
        for (name, object) in disturbed.iter().filter(|(name, _)| !name.starts_with("Job ")) {
            assert_eq!(Some(object), calm.get(name), "{what}, {plan:?}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_end_before_and_after_each_of_its_writes() {
    /// Writes from one end to the next: few enough lives, and enough work in each of them.
    const STRIDE: usize = 6;
    let calm = undisturbed().await;
    assert!(calm.writes > 2 * STRIDE, "{} writes", calm.writes);
    let plans = (0..STRIDE)
        .flat_map(|first| [Moment::Before, Moment::After].map(|moment| Plan::End { first, stride: STRIDE, moment }));
    let lives = stream::iter(plans).map(|plan| async move { (plan, live(plan).await) }).buffer_unordered(AT_ONCE);
    let lives: Vec<_> = lives.collect().await;
    assert_eq!(lives.len(), 2 * STRIDE);
    for (plan, life) in &lives {
        assert!(life.ended > 2, "{plan:?}: {life:?}");
        assert_same(life, *plan, calm);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_may_fail_in_every_way() {
    /// Failures of one platform follow each other at longer and longer times: they are shared out.
    const SHARES: u64 = 3;
    let calm = undisturbed().await;
    let failures = [409, 429, 500, 504].map(Failure::Status).into_iter().chain([Failure::Reset, Failure::AnswerLost]);
    let plans = failures.flat_map(|how| (0..SHARES).map(move |share| Plan::FailOnce { how, share, of: SHARES }));
    let lives = stream::iter(plans).map(|plan| async move { (plan, live(plan).await) }).buffer_unordered(AT_ONCE);
    let lives: Vec<_> = lives.collect().await;
    let failed: HashSet<_> = lives.iter().flat_map(|(_, life)| life.failed.clone()).collect();
    for call in
        ["PATCH deployments", "WATCH deployments", "DELETE ingresses", "PATCH foodplatforms/status", "GET secrets"]
    {
        assert!(failed.contains(call), "{call} never failed: {failed:?}");
    }
    lives.iter().for_each(|(plan, life)| assert_same(life, *plan, calm));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_to_a_call_is_waited_for_long() {
    /// Each of their calls takes a whole time-out.
    const SHARES: u64 = 16;
    let calm = undisturbed().await;
    let plans = (0..SHARES).map(|share| Plan::FailOnce { how: Failure::Silence, share, of: SHARES });
    let lives = plans.map(|plan| async move { (plan, live(plan).await) });
    let lives = join_all(lives).await;
    let failed: HashSet<_> = lives.iter().flat_map(|(_, life)| life.failed.clone()).collect();
    for call in ["PATCH deployments", "GET deployments", "DELETE ingresses", "PATCH foodplatforms/status"] {
        assert!(failed.contains(call), "{call} was always answered: {failed:?}");
    }
    lives.iter().for_each(|(plan, life)| assert_same(life, *plan, calm));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_every_watch_may_be_lost() {
    const SHARES: usize = 6;
    let calm = undisturbed().await;
    let plans = (0..SHARES).map(|share| Plan::Lose { share, of: SHARES });
    let lives = plans.map(|plan| async move { (plan, live(plan).await) });
    for (plan, life) in join_all(lives).await {
        assert!(life.lost > 10, "{plan:?}: {}", life.lost);
        assert_same(&life, plan, calm);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watch_may_stand_still() {
    let calm = undisturbed().await;
    let resources: [&[_]; 7] = [
        &["foodplatforms", "networkpolicies"],
        &["deployments", "serviceaccounts"],
        &["jobs", "poddisruptionbudgets"],
        &["configmaps", "persistentvolumeclaims"],
        &["secrets", "services"],
        &["pods"],
        &["horizontalpodautoscalers", "ingresses"],
    ];
    let lives = resources.map(|resources| async move {
        let plan = Plan::Freeze { resources };
        (plan, live(plan).await)
    });
    for (plan, life) in join_all(lives).await {
        assert_same(&life, plan, calm);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_always_fails_is_told_and_holds_up_no_other() {
    let call = "PATCH services";
    for code in [409, 500] {
        let world = World::disturbed("refused", &Interference::new(Plan::Refuse { call, code })).await;
        world.shop(json!({})).await;
        let shop = world.shop_when("told", |shop| is(shop, READY, "False", "ApplyFailed")).await;
        let told = message(&shop, READY);
        assert!(told.contains("applying Service ") && told.contains("made up by a test; retrying"), "{code}: {told}");
        if code == 500 {
            for service in ["order", "cook", "delivery", "mypage", "gateway"] {
                assert!(world.get::<PodDisruptionBudget>(&format!("shop-{service}")).await.is_some(), "{service}");
            }
        }
        world.end().await;
    }
}

/// An API server that lags behind shows the past to those who are content with it: an operator that starts anew would go
/// back there.
#[tokio::test]
async fn no_list_is_content_with_the_past() {
    let calm = undisturbed().await;
    assert!(calm.lists.iter().any(|query| query.contains("labelSelector")), "{:?}", calm.lists);
    assert!(!calm.lists.iter().any(|query| query.contains("resourceVersion")), "{:?}", calm.lists);
}
