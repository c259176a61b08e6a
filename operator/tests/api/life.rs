//! The life of a platform, from its creation to its deletion, whatever comes between its operator and the servers.

use std::{collections::HashSet, time::Duration};

use foodplatform_operator::api::{FoodPlatform, condition::READY};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    broker::Broker,
    calls::Calls,
    interference::{Interference, Plan},
    state::{State, settled, state},
    world::{World, eventually, is, is_current, merge},
};

/// How long news are held back.
const DELAY: Duration = Duration::from_secs(3);

/// For a stage: several time-outs of requests follow each other.
const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks whether a stage is over.
const GLANCE: Duration = Duration::from_millis(200);

/// What there was in the life of a platform, and what its operators did.
#[derive(Debug)]
pub(crate) struct Life {
    created: State,
    changed: State,
    deleted: State,
    /// The calls that got through.
    pub(crate) calls: Calls,
    /// The calls at which an operator ended, or that failed.
    pub(crate) met: Calls,
    /// How many events of watches were lost.
    pub(crate) lost: usize,
    /// How many lists told of the past.
    pub(crate) late: usize,
    /// The queries of all lists.
    pub(crate) lists: HashSet<String>,
}

/// Lives it, with `over` laid over the spec. After each of its stages everything is as it was in the `calm` life.
pub(crate) async fn live(plan: &Plan, over: &Value, calm: Option<&Life>) -> Life {
    let interference = Interference::new(plan.clone());
    let broker = Broker::start(&interference).await;
    let world = World::disturbed("disturbed", &interference).await;
    let mut spec = json!({
        "logs": { "volume": { "size": "64Mi" } },
        "services": { "order": { "autoscaling": { "maxReplicas": 3 } }, "delivery": { "replicas": 2 } },
        "gateway": { "ingress": { "host": "a.example" } },
        "kafka": { "bootstrapServers": broker.address.to_string(), "deletionPolicy": "Delete" },
    });
    merge(&mut spec, over.clone());
    // Upgrade, scale, autoscaling on and off, topic growth and pruning in one.
    let changes = json!({ "spec": {
        "image": { "tag": "2.0.0" },
        "mesh": null,
        "services": {
            "order": { "autoscaling": null },
            "cook": { "replicas": 2 },
            "delivery": { "replicas": null, "autoscaling": { "minReplicas": 1, "maxReplicas": 3 } },
        },
        "gateway": { "ingress": null, "httpRoute": null },
        "kafka": { "topics": { "menu": { "partitions": 6, "retention": "2h" } } },
    } });
    let _touches = matches!(plan, Plan::FailOnce { .. }).then(|| AbortOnDropHandle::new(tokio::spawn(touch(&world))));
    let is_late = matches!(plan, Plan::Delay { .. });
    let stages = Stages { interference: &interference, world: &world, plan, is_late };
    let created = stages.go_through("create", world.shop(spec), calm.map(|calm| &calm.created)).await;
    let change = async { drop(world.patch::<FoodPlatform>("shop", changes).await) };
    let changed = stages.go_through("change", change, calm.map(|calm| &calm.changed)).await;
    let delete = world.delete::<FoodPlatform>("shop");
    let deleted = stages.go_through("delete", delete, calm.map(|calm| &calm.deleted)).await;
    world.end().await;
    Life {
        created,
        changed,
        deleted,
        calls: interference.calls(),
        met: interference.met(),
        lost: interference.lost(),
        late: interference.late(),
        lists: interference.lists(),
    }
}

/// What the platform goes through.
struct Stages<'a> {
    interference: &'a Interference,
    world: &'a World,
    plan: &'a Plan,
    /// Whether some news come late.
    is_late: bool,
}

impl Stages<'_> {
    /// Does what begins the stage, and waits until everything is as `wanted`.
    async fn go_through(&self, stage: &'static str, begin: impl Future<Output = ()>, wanted: Option<&State>) -> State {
        self.interference.enter(stage);
        if !self.is_late {
            begin.await;
            return self.reached(stage, wanted).await;
        }
        eventually("what was before", || self.interference.keep(&self.world.client)).await;
        begin.await;
        // No API server tells of a platform that is gone.
        if stage != "delete" {
            self.interference.delay(DELAY).await;
            self.reached(stage, wanted).await;
        }
        // One that begins anew is told of the past.
        let end = async { self.interference.end() };
        tokio::join!(self.interference.delay(DELAY), end);
        self.reached(stage, wanted).await
    }

    /// Waits until the platform is ready or gone, and everything is as `wanted`, if that is known, and stays so.
    async fn reached(&self, stage: &str, wanted: Option<&State>) -> State {
        let started = Instant::now();
        loop {
            while !self.is_through(stage).await {
                assert!(started.elapsed() < PATIENCE, "in vain after {stage}, {:?}", self.plan);
                sleep(GLANCE).await;
            }
            let state = settled(self.world).await;
            let Some(wanted) = wanted.filter(|wanted| **wanted != state) else { return state };
            if started.elapsed() > PATIENCE {
                let other = |key: &&String| state.get(*key) != wanted.get(*key);
                let keys: Vec<_> = state.keys().chain(wanted.keys()).filter(other).collect();
                let key = keys[0];
                assert_eq!(state.get(key), wanted.get(key), "{key}, of {keys:?}, after {stage}, {:?}", self.plan);
            }
        }
    }

    /// Whether the stage seems to be over: to look at everything all the time would take most of the machine.
    async fn is_through(&self, stage: &str) -> bool {
        let shop = self.world.get::<FoodPlatform>("shop").await;
        if stage == "delete" {
            let is_kept = |key: &String| key.starts_with("PersistentVolumeClaim ");
            return shop.is_none() && state(self.world).await.keys().all(is_kept);
        }
        shop.is_some_and(|shop| is_current(&shop) && is(&shop, READY, "True", "Ready"))
    }
}

/// Touches the platform again and again. An operator backs off from what fails, which would take most of the time here.
fn touch(world: &World) -> impl Future<Output = ()> + 'static {
    let shops = world.api::<FoodPlatform>();
    async move {
        let mut often = interval(Duration::from_secs(1));
        for touch in 0.. {
            often.tick().await;
            let touch = json!({ "metadata": { "annotations": { "test/touch": touch.to_string() } } });
            // It may not be there yet.
            let _ = shops.patch("shop", &PatchParams::default(), &Patch::Merge(touch)).await;
        }
    }
}
