//! Where the gateway is reached. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;

use crate::{
    api::FoodService,
    build::{Gateway, labels},
    controller::pods,
};

/// The gateway's URL as far as it is known: that of its Ingress, the host of its HTTPRoute, the load balancer's address, a node's with a pod of the gateway, or the name
/// inside the cluster. `previous` is kept while it is as good as any other.
pub(super) fn endpoint(
    gateway: &Gateway,
    service: &Service,
    pods: &[Arc<Pod>],
    previous: Option<&str>,
) -> Option<String> {
    if let Some(ingress) = &gateway.ingress {
        let scheme = if ingress.tls_secret_name.is_some() { "https" } else { "http" };
        return Some(format!("{scheme}://{}", ingress.host));
    }
    // Which of its listeners has which port and which certificate is the Gateway's own.
    if let Some(host) = gateway.http_route.as_ref().and_then(|route| route.hostnames.as_ref()?.first()) {
        return Some(host.clone());
    }
    let spec = service.spec.as_ref()?;
    let port = spec.ports.as_ref()?.first()?;
    match spec.type_.as_deref() {
        Some("LoadBalancer") => {
            let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?;
            Some(url(ingress.hostname.as_deref().or(ingress.ip.as_deref())?, port.port))
        }
        Some("NodePort") => {
            // Any node would do. Those with a pod are known without a permission to read nodes, and serve whatever the
            // Service's traffic policy is.
            let node_port = port.node_port?;
            let mut urls: Vec<_> = pods
                .iter()
                .filter(|pod| pods::is(pod, FoodService::Gateway, labels::ROLE_SERVE) && pods::is_ready(pod))
                .filter_map(|pod| Some(url(pod.status.as_ref()?.host_ip.as_deref()?, node_port)))
                .collect();
            urls.sort();
            let kept = urls.iter().find(|url| previous == Some(url.as_str())).cloned();
            kept.or_else(|| urls.into_iter().next())
                // Between two pods: the node is still there.
                .or_else(|| previous.filter(|url| url.ends_with(&format!(":{node_port}"))).map(str::to_owned))
        }
        _ => Some(url(&format!("{}.{}.svc", service.name_any(), service.namespace()?), port.port)),
    }
}

fn url(host: &str, port: i32) -> String {
    if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::build::Platform;

    fn service(spec: &Value, status: &Value) -> Service {
        let service = json!({
            "metadata": { "name": "q-gateway", "namespace": "food" }, "spec": spec, "status": status,
        });
        serde_json::from_value(service).unwrap()
    }

    fn gateway(spec: &Value) -> Gateway {
        let platform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "q", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "gateway": spec,
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }));
        Platform::new(&platform.unwrap()).unwrap().gateway
    }

    fn at(service: &Service, pods: &[Arc<Pod>], previous: Option<&str>) -> Option<String> {
        endpoint(&gateway(&json!({})), service, pods, previous)
    }

    #[test]
    fn an_ingress_or_a_route_is_the_way_in() {
        let service = service(&json!({ "type": "ClusterIP", "ports": [{ "port": 8080 }] }), &json!({}));
        let through = |spec: Value| endpoint(&gateway(&spec), &service, &[], None).unwrap();
        let ingress = json!({ "host": "shop.example" });
        assert_eq!(through(json!({ "ingress": ingress })), "http://shop.example");
        let ingress = json!({ "host": "shop.example", "tlsSecretName": "shop" });
        assert_eq!(through(json!({ "ingress": ingress })), "https://shop.example");
        let route = json!({ "parentRefs": [{ "name": "web" }], "hostnames": ["shop.example"] });
        assert_eq!(through(json!({ "httpRoute": route })), "shop.example");
        let route = json!({ "parentRefs": [{ "name": "web" }] });
        assert_eq!(through(json!({ "httpRoute": route })), "http://q-gateway.food.svc:8080");
    }

    fn pod(host: &str) -> Arc<Pod> {
        let pod = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "gateway", "foodplatform.dev/role": "serve" } },
            "status": { "hostIP": host, "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_load_balancer_is_known_once_it_has_an_address() {
        let spec = json!({ "type": "LoadBalancer", "ports": [{ "port": 8080 }] });
        assert_eq!(at(&service(&spec, &json!({})), &[], None), None);
        let status = json!({ "loadBalancer": { "ingress": [{ "hostname": "lb.example" }] } });
        assert_eq!(at(&service(&spec, &status), &[], None).as_deref(), Some("http://lb.example:8080"));
        let status = json!({ "loadBalancer": { "ingress": [{ "ip": "2001:db8::1" }] } });
        assert_eq!(at(&service(&spec, &status), &[], None).as_deref(), Some("http://[2001:db8::1]:8080"));
    }

    #[test]
    fn a_node_port_is_at_a_node_with_a_pod_and_does_not_jump_about() {
        let spec = json!({ "type": "NodePort", "ports": [{ "port": 8080, "nodePort": 30080 }] });
        let service = service(&spec, &json!({}));
        let pods = [pod("10.0.0.2"), pod("10.0.0.1")];
        assert_eq!(at(&service, &[], None), None);
        assert_eq!(at(&service, &pods, None).as_deref(), Some("http://10.0.0.1:30080"));
        let previous = Some("http://10.0.0.2:30080");
        assert_eq!(at(&service, &pods, previous).as_deref(), previous);
        assert_eq!(at(&service, &[], previous).as_deref(), previous);
        assert_eq!(at(&service, &[], Some("http://10.0.0.2:31000")), None);
    }

    #[test]
    fn inside_the_cluster_it_is_a_name() {
        let spec = json!({ "type": "ClusterIP", "ports": [{ "port": 8080 }] });
        let url = at(&service(&spec, &json!({})), &[], None);
        assert_eq!(url.as_deref(), Some("http://q-gateway.food.svc:8080"));
    }
}
