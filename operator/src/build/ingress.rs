//! The Ingress that leads to the gateway, where one is asked for.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
    pod,
};
use crate::api;

pub(super) fn build(platform: &Platform, settings: &ServiceSettings, wanted: &api::IngressSpec) -> Ingress {
    let name = names::child(&platform.name, settings.service);
    let mut metadata = labels::metadata(platform, settings, name.clone());
    metadata.annotations.clone_from(&wanted.annotations);
    let service = IngressServiceBackend {
        name,
        port: Some(ServiceBackendPort { name: Some(pod::HTTP.to_owned()), ..Default::default() }),
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend { service: Some(service), ..Default::default() },
    };
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(wanted.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: wanted.tls_secret_name.as_ref().map(|secret| {
                vec![IngressTLS { hosts: Some(vec![wanted.host.clone()]), secret_name: Some(secret.clone()) }]
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
