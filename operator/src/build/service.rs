//! The Service of a service: headless, since callers in the platform choose among the pods themselves, but for the
//! gateway's, which is how the platform is reached.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    labels, names,
    platform::{Platform, ServiceSettings},
    pod,
};
use crate::api::FoodService;

pub(super) fn build(platform: &Platform, settings: &ServiceSettings) -> Service {
    let mut metadata = labels::metadata(platform, settings, names::child(&platform.name, settings.service));
    let mut spec = ServiceSpec {
        selector: Some(labels::selector(platform, settings.service)),
        type_: Some("ClusterIP".to_owned()),
        ..Default::default()
    };
    let mut port = ServicePort {
        name: Some(pod::HTTP.to_owned()),
        protocol: Some("TCP".to_owned()),
        port: pod::HTTP_PORT,
        target_port: Some(IntOrString::String(pod::HTTP.to_owned())),
        ..Default::default()
    };
    if settings.service == FoodService::Gateway {
        let gateway = &platform.gateway;
        spec.type_ = Some(gateway.type_.as_str().to_owned());
        port.node_port = gateway.node_port;
        if !gateway.annotations.is_empty() {
            metadata.annotations = Some(gateway.annotations.clone());
        }
    } else {
        spec.cluster_ip = Some("None".to_owned());
    }
    spec.ports = Some(vec![port]);
    Service { metadata, spec: Some(spec), ..Default::default() }
}
