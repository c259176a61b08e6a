//! Where the checkpoints happen: a cluster with the operator and the quickstart on it, and the servers behind them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use contract::{OrderSnapshot, OrderStatus, Topic};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use local::{Cluster as Node, Instance};
use serde_json::{Value, json};
use tests::{
    api::Api,
    cluster::{Cluster, Platform},
    database::Database,
    invariants::{Owners, Quiet, Told, World, check, dead_letters, read},
    kafka::Kafka,
    process::Service,
    servers, wait,
};
use tokio::process::Command;

use crate::{Timeline, load::Traffic};

/// The port at which every service answers.
pub(crate) const PORT: u16 = 8080;
/// How long the platform may take to come to rest after a load.
const REST: Duration = Duration::from_secs(120);

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Enough to see it.
    Short,
    /// Enough to be sure of it.
    Full,
}

impl Length {
    /// The one for this length.
    pub fn pick<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// A command and what it printed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// As a person types it.
    pub command: String,
    /// What it printed.
    pub output: String,
}

/// See the module.
pub struct Stage {
    /// The platform that everything happens to.
    pub platform: Platform,
    /// The one way in.
    pub gateway: Api,
    /// Its Kafka.
    pub kafka: Kafka,
    /// Its database.
    pub database: Database,
    /// What all of it runs on.
    pub node: Node,
    /// How much is done.
    pub length: Length,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    /// What comes of the last load.
    last: Mutex<Option<Arc<Mutex<Traffic>>>>,
}

impl Stage {
    /// The quickstart on the cluster that the environment names, as `cargo xtask` sets it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect(length: Length) -> Self {
        Self::of(Cluster::connect().await.quickstart().await, Api::new(servers::gateway()), length)
    }

    /// A platform on that cluster, with its gateway's address.
    ///
    /// # Panics
    /// When the cluster isn't up.
    pub fn of(platform: Platform, gateway: Api, length: Length) -> Self {
        let instance = Instance::named(&servers::instance()).expect("a local cluster's name");
        let node = Node::find(&instance).expect("processes can be listed").expect("the local cluster is up");
        Self {
            node,
            platform,
            gateway,
            kafka: Kafka::new(servers::kafka()),
            database: Database::new(servers::database_url()),
            length,
            kubectl: servers::kubectl(),
            kubeconfig: servers::kubeconfig(),
            last: Mutex::default(),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.platform.cluster
    }

    /// What the topics' names begin with.
    pub async fn prefix(&self) -> String {
        self.platform.prefix(&self.platform.get().await["spec"])
    }

    /// Runs kubectl in the platform's namespace, and keeps what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub async fn kubectl(&self, arguments: &[&str]) -> Shown {
        let namespace = &self.platform.namespace;
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).args(["--namespace", namespace]).args(arguments);
        let done = command.output().await.expect("kubectl starts");
        let output = String::from_utf8_lossy(&done.stdout).into_owned();
        let command = format!("kubectl -n {namespace} {}", arguments.join(" "));
        assert!(done.status.success(), "{command}: {output}{}", String::from_utf8_lossy(&done.stderr));
        Shown { command, output }
    }

    /// Changes the platform's spec as `kubectl patch --type=merge` does.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn change(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let changed = self.platform.api().patch(&self.platform.name, &PatchParams::default(), &patch).await;
        changed.unwrap_or_else(|error| panic!("changing the platform's spec: {error}"));
    }

    /// Puts another spec in the place of the one that is there.
    ///
    /// # Panics
    /// When that doesn't succeed for a while.
    async fn replace(&self, spec: &Value) {
        wait::until("the spec to be replaced", wait::SOON, async || {
            let api = self.platform.api();
            let mut object = api.get(&self.platform.name).await.map_err(|error| error.to_string())?;
            object.data["spec"] = spec.clone();
            object.metadata.managed_fields = None;
            let replaced = api.replace(&self.platform.name, &PostParams::default(), &object).await;
            replaced.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Puts the spec that the platform had in the place of the one that it has, and waits until it is settled.
    ///
    /// # Panics
    /// When that doesn't succeed.
    pub async fn restore(&self, spec: &Value) {
        self.replace(spec).await;
        self.until_settled().await;
    }

    /// The pods of a service, those on their way out among them.
    ///
    /// # Errors
    /// When the API server doesn't answer.
    async fn pods(&self, service: Service) -> Result<Vec<Pod>, String> {
        let pods = self.cluster().namespaced::<Pod>(&self.platform.namespace);
        let selector = format!("{},foodplatform.dev/role=serve", self.platform.selector_of(service));
        let list = pods.list(&ListParams::default().labels(&selector)).await;
        list.map(|list| list.items).map_err(|error| error.to_string())
    }

    /// The pods of a service that are ready, and not on their way out.
    ///
    /// # Errors
    /// When the API server doesn't answer.
    pub async fn ready_pods(&self, service: Service) -> Result<Vec<Pod>, String> {
        Ok(self.pods(service).await?.into_iter().filter(is_ready).collect())
    }

    /// The names of all services' ready pods.
    ///
    /// # Errors
    /// When the API server doesn't answer.
    pub async fn ready_names(&self) -> Result<BTreeSet<String>, String> {
        let mut names = BTreeSet::new();
        for service in Service::ALL {
            names.extend(self.ready_pods(service).await?.iter().map(ResourceExt::name_any));
        }
        Ok(names)
    }

    /// Waits until the platform is ready, and no pod of an older version is there any more: until it ends it goes on taking
    /// orders, by the settings that it was started with.
    ///
    /// # Panics
    /// When it isn't.
    pub async fn until_settled(&self) {
        self.platform.until_ready().await;
        for service in Service::ALL {
            self.until_image(service, |_| true).await;
        }
    }

    /// Waits until a service has so many ready pods, and no other ones.
    ///
    /// # Panics
    /// When it doesn't.
    pub async fn until_pods(&self, service: Service, count: usize) {
        wait::until(&format!("{count} pods of {service}"), tests::cluster::READY, async || {
            let pods = self.pods(service).await?;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            wait::equals((ready, pods.len()), (count, count))
        })
        .await;
    }

    /// Waits until a service has ready pods, and only such whose image is as wanted.
    ///
    /// # Panics
    /// When it hasn't.
    pub async fn until_image(&self, service: Service, wanted: impl Fn(&str) -> bool) {
        wait::until(&format!("the pods of {service}"), tests::cluster::READY, async || {
            let pods = self.pods(service).await?;
            let image = |pod: &Pod| pod.spec.as_ref()?.containers.first()?.image.clone();
            let images: Vec<_> = pods.iter().map(|pod| image(pod).unwrap_or_default()).collect();
            let is_done = !images.is_empty() && images.iter().all(|image| wanted(image)) && pods.iter().all(is_ready);
            if is_done { Ok(()) } else { Err(format!("{images:?}")) }
        })
        .await;
    }

    /// One pod of a service, asked directly.
    ///
    /// # Panics
    /// When none is ready for a while.
    pub async fn direct(&self, service: Service) -> Api {
        let address = wait::until(&format!("a pod of {service}"), wait::SOON, async || {
            let pod = self.ready_pods(service).await?.into_iter().next().ok_or("none is ready")?;
            pod.status.and_then(|status| status.pod_ip).ok_or_else(|| "it has no address".to_owned())
        })
        .await;
        Api::new(format!("http://{address}:{PORT}"))
    }

    /// Keeps what comes of a load for [`Stage::evidence`].
    pub(crate) fn follow(&self, traffic: &Arc<Mutex<Traffic>>) {
        *self.last.lock().expect("nobody panics while it is set") = Some(Arc::clone(traffic));
    }

    /// What shows how a checkpoint failed: the last load since it began, and how everything stands.
    pub(crate) async fn evidence(&self) -> (Vec<Shown>, Option<Timeline>) {
        let last = self.last.lock().expect("nobody panics while it is set").take();
        let timeline = last.map(|last| last.lock().expect("nobody panics while counting").timeline.clone());
        let selector = self.platform.selector();
        let mut shown = vec![];
        for arguments in [
            &["get", "foodplatform", &self.platform.name, "-o", "yaml"][..],
            &["get", "pods", "-l", &selector, "-o", "wide"],
            &["get", "events", "--sort-by", ".lastTimestamp"],
        ] {
            shown.push(self.kubectl(arguments).await);
        }
        (shown, timeline)
    }

    /// Waits until the platform has come to rest, and holds it against the invariants I1 to I6: none of the accepted orders
    /// is lost, and none waits for a dead letter.
    ///
    /// # Errors
    /// What doesn't hold, or what goes on.
    pub async fn invariants(&self, told: Told) -> Result<String, String> {
        self.settle(told).await.map(|(text, _)| text)
    }

    /// The same, and that every accepted order has been delivered.
    ///
    /// # Errors
    /// What doesn't hold, or what goes on.
    pub async fn delivered(&self, told: Told) -> Result<String, String> {
        let (text, world) = self.settle(told).await?;
        let other = |order: &&OrderSnapshot| {
            world.told.accepted.contains_key(&order.order_id) && order.status != OrderStatus::Delivered
        };
        let others: Vec<_> = world.orders.iter().filter(other).collect();
        match others.first() {
            Some(first) => Err(format!(
                "{} accepted orders were not delivered, such as {}, which is {}",
                others.len(),
                first.order_id,
                first.status
            )),
            None => Ok(format!("all were delivered; {text}")),
        }
    }

    async fn settle(&self, told: Told) -> Result<(String, World), String> {
        if told.accepted.is_empty() {
            return Err("no order was accepted: there is nothing to hold against the invariants".to_owned());
        }
        let owners = Owners {
            order: self.direct(Service::Order).await,
            cook: self.direct(Service::Cook).await,
            delivery: self.direct(Service::Delivery).await,
            mypage: self.direct(Service::Mypage).await,
        };
        let (namespace, name, prefix) = (&self.platform.namespace, &self.platform.name, self.prefix().await);
        let by_service = |of: &dyn Fn(Service) -> String| -> BTreeMap<_, _> {
            Service::ALL.into_iter().map(|service| (service, of(service))).collect()
        };
        let quiet = Quiet {
            owners: owners.clone(),
            kafka: self.kafka.clone(),
            prefix: prefix.clone(),
            groups: by_service(&|service| format!("{namespace}.{name}.{service}")),
            database: self.database.clone(),
            schemas: by_service(&|service| format!("{namespace}__{name}__{service}").replace('-', "_")),
        };
        let took = quiet.wait(REST).await?;
        let mut world = read(&owners, told).await?;
        world.dead_letters = dead_letters(&self.kafka, &prefix);
        let report = check(&world);
        if !report.holds() {
            return Err(format!("invariants: {report}"));
        }
        let there: BTreeSet<_> = world.orders.iter().map(|order| &order.order_id).collect();
        let dead: BTreeSet<_> = world.dead_letters.iter().map(|(key, _)| key.as_str()).collect();
        for order in world.told.accepted.keys() {
            if !there.contains(order) {
                return Err(format!("order {order} was accepted, and order doesn't have it"));
            }
            if dead.contains(order.as_str()) {
                return Err(format!("order {order} was accepted, and waits for a dead letter"));
            }
        }
        let orders = world.told.accepted.len();
        let text = format!(
            "I1 to I6 hold, all of {orders} accepted orders are there; at rest after {:.1} s",
            took.as_secs_f64()
        );
        Ok((text, world))
    }

    /// The full name of a topic.
    pub async fn topic(&self, topic: Topic) -> String {
        topic.name(&self.prefix().await)
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}
