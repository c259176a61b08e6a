//! The objects that every local cluster has: what its add-ons need, and the Services by which pods reach Kafka and PostgreSQL.

use serde_json::{Value, json};

use crate::{Instance, addons::METRICS_PORT, cluster::Dependencies, provisioner};

/// One List of everything, to be applied.
pub(crate) fn all(instance: &Instance) -> Value {
    let dependencies = Dependencies::NAMESPACE;
    let mut items = vec![
        json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": provisioner::CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": provisioner::PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        }),
        json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": {"name": "metrics-server", "namespace": "kube-system"},
            },
        }),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": dependencies}}),
    ];
    items.extend(service(instance, "kube-system", "metrics-server", None, 443, METRICS_PORT));
    items.extend(service(
        instance,
        dependencies,
        "kafka",
        Some("None"),
        Dependencies::KAFKA_PORT,
        Dependencies::KAFKA_PORT,
    ));
    items.extend(service(
        instance,
        dependencies,
        "postgresql",
        Some("None"),
        Dependencies::POSTGRES_PORT,
        Dependencies::POSTGRES_PORT,
    ));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A Service without selector and its one endpoint, a port of the node.
fn service(
    instance: &Instance,
    namespace: &str,
    name: &str,
    cluster_ip: Option<&str>,
    port: u16,
    target: u16,
) -> [Value; 2] {
    let mut spec = json!({"ports": [{"port": port, "targetPort": target}]});
    if let Some(address) = cluster_ip {
        spec["clusterIP"] = json!(address);
    }
    [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}),
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-node"),
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "ports": [{"port": target}],
            "endpoints": [{"addresses": [instance.node_address()], "conditions": {"ready": true}}],
        }),
    ]
}
