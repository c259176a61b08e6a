//! A platform as it is meant: checked, and with the defaults filled in. Everything after this step takes it as given.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{Affinity, ResourceRequirements},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::Resource as _;
use serde_json::Value;

use super::{
    database::DatabaseSecrets,
    invalid::InvalidPlatform,
    kafka_security::KafkaSecurity,
    network_policy::Traffic,
    quantity::Quantity,
    resources,
    topics::{self, WantedTopic},
};
use crate::api::{
    AccessMode, AutoscalingSpec, CircuitBreakerSpec, DeletionPolicy, FailedRollout, FoodPlatform, FoodPlatformSpec,
    FoodService, GatewaySpec, GatewayType, HpaBehavior, HttpRouteSpec, IngressSpec, LogsSpec, Mesh, OnFailure,
    PodsSpec, ProbesSpec, PullPolicy, Retention, ServiceSpec, StrimziSpec, TopicManagement, defaults,
};

/// A `FoodPlatform` that has been checked, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The five services, in the order of [`FoodService::ALL`].
    pub services: Vec<ServiceSettings>,
    /// `host:port` of the Kafka brokers to ask first, divided by commas.
    pub bootstrap_servers: String,
    /// How the brokers and the platform prove to each other who they are.
    pub kafka_security: KafkaSecurity,
    /// What every topic begins with, such as `food.quickstart.`.
    pub topic_prefix: String,
    /// The topics that it wants, dead-letter topics included, by name.
    pub topics: Vec<WantedTopic>,
    /// Who makes the topics and changes them.
    pub topic_management: TopicManagement,
    /// Whose Topic Operator is asked for them; none where Strimzi isn't.
    pub strimzi: Option<StrimziSpec>,
    /// What becomes of them when the platform is deleted.
    pub topic_deletion: DeletionPolicy,
    /// Whether topics that somebody else made are taken.
    pub adopts_topics: bool,
    /// What is logged and where it is kept.
    pub logs: Logs,
    /// How the gateway is reached from outside.
    pub gateway: Gateway,
    /// The service mesh that its pods are in.
    pub mesh: Mesh,
    /// Which traffic its pods may have besides the platform's own; none leaves them any.
    pub traffic: Option<Traffic>,
    /// How long it may take until the next new pod of a service is ready.
    pub progress_deadline: Duration,
    /// What becomes of a service whose rollout has failed.
    pub on_failure: OnFailure,
    /// How long its deletion may wait.
    pub deletion_timeout: Duration,
    /// When the images are pulled; none leaves it to Kubernetes.
    pub pull_policy: Option<PullPolicy>,
    /// The names of the Secrets to pull the images with.
    pub pull_secrets: Vec<String>,
}

/// A service as it is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSettings {
    /// Which one.
    pub service: FoodService,
    /// Its full image.
    pub image: String,
    /// The rollout that was given up, for which `image` isn't the one that the spec asks for.
    pub rolled_back: Option<FailedRollout>,
    /// How many pods.
    pub replicas: Replicas,
    /// What each pod asks for and may use, in canonical quantities.
    pub resources: ResourceRequirements,
    /// Where it keeps its data; none for one that keeps nothing.
    pub database: Option<DatabaseSecrets>,
    /// Its own settings, as environment variables.
    pub config: BTreeMap<String, String>,
    /// What its callers spare its pods.
    pub circuit_breaker: CircuitBreakerSpec,
    /// How often its pods are asked how they are.
    pub probes: ProbesSpec,
    /// Where its pods run, and what they carry; but for the affinity.
    pub pods: PodsSpec,
    /// What its pods are to be near to or far from.
    pub affinity: Option<Affinity>,
}

/// How many pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// This many. Zero is allowed.
    Fixed(i32),
    /// One to begin with, and then as many as whoever scales the Deployment says. Its `replicas` isn't built, so that what
    /// an autoscaler has made of it stays when autoscaling is turned off.
    Anyones,
    /// As many as the load asks for. The Deployment's `replicas` is then the autoscaler's and isn't built.
    Automatic(Autoscaling),
}

/// How the load decides how many pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaling {
    /// The fewest.
    pub min: i32,
    /// The most.
    pub max: i32,
    /// The CPU use to aim at, in percent of the request.
    pub target_cpu_utilization: i32,
    /// How fast; none leaves it to Kubernetes.
    pub behavior: Option<HpaBehavior>,
}

/// What is logged and where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Logs {
    /// A filter of the `tracing` crate, such as `info,sqlx=warn`.
    pub level: String,
    /// Files of each pod.
    pub max_files: i32,
    /// The most that a service's files take together, in bytes.
    pub max_total_size: u64,
    /// The claims that hold the files; none: they live and die with the pod.
    pub volume: Option<LogVolume>,
}

/// The claims that hold log files.
#[derive(Clone, Debug, PartialEq)]
pub struct LogVolume {
    /// Their storage class; none is the cluster's default, `""` none at all.
    pub storage_class_name: Option<String>,
    /// The size of each.
    pub size: Quantity,
    /// Who can mount them.
    pub access_modes: Vec<AccessMode>,
    /// What becomes of them when nobody asks for them any more.
    pub retention: Retention,
}

/// How the gateway is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The type of its Service.
    pub type_: GatewayType,
    /// The port on every node; none lets Kubernetes choose.
    pub node_port: Option<i32>,
    /// Annotations of its Service.
    pub annotations: BTreeMap<String, String>,
    /// The Ingress that leads to it.
    pub ingress: Option<IngressSpec>,
    /// The HTTPRoute that leads to it.
    pub http_route: Option<HttpRouteSpec>,
}

/// The longest name of a platform.
const NAME_LIMIT: usize = 40;

impl Platform {
    /// Checks `platform` and fills in the defaults.
    ///
    /// # Errors
    ///
    /// See [`InvalidPlatform`].
    pub fn new(platform: &FoodPlatform) -> Result<Self, InvalidPlatform> {
        let meta = &platform.metadata;
        let name = meta.name.clone().ok_or(InvalidPlatform::MissingMetadata("name"))?;
        let namespace = meta.namespace.clone().ok_or(InvalidPlatform::MissingMetadata("namespace"))?;
        let uid = meta.uid.clone().ok_or(InvalidPlatform::MissingMetadata("uid"))?;
        if name.len() > NAME_LIMIT {
            return Err(InvalidPlatform::NameTooLong(name));
        }
        let spec = &platform.spec;
        let topic_prefix = spec.kafka.topic_prefix.clone().unwrap_or_else(|| defaults::topic_prefix(&namespace, &name));
        let services =
            FoodService::ALL.into_iter().map(|service| service_settings(spec, service)).collect::<Result<_, _>>()?;
        let rollout = spec.rollout.clone().unwrap_or_default();
        Ok(Self {
            topics: topics::wanted(&spec.kafka, &topic_prefix)?,
            name,
            namespace,
            uid,
            services,
            bootstrap_servers: spec.kafka.bootstrap_servers.clone(),
            kafka_security: KafkaSecurity::new(&spec.kafka),
            topic_prefix,
            topic_management: spec.kafka.topic_management.unwrap_or_default(),
            topic_deletion: spec.kafka.deletion_policy.unwrap_or_default(),
            adopts_topics: spec.kafka.adopt.unwrap_or_default(),
            logs: logs(&spec.logs.clone().unwrap_or_default())?,
            gateway: self::gateway(spec.gateway.clone().unwrap_or_default()),
            mesh: spec.mesh.unwrap_or_default(),
            traffic: Traffic::new(spec.network_policy.as_ref(), &spec.kafka.bootstrap_servers)?,
            progress_deadline: duration(&rollout.progress_deadline, defaults::PROGRESS_DEADLINE)
                .map_err(|source| InvalidPlatform::Duration { field: "rollout.progressDeadline", source })?,
            deletion_timeout: duration(&spec.deletion_timeout, defaults::DELETION_TIMEOUT)
                .map_err(|source| InvalidPlatform::Duration { field: "deletionTimeout", source })?,
            on_failure: rollout.on_failure.unwrap_or_default(),
            pull_policy: spec.image.pull_policy,
            pull_secrets: spec.image.pull_secrets.clone().unwrap_or_default(),
            strimzi: spec.kafka.strimzi.clone(),
        })
    }

    /// What makes the checksums of its secrets its own. One that is created again has the same, so that orphaned pods need
    /// not be replaced.
    pub fn salt(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The settings of `service`.
    pub fn service(&self, service: FoodService) -> Option<&ServiceSettings> {
        self.services.iter().find(|settings| settings.service == service)
    }

    /// The reference by which a child belongs to this platform and goes with it.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: FoodPlatform::api_version(&()).into_owned(),
            kind: FoodPlatform::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

fn duration(text: &Option<String>, default: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text.as_deref().unwrap_or(default))
}

fn service_settings(spec: &FoodPlatformSpec, service: FoodService) -> Result<ServiceSettings, InvalidPlatform> {
    let services = spec.services.clone().unwrap_or_default();
    let common = services.common(service).cloned().unwrap_or_default();
    let limits = |connect, response| vec![("CONNECT_TIMEOUT", connect), ("RESPONSE_TIMEOUT", response)];
    let config = match service {
        FoodService::Order => {
            let set = services.order.and_then(|order| order.config).unwrap_or_default();
            limits(set.connect_timeout, set.response_timeout)
        }
        FoodService::Gateway => {
            let set = services.gateway.and_then(|gateway| gateway.config).unwrap_or_default();
            limits(set.connect_timeout, set.response_timeout)
        }
        FoodService::Cook => {
            let set = services.cook.and_then(|cook| cook.config?.cooking_time);
            vec![("COOKING_TIME", Some(set.unwrap_or_else(|| defaults::COOKING_TIME.to_owned())))]
        }
        FoodService::Delivery => {
            let set = services.delivery.and_then(|delivery| delivery.config?.delivery_time);
            vec![("DELIVERY_TIME", Some(set.unwrap_or_else(|| defaults::DELIVERY_TIME.to_owned())))]
        }
        FoodService::MyPage => Vec::new(),
    };
    let config = config.into_iter().filter_map(|(variable, value)| Some((variable.to_owned(), value?))).collect();
    Ok(ServiceSettings {
        service,
        image: common.image.clone().unwrap_or_else(|| defaults::image(&spec.image.registry, service, &spec.image.tag)),
        rolled_back: None,
        database: service
            .has_database()
            .then(|| DatabaseSecrets::new(common.database.as_ref().unwrap_or(&spec.database))),
        replicas: replicas(service, &common)?,
        resources: resources::effective(common.resources.as_ref()).map_err(|(field, source)| {
            InvalidPlatform::Quantity { field: format!("services.{service}.resources.{field}"), source }
        })?,
        config,
        circuit_breaker: common.circuit_breaker.unwrap_or_default(),
        probes: common.probes.unwrap_or_default(),
        affinity: common.pods.affinity.as_ref().map(|given| affinity(service, given)).transpose()?,
        pods: common.pods,
    })
}

/// The affinity in Kubernetes' own type. What that doesn't know would be dropped without a word.
fn affinity(service: FoodService, given: &Value) -> Result<Affinity, InvalidPlatform> {
    let invalid = |reason: String| InvalidPlatform::Affinity { service, reason };
    let affinity: Affinity = serde_json::from_value(given.clone()).map_err(|error| invalid(error.to_string()))?;
    let read = serde_json::to_value(&affinity).map_err(|error| invalid(error.to_string()))?;
    match unknown("affinity", given, &read) {
        None => Ok(affinity),
        Some(path) => Err(invalid(format!("Kubernetes knows no {path}"))),
    }
}

/// The path of the first part of `given` that is not in `read`. Null is no part.
fn unknown(path: &str, given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(key, value)| match read.get(key) {
            Some(read) => unknown(&format!("{path}.{key}"), value, read),
            None if value.is_null() => None,
            None => Some(format!("{path}.{key}")),
        }),
        (Value::Array(given), Value::Array(read)) => {
            given.iter().zip(read).find_map(|(given, read)| unknown(&format!("{path}[]"), given, read))
        }
        _ => None,
    }
}

fn gateway(spec: GatewaySpec) -> Gateway {
    let has_a_way_in = spec.ingress.is_some() || spec.http_route.is_some();
    Gateway {
        type_: spec.type_.unwrap_or(if has_a_way_in { GatewayType::ClusterIP } else { GatewayType::LoadBalancer }),
        node_port: spec.node_port,
        annotations: spec.annotations.unwrap_or_default(),
        ingress: spec.ingress,
        http_route: spec.http_route,
    }
}

fn replicas(service: FoodService, spec: &ServiceSpec) -> Result<Replicas, InvalidPlatform> {
    match (spec.replicas, &spec.autoscaling) {
        (Some(_), Some(_)) => Err(InvalidPlatform::ReplicasAndAutoscaling(service)),
        (Some(replicas), None) => Ok(Replicas::Fixed(replicas)),
        (None, None) => Ok(Replicas::Anyones),
        (None, Some(spec)) => autoscaling(service, spec).map(Replicas::Automatic),
    }
}

fn autoscaling(service: FoodService, spec: &AutoscalingSpec) -> Result<Autoscaling, InvalidPlatform> {
    let min = spec.min_replicas.unwrap_or(defaults::MIN_REPLICAS);
    if min > spec.max_replicas {
        return Err(InvalidPlatform::MinAboveMax(service));
    }
    Ok(Autoscaling {
        min,
        max: spec.max_replicas,
        target_cpu_utilization: spec.target_cpu_utilization_percentage.unwrap_or(defaults::TARGET_CPU_UTILIZATION),
        behavior: spec.behavior.clone(),
    })
}

fn logs(spec: &LogsSpec) -> Result<Logs, InvalidPlatform> {
    let quantity = |field: &str, text: &str| {
        text.parse::<Quantity>().map_err(|source| InvalidPlatform::Quantity { field: format!("logs.{field}"), source })
    };
    let volume = match &spec.volume {
        None => None,
        Some(volume) => {
            let mut access_modes = volume.access_modes.clone().unwrap_or_else(|| defaults::LOG_ACCESS_MODES.to_vec());
            // The apiserver keeps the order that it is given: ours is always the same.
            access_modes.sort_unstable();
            Some(LogVolume {
                storage_class_name: volume.storage_class_name.clone(),
                size: quantity("volume.size", volume.size.as_deref().unwrap_or(defaults::LOG_VOLUME_SIZE))?,
                access_modes,
                retention: volume.retention.unwrap_or_default(),
            })
        }
    };
    let max_total_size = match (&spec.max_total_size, &volume) {
        (Some(size), _) => quantity("maxTotalSize", size)?.ceil(),
        // Room for what is written between two rounds of cleaning up.
        (None, Some(volume)) => volume.size.ceil() / 5 * 4,
        (None, None) => quantity("maxTotalSize", defaults::LOG_MAX_TOTAL_SIZE)?.ceil(),
    };
    Ok(Logs {
        level: spec.level.clone().unwrap_or_else(|| defaults::LOG_LEVEL.to_owned()),
        max_files: spec.max_files.unwrap_or(defaults::LOG_MAX_FILES),
        max_total_size,
        volume,
    })
}
