//! What the pods of Deployments and of migration Jobs have in common.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, Container, EnvFromSource, EnvVar, EnvVarSource, LocalObjectReference,
    ObjectFieldSelector, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Toleration as ApiToleration,
    Volume, VolumeMount,
};

use super::{
    database::DatabaseSecrets,
    names,
    platform::{Platform, ServiceSettings},
};
use crate::api::{TaintEffect, Toleration, TolerationOperator, Variable};

/// The port of the public API.
pub(super) const HTTP_PORT: i32 = 8080;
/// That port's name.
pub(super) const HTTP: &str = "http";
/// The port of health and metrics.
pub const ADMIN_PORT: i32 = 9090;
/// That port's name.
pub(super) const ADMIN: &str = "admin";
/// The user and group of the images; log claims belong to that group.
const USER: i64 = 65532;

/// The one container of a service's pod, running `command` of its image.
pub(super) fn container(platform: &Platform, settings: &ServiceSettings, command: &str) -> Container {
    Container {
        name: settings.service.to_string(),
        image: Some(settings.image.clone()),
        image_pull_policy: platform.pull_policy.map(|policy| policy.as_str().to_owned()),
        args: Some(vec![command.to_owned()]),
        env: Some(environment(settings)),
        volume_mounts: mounted(settings).map(|(_, mount)| vec![mount]),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource {
                name: names::child(&platform.name, settings.service),
                ..Default::default()
            }),
            ..Default::default()
        }]),
        resources: Some(settings.resources.clone()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Default::default() }),
            read_only_root_filesystem: Some(true),
            ..Default::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Default::default()
    }
}

/// A hardened pod around `container`.
pub(super) fn spec(platform: &Platform, settings: &ServiceSettings, container: Container) -> PodSpec {
    PodSpec {
        containers: vec![container],
        volumes: mounted(settings).map(|(volume, _)| vec![volume]),
        service_account_name: Some(names::child(&platform.name, settings.service)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: pull_secrets(platform),
        node_selector: settings.pods.node_selector.clone(),
        tolerations: settings.pods.tolerations.as_ref().map(|wanted| wanted.iter().map(toleration).collect()),
        affinity: settings.affinity.clone(),
        priority_class_name: settings.pods.priority_class_name.clone(),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // Not at each start through all the log files.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The files that go with the database.
fn mounted(settings: &ServiceSettings) -> Option<(Volume, VolumeMount)> {
    settings.database.as_ref()?.mounted()
}

fn toleration(wanted: &Toleration) -> ApiToleration {
    ApiToleration {
        key: wanted.key.clone(),
        operator: wanted.operator.map(|operator| match operator {
            TolerationOperator::Equal => "Equal".to_owned(),
            TolerationOperator::Exists => "Exists".to_owned(),
        }),
        value: wanted.value.clone(),
        effect: wanted.effect.map(|effect| match effect {
            TaintEffect::NoSchedule => "NoSchedule".to_owned(),
            TaintEffect::PreferNoSchedule => "PreferNoSchedule".to_owned(),
            TaintEffect::NoExecute => "NoExecute".to_owned(),
        }),
        toleration_seconds: wanted.toleration_seconds,
    }
}

/// What the ConfigMap can't hold: the pod's own name, and the database's URL, which is a secret. And what goes before the
/// ConfigMap.
fn environment(settings: &ServiceSettings) -> Vec<EnvVar> {
    let pod_name = EnvVar {
        name: "POD_NAME".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { field_path: "metadata.name".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut environment = vec![pod_name];
    environment.extend(settings.database.iter().flat_map(DatabaseSecrets::environment));
    for Variable { name, value } in settings.pods.env.iter().flatten() {
        environment.push(EnvVar { name: name.clone(), value: Some(value.clone()), ..Default::default() });
    }
    environment
}

fn pull_secrets(platform: &Platform) -> Option<Vec<LocalObjectReference>> {
    let secrets = platform.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() });
    (!platform.pull_secrets.is_empty()).then(|| secrets.collect())
}
