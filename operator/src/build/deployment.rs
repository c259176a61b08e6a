//! The Deployment of a service.

use std::{iter, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, Lifecycle, LifecycleHandler,
            PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, Probe, SleepAction, TopologySpreadConstraint,
            Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity as ApiQuantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString,
    },
};

use super::{
    Dereferenced, cancellation_tokens, labels, names,
    platform::{Platform, Replicas, ServiceSettings},
    pod,
    quantity::Quantity,
};
use crate::api::ProbeSpec;

/// How long a pod that is to end goes on serving, in seconds, while its address is taken out everywhere.
const PRE_STOP_SECONDS: i64 = 5;
/// How long a service takes at most to finish what it has begun, in seconds.
pub(super) const DRAIN_SECONDS: i64 = 20;
/// How long a pod has from being told to end until it is killed: the two above and some air.
const GRACE_SECONDS: i64 = PRE_STOP_SECONDS + DRAIN_SECONDS + 5;
/// How long a stuck process has: it won't finish anything.
const LIVENESS_GRACE_SECONDS: i64 = 5;
/// Where the log files are written.
const LOG_DIR: &str = "/var/log/foodplatform";
/// The volume that holds them.
const LOG_VOLUME: &str = "logs";
/// The checksum of the ConfigMap that the pods were started with.
const CONFIG_CHECKSUM: &str = "foodplatform.dev/config-checksum";
/// The checksum of the secrets that the pods were started with.
pub const SECRET_CHECKSUM: &str = "foodplatform.dev/secret-checksum";
/// The checksum of what they show to Kafka.
pub const KAFKA_CHECKSUM: &str = "foodplatform.dev/kafka-checksum";

pub(super) fn build(
    platform: &Platform,
    settings: &ServiceSettings,
    config_checksum: &str,
    dereferenced: &Dereferenced,
) -> Deployment {
    // A pod reads its environment once: it is replaced when that changes.
    let mut annotations = settings.pods.annotations.clone().unwrap_or_default();
    annotations.insert(CONFIG_CHECKSUM.to_owned(), config_checksum.to_owned());
    if let Some(database) = dereferenced.databases.get(&settings.service) {
        annotations.insert(SECRET_CHECKSUM.to_owned(), database.checksum.clone());
    }
    if let Some(checksum) = &dereferenced.kafka_checksum {
        annotations.insert(KAFKA_CHECKSUM.to_owned(), checksum.clone());
    }
    Deployment {
        metadata: labels::metadata(platform, settings, names::child(&platform.name, settings.service)),
        spec: Some(DeploymentSpec {
            replicas: match settings.replicas {
                Replicas::Fixed(replicas) => Some(replicas),
                Replicas::Anyones | Replicas::Automatic(_) => None,
            },
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(in_seconds(platform.progress_deadline)),
            selector: labels::label_selector(platform, settings.service),
            // Never fewer pods than wanted: a new one is ready before an old one ends.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::of_pod(platform, settings, labels::ROLE_SERVE)),
                    annotations: Some(annotations),
                    ..Default::default()
                }),
                spec: Some(pod_spec(platform, settings)),
            },
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Rounded up, for no time at all would be a failure at once.
fn in_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn pod_spec(platform: &Platform, settings: &ServiceSettings) -> PodSpec {
    let tokens = cancellation_tokens::mounted(platform, settings.service).map(|(volume, ..)| volume);
    let certificates = platform.kafka_security.mounted().map(|(volume, _)| volume);
    let mut common = pod::spec(platform, settings, container(platform, settings));
    let others = common.volumes.take().into_iter().flatten();
    let volumes = iter::once(log_volume(platform, settings)).chain(tokens).chain(certificates).chain(others);
    PodSpec {
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        topology_spread_constraints: Some(
            ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
                .map(|topology| TopologySpreadConstraint {
                    max_skew: 1,
                    topology_key: topology.to_owned(),
                    when_unsatisfiable: "ScheduleAnyway".to_owned(),
                    label_selector: Some(labels::label_selector(platform, settings.service)),
                    ..Default::default()
                })
                .to_vec(),
        ),
        volumes: Some(volumes.collect()),
        ..common
    }
}

fn container(platform: &Platform, settings: &ServiceSettings) -> Container {
    let port = |name: &str, port| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    };
    let mut container = Container {
        ports: Some(vec![port(pod::HTTP, pod::HTTP_PORT), port(pod::ADMIN, pod::ADMIN_PORT)]),
        // Asked each second, so that a pod that is up in a blink serves as soon; five minutes for one that waits for
        // the database or for its migrations.
        startup_probe: Some(probe("/readyz", settings.probes.startup.as_ref(), 1, 300)),
        readiness_probe: Some(probe("/readyz", settings.probes.readiness.as_ref(), 5, 2)),
        liveness_probe: Some(Probe {
            termination_grace_period_seconds: Some(LIVENESS_GRACE_SECONDS),
            ..probe("/healthz", settings.probes.liveness.as_ref(), 10, 3)
        }),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: PRE_STOP_SECONDS }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..pod::container(platform, settings, "serve")
    };
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.push(VolumeMount { name: LOG_VOLUME.to_owned(), mount_path: LOG_DIR.to_owned(), ..Default::default() });
    // Beside the mount, and not in the ConfigMap, which the migration's pod reads too: it has no such directory.
    container.env.get_or_insert_default().push(EnvVar {
        name: "LOG_DIR".to_owned(),
        value: Some(LOG_DIR.to_owned()),
        ..Default::default()
    });
    container.env.get_or_insert_default().extend(platform.kafka_security.environment());
    container.volume_mounts.get_or_insert_default().extend(platform.kafka_security.mounted().map(|(_, mount)| mount));
    if let Some((_, mount, variable)) = cancellation_tokens::mounted(platform, settings.service) {
        container.volume_mounts.get_or_insert_default().push(mount);
        container.env.get_or_insert_default().push(variable);
    }
    container
}

/// A probe as `wanted`, over a period and a threshold of ours.
fn probe(path: &str, wanted: Option<&ProbeSpec>, period_seconds: i32, failure_threshold: i32) -> Probe {
    let wanted = wanted.cloned().unwrap_or_default();
    let period_seconds = wanted.period_seconds.unwrap_or(period_seconds);
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(pod::ADMIN.to_owned()),
            ..Default::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(wanted.timeout_seconds.unwrap_or(period_seconds.min(3))),
        failure_threshold: Some(wanted.failure_threshold.unwrap_or(failure_threshold)),
        ..Default::default()
    }
}

fn log_volume(platform: &Platform, settings: &ServiceSettings) -> Volume {
    let volume = Volume { name: LOG_VOLUME.to_owned(), ..Default::default() };
    if platform.logs.volume.is_some() {
        return Volume {
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: names::log_claim(&platform.name, settings.service),
                ..Default::default()
            }),
            ..volume
        };
    }
    // A pod that goes over the limit is evicted: the service's own cap has to come long before.
    let limit = Quantity::bytes(platform.logs.max_total_size.saturating_mul(2));
    Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(ApiQuantity(limit.to_string())),
            ..Default::default()
        }),
        ..volume
    }
}
