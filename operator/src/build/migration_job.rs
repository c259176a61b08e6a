//! The Job that brings a service's schema to what its image expects, ahead of the new pods.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{PodSpec, PodTemplateSpec},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    DatabaseSecrets, Dereferenced, checksum, labels, names,
    platform::{Platform, ServiceSettings},
    pod,
};
use crate::api::Mesh;

/// The checksum of the pod template that a Job was made with.
pub const TEMPLATE_CHECKSUM: &str = "foodplatform.dev/template-checksum";

pub(super) fn build(
    platform: &Platform,
    settings: &ServiceSettings,
    database: &DatabaseSecrets,
    dereferenced: &Dereferenced,
) -> Job {
    let service = settings.service;
    let schema = names::schema(&platform.namespace, &platform.name, service);
    let known = dereferenced.databases.get(&service).map_or("", |known| &known.checksum);
    // The image and the database: what is asked of a migration. The rest of the Job may differ from one that has completed
    // without it having to run again.
    let name = names::migration_job(
        &platform.name,
        service,
        &[&[settings.image.as_str(), schema.as_str()], &database.parts()[..], &[known]].concat(),
    );
    let mut its_labels = labels::of_pod(platform, settings, labels::ROLE_MIGRATE);
    if platform.mesh == Mesh::Istio {
        // A proxy beside it might run on when it has ended, so that the Job would never complete.
        its_labels.entry("sidecar.istio.io/inject".to_owned()).or_insert_with(|| "false".to_owned());
    }
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(its_labels),
            annotations: settings.pods.annotations.clone(),
            ..Default::default()
        }),
        spec: Some(PodSpec {
            restart_policy: Some("OnFailure".to_owned()),
            ..pod::spec(platform, settings, pod::container(platform, settings, "migrate"))
        }),
    };
    let annotations = BTreeMap::from([(TEMPLATE_CHECKSUM.to_owned(), checksum::template(&template))]);
    Job {
        metadata: ObjectMeta { annotations: Some(annotations), ..labels::metadata(platform, settings, name) },
        spec: Some(JobSpec {
            // It waits for the database as long as that takes: the kubelet starts the container again, at longer and
            // longer intervals of up to five minutes.
            backoff_limit: Some(i32::MAX),
            template,
            ..Default::default()
        }),
        ..Default::default()
    }
}
