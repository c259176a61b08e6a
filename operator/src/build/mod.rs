//! From a validated platform to the objects that it is made of. Pure functions, no client, no clock.
//!
//! The controller's pipeline uses this module in three steps:
//!
//! 1. [`Platform::new`] checks a `FoodPlatform` and fills in the defaults, in memory.
//! 2. [`children`] builds every child of it, in the order in which they are applied.
//! 3. [`Platform::topics`] are the Kafka topics that it wants, each a [`WantedTopic`].
//!
//! Builders say only what they mean and say it in the apiserver's own canonical form (`1Gi`, `500m`), so that comparing
//! a built child with the live one as a subset finds differences only where there are some.

mod cancellation_tokens;
pub mod checksum;
mod child;
mod circuit_breaker;
mod config_map;
mod database;
mod deployment;
mod destination_rule;
mod hpa;
mod http_route;
mod ingress;
mod invalid;
mod kafka_security;
pub(crate) mod kafka_topic;
pub mod labels;
pub(crate) mod managed_fields;
mod migration_job;
pub mod names;
mod network_policy;
mod pdb;
pub mod platform;
mod pod;
pub mod pvc;
pub mod quantity;
mod resources;
mod secret;
mod service;
mod service_account;
pub mod topic_records;
pub mod topics;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kube::core::ApiResource;

pub use cancellation_tokens::CancellationTokens;
pub use child::{ApplyMode, Child};
pub use database::DatabaseSecrets;
pub use deployment::{KAFKA_CHECKSUM, SECRET_CHECKSUM};
pub use invalid::InvalidPlatform;
pub use kafka_security::{KafkaCredentials, KafkaSecurity, SaslCredentials, TlsCredentials};
pub use migration_job::TEMPLATE_CHECKSUM;
pub use network_policy::Traffic;
pub use platform::{Autoscaling, Gateway, LogVolume, Logs, Platform, Replicas, ServiceSettings};
pub use pod::ADMIN_PORT;
pub use secret::Missing;
pub use topic_records::{Record, Records};
pub use topics::WantedTopic;

use crate::api::{FoodService, Mesh};

/// The field manager of everything that the operator applies.
pub const FIELD_MANAGER: &str = "foodplatform-operator";

/// What the controller read from the cluster and the children depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dereferenced {
    /// Those of the services that have one, as far as they are known.
    pub databases: BTreeMap<FoodService, Database>,
    /// [`KafkaCredentials::checksum`]: pods roll when it changes; none where nothing is secret.
    pub kafka_checksum: Option<String>,
}

impl Dereferenced {
    /// What is known where all services keep their data in this database, and nothing that Kafka wants is secret.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        let services = FoodService::ALL.into_iter().filter(|service| service.has_database());
        Self { databases: services.map(|service| (service, database.clone())).collect(), kafka_checksum: None }
    }
}

/// What is known of a service's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// [`checksum::secret`] of its URL. Pods roll and migrations run again when it changes.
    pub checksum: String,
    /// The port of that URL; none where it isn't known.
    pub port: Option<u16>,
}

/// Every child of a platform, in the three groups in which they are applied. A group is applied when the one before it
/// is; within a group the order is the one that is built.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// What pods need to be there first: ServiceAccounts, ConfigMaps, Services, PersistentVolumeClaims,
    /// PodDisruptionBudgets, NetworkPolicies.
    pub foundations: Vec<Child>,
    /// One Job for each service with a database. A service's Deployment is applied only when its Job (see
    /// [`Children::migration_of`]) has completed: new pods never meet an old schema.
    ///
    /// A Job never gives up by itself (its container is restarted with the kubelet's back-off), so that it heals when
    /// the database is back.
    pub migrations: Vec<Child>,
    /// Deployments, HorizontalPodAutoscalers, and what leads to the pods: Ingress, HTTPRoute, DestinationRules.
    pub workloads: Vec<Child>,
}

impl Children {
    /// All children, in the order in which they are applied.
    pub fn iter(&self) -> impl Iterator<Item = &Child> {
        self.foundations.iter().chain(&self.migrations).chain(&self.workloads)
    }

    /// The migration Job that has to complete before `service`'s Deployment is applied; none for a service without a
    /// database.
    pub fn migration_of(&self, service: FoodService) -> Option<&Child> {
        self.migrations.iter().find(|job| job.service == service)
    }
}

/// Builds every child of `platform`.
pub fn children(platform: &Platform, dereferenced: &Dereferenced) -> Children {
    let mut foundations = Vec::new();
    let mut migrations = Vec::new();
    let mut workloads = Vec::new();
    for settings in &platform.services {
        let config = config_map::build(platform, settings);
        let config_checksum = checksum::config_map(&config);
        foundations.push(Child::new(settings.service, service_account::build(platform, settings)));
        foundations.push(Child::new(settings.service, config));
        foundations.push(Child::new(settings.service, service::build(platform, settings)));
        if let Some(volume) = &platform.logs.volume {
            foundations.push(Child::new(settings.service, pvc::build(platform, settings, volume)));
        }
        foundations.push(Child::new(settings.service, pdb::build(platform, settings)));
        let policies = network_policy::build(platform, settings, dereferenced);
        foundations.extend(policies.into_iter().map(|policy| Child::new(settings.service, policy)));
        if let Some(database) = &settings.database {
            let job = migration_job::build(platform, settings, database, dereferenced);
            migrations.push(Child::create_once(settings.service, job));
        }
        workloads
            .push(Child::new(settings.service, deployment::build(platform, settings, &config_checksum, dereferenced)));
        if let Replicas::Automatic(autoscaling) = &settings.replicas {
            workloads.push(Child::new(settings.service, hpa::build(platform, settings, autoscaling)));
        }
        workloads.extend(ways_in(platform, settings));
    }
    Children { foundations, migrations, workloads }
}

/// What leads to the pods of a service.
fn ways_in(platform: &Platform, settings: &ServiceSettings) -> Vec<Child> {
    let service = settings.service;
    if service != FoodService::Gateway {
        let rule =
            || Child::foreign(service, destination_rule::resource(), destination_rule::build(platform, settings));
        return (platform.mesh == Mesh::Istio).then(rule).into_iter().collect();
    }
    let ingress = platform.gateway.ingress.as_ref();
    let ingress = ingress.map(|wanted| Child::new(service, ingress::build(platform, settings, wanted)));
    let route = platform.gateway.http_route.as_ref();
    let route = route
        .map(|wanted| Child::foreign(service, http_route::resource(), http_route::build(platform, settings, wanted)));
    ingress.into_iter().chain(route).collect()
}

/// The kinds that [`children`] may build and that not every cluster has.
pub fn optional_kinds() -> Vec<ApiResource> {
    vec![http_route::resource(), destination_rule::resource()]
}

/// The kinds that [`children`] may build and that every cluster has: what the controller watches and what pruning looks
/// through.
pub fn kinds() -> Vec<ApiResource> {
    use k8s_openapi::api::{apps::v1, autoscaling::v2, batch, core, networking, policy};
    fn of<K: kube::Resource<DynamicType = ()>>() -> ApiResource {
        ApiResource::erase::<K>(&())
    }
    vec![
        of::<core::v1::ServiceAccount>(),
        of::<core::v1::ConfigMap>(),
        of::<core::v1::Service>(),
        of::<core::v1::PersistentVolumeClaim>(),
        of::<policy::v1::PodDisruptionBudget>(),
        of::<networking::v1::NetworkPolicy>(),
        of::<batch::v1::Job>(),
        of::<v1::Deployment>(),
        of::<v2::HorizontalPodAutoscaler>(),
        of::<networking::v1::Ingress>(),
    ]
}
