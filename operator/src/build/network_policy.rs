//! The NetworkPolicies of a service: first nothing, then exactly the platform's paths. One for the pods that serve, and
//! one for those that migrate, which need the database and nothing else.

use std::{collections::BTreeMap, iter};

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde_json::json;

use super::{
    Dereferenced, config_map,
    invalid::InvalidPlatform,
    labels, names,
    platform::{Platform, ServiceSettings},
    pod,
};
use crate::api::{self, EgressPeer, FoodService, Mesh, MetricsPeer, defaults};

const DNS_PORT: i32 = 53;
/// Where Istio's control plane tells sidecars what to do.
const ISTIO_PORT: i32 = 15012;

/// Which traffic pods may have besides the platform's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The ports of the brokers to ask first, each once.
    pub kafka_ports: Vec<u16>,
    /// Whom they may reach outside of the platform, besides DNS; none: any address, at the ports of Kafka and database.
    pub egress: Option<Vec<EgressPeer>>,
    /// Who may read their metrics.
    pub metrics_from: Vec<MetricsPeer>,
}

impl Traffic {
    /// What the spec means; none where there are to be no policies.
    pub(super) fn new(
        spec: Option<&api::NetworkPolicySpec>,
        bootstrap_servers: &str,
    ) -> Result<Option<Self>, InvalidPlatform> {
        let spec = spec.cloned().unwrap_or_default();
        if !spec.enabled.unwrap_or(defaults::NETWORK_POLICIES) {
            return Ok(None);
        }
        Ok(Some(Self {
            kafka_ports: ports(bootstrap_servers)?,
            egress: spec.egress,
            metrics_from: spec.metrics_from.unwrap_or_default(),
        }))
    }
}

/// The ports of `host:port,host:port`, each once.
fn ports(bootstrap_servers: &str) -> Result<Vec<u16>, InvalidPlatform> {
    let mut ports = Vec::new();
    for server in bootstrap_servers.split(',') {
        let port = server.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).filter(|port| *port > 0);
        let port = port.ok_or_else(|| InvalidPlatform::BootstrapServer(server.to_owned()))?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    Ok(ports)
}

/// The policies of a service. None where there are to be none, or while it isn't known at which port its database is:
/// one without that port would cut off what runs.
pub(super) fn build(
    platform: &Platform,
    settings: &ServiceSettings,
    dereferenced: &Dereferenced,
) -> Vec<NetworkPolicy> {
    let Some(traffic) = &platform.traffic else { return Vec::new() };
    let service = settings.service;
    let database_port = dereferenced.databases.get(&service).and_then(|database| database.port);
    if service.has_database() && database_port.is_none() {
        return Vec::new();
    }
    let to_serve = traffic.kafka_ports.iter().copied().chain(database_port).collect();
    let serving = policy(
        platform,
        settings,
        labels::ROLE_SERVE,
        ingress(platform, service, &traffic.metrics_from),
        called(platform, service),
        outside(platform, traffic, to_serve),
    );
    let migrating = database_port.map(|port| {
        let outside = outside(platform, traffic, vec![port]);
        policy(platform, settings, labels::ROLE_MIGRATE, Vec::new(), None, outside)
    });
    iter::once(serving).chain(migrating).collect()
}

/// The policy of the pods of a service with one role.
///
/// What leads outside is part of its name. So when the database moves to another port, a new policy is added, and the
/// pods that still use the old port keep theirs until they are gone.
fn policy(
    platform: &Platform,
    settings: &ServiceSettings,
    role: &str,
    ingress: Vec<NetworkPolicyIngressRule>,
    called: Option<NetworkPolicyEgressRule>,
    outside: Vec<NetworkPolicyEgressRule>,
) -> NetworkPolicy {
    let name = names::network_policy(&platform.name, settings.service, role, &json!(outside).to_string());
    NetworkPolicy {
        metadata: labels::metadata(platform, settings, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods(labels::selector_of(platform, settings.service, role))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: Some(iter::once(dns()).chain(called).chain(outside).collect()),
        }),
    }
}

/// What reaches a service's serving pods. The kubelet's probes come from the node, which every policy lets through.
fn ingress(platform: &Platform, service: FoodService, metrics_from: &[MetricsPeer]) -> Vec<NetworkPolicyIngressRule> {
    let callers = match service {
        // It is the one way in, for anyone.
        FoodService::Gateway => None,
        _ => {
            let calls = |caller: &FoodService| config_map::calls(*caller).iter().any(|(_, called)| *called == service);
            Some(FoodService::ALL.into_iter().filter(calls).map(|caller| serving(platform, caller)).collect())
        }
    };
    let from = |from, port| NetworkPolicyIngressRule { from, ports: Some(vec![tcp(port)]) };
    let mut rules = vec![from(callers, pod::HTTP_PORT)];
    if !metrics_from.is_empty() {
        let reader = |reader: &MetricsPeer| peer(reader.cidr.as_ref(), &reader.namespace_labels, &reader.pod_labels);
        let readers = metrics_from.iter().map(reader).collect();
        rules.push(from(Some(readers), pod::ADMIN_PORT));
    }
    rules
}

/// The way to the services that a service calls.
fn called(platform: &Platform, service: FoodService) -> Option<NetworkPolicyEgressRule> {
    let called: Vec<_> = config_map::calls(service).iter().map(|(_, called)| serving(platform, *called)).collect();
    (!called.is_empty()).then(|| to(called, vec![tcp(pod::HTTP_PORT)]))
}

/// The ways outside, for pods that use what listens at `ports`.
fn outside(platform: &Platform, traffic: &Traffic, ports: Vec<u16>) -> Vec<NetworkPolicyEgressRule> {
    let mut rules: Vec<_> = match &traffic.egress {
        Some(peers) => peers.iter().map(to_peer).collect(),
        None => vec![to(Vec::new(), ports.into_iter().map(|port| tcp(port.into())).collect())],
    };
    if platform.mesh == Mesh::Istio {
        rules.push(to(Vec::new(), vec![tcp(ISTIO_PORT)]));
    }
    rules
}

/// To whatever answers questions about names: a cluster's DNS has no labels that hold everywhere, and may run on the
/// node.
fn dns() -> NetworkPolicyEgressRule {
    to(Vec::new(), vec![port("UDP", DNS_PORT), tcp(DNS_PORT)])
}

fn to_peer(peer: &EgressPeer) -> NetworkPolicyEgressRule {
    let to_whom = self::peer(peer.cidr.as_ref(), &peer.namespace_labels, &peer.pod_labels);
    to(vec![to_whom], peer.ports.iter().flatten().copied().map(tcp).collect())
}

/// To any of `peers` at any of `ports`; none of them means all.
fn to(peers: Vec<NetworkPolicyPeer>, ports: Vec<NetworkPolicyPort>) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: (!peers.is_empty()).then_some(peers), ports: (!ports.is_empty()).then_some(ports) }
}

/// The pods of the platform that serve as `service`.
fn serving(platform: &Platform, service: FoodService) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(pods(labels::selector(platform, service))), ..Default::default() }
}

/// Addresses, or pods by their labels and those of their namespace; without the latter, those of the platform's own.
fn peer(
    cidr: Option<&String>,
    namespaces: &Option<BTreeMap<String, String>>,
    labels: &Option<BTreeMap<String, String>>,
) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: cidr.map(|cidr| IPBlock { cidr: cidr.clone(), ..Default::default() }),
        namespace_selector: namespaces.clone().map(pods),
        pod_selector: labels.clone().map(pods),
    }
}

/// Whatever has these labels; without any, everything.
fn pods(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: (!labels.is_empty()).then_some(labels), ..Default::default() }
}

fn tcp(number: i32) -> NetworkPolicyPort {
    port("TCP", number)
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_ports_are_known_each_once() {
        assert_eq!(ports("a:9092,[::1]:9093,b:9092"), Ok(vec![9092, 9093]));
        for server in ["a:0", "a:65536", "a"] {
            assert_eq!(ports(&format!("b:1,{server}")), Err(InvalidPlatform::BootstrapServer(server.to_owned())));
        }
    }
}
