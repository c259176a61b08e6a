//! Which connections a platform's NetworkPolicies let through, as cyclonus computes it, against tables that are written
//! by hand from the domain: every pair of pods and addresses at every port.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use foodplatform_operator::{
    api::FoodPlatform,
    build::{Children, Database, Dereferenced, Platform, children},
};
use serde_json::{Value, json};

/// Everything that matters to the platform or to those around it, and what must not get through beside it.
const PORTS: [&str; 11] = [
    "8080/TCP",
    "8080/UDP",
    "9090/TCP",
    "9092/TCP",
    "5432/TCP",
    "6432/TCP",
    "53/TCP",
    "53/UDP",
    "443/TCP",
    "15008/TCP",
    "15012/TCP",
];

/// `others` are all that are no pods of the platform.
const TABLE: &str = "
    others                                 -> gateway                     : 8080/TCP
    gateway                                -> order cook delivery mypage  : 8080/TCP
    order                                  -> cook                        : 8080/TCP
    mypage                                 -> order cook delivery         : 8080/TCP
    services migrations                    -> others                      : 53/TCP 53/UDP
";

/// Kafka and PostgreSQL where the spec says nothing of them.
const ANYWHERE: &str = "
    services                               -> others                      : 9092/TCP
    order cook delivery mypage migrations  -> others                      : 5432/TCP
";

/// A connection: from whom, to whom, at which port.
type Connection = (String, String, String);

fn platform(name: &str, over: Value) -> Platform {
    let mut spec = json!({
        "image": { "registry": "registry.test/food", "tag": "1.0.0" },
        "kafka": { "bootstrapServers": "kafka.kafka:9092" },
        "database": { "secretRef": { "name": "database" } },
    });
    spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    let platform: FoodPlatform = serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": { "name": name, "namespace": "food", "uid": "uid" }, "spec": spec,
    }))
    .unwrap();
    Platform::new(&platform).unwrap()
}

/// What is built of the platform `shop`, whose database listens at a port.
fn shop(over: Value, database_port: u16) -> Children {
    let database = Database { checksum: "a".to_owned(), port: Some(database_port) };
    children(&platform("shop", over), &Dereferenced::of(&database))
}

fn policies(children: &Children) -> Vec<Value> {
    let policies = children.iter().filter(|child| child.kind() == "NetworkPolicy");
    policies.map(|child| serde_json::to_value(&child.object).unwrap()).collect()
}

/// The labels of the pods that the Deployment or Job of a service makes.
fn pod_labels(children: &Children, kind: &str) -> Vec<(String, Value)> {
    let makers = children.iter().filter(|child| child.kind() == kind);
    makers
        .map(|child| (child.service.to_string(), child.object.data["spec"]["template"]["metadata"]["labels"].clone()))
        .collect()
}

/// Who is there, by name, and the groups that tables speak of.
struct World {
    peers: BTreeMap<String, Value>,
    groups: BTreeMap<String, Vec<String>>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { peers: BTreeMap::new(), groups: BTreeMap::new() };
        let shop = shop(json!({}), 5432);
        for (service, labels) in pod_labels(&shop, "Deployment") {
            for replica in 1..=2 {
                world.pod(&format!("{service}-{replica}"), "food", labels.clone(), &[&service, "services"]);
            }
        }
        for (service, labels) in pod_labels(&shop, "Job") {
            world.pod(&format!("{service}-migrate"), "food", labels, &["migrations"]);
        }

        world.pod("neighbour", "food", json!({ "app": "neighbour" }), &["others"]);
        world.pod("stranger", "elsewhere", json!({}), &["others"]);
        world.pod("prometheus", "monitoring", json!({ "app": "prometheus" }), &["others"]);
        world.pod("not-prometheus", "monitoring", json!({ "app": "grafana" }), &["others"]);
        world.pod("false-prometheus", "elsewhere", json!({ "app": "prometheus" }), &["others"]);
        world.pod("kafka", "kafka", json!({ "app": "kafka" }), &["others"]);
        world.pod("postgresql", "databases", json!({ "app": "postgresql" }), &["others"]);
        world.pod("dns", "kube-system", json!({ "k8s-app": "kube-dns" }), &["others"]);
        // Platforms beside this one: another one in its namespace, and one of its name in another.
        let dereferenced = Dereferenced::default();
        for (service, labels) in pod_labels(&children(&platform("cafe", json!({})), &dereferenced), "Deployment") {
            world.pod(&format!("sibling-{service}"), "food", labels, &["others"]);
        }
        for (service, labels) in pod_labels(&shop, "Deployment") {
            world.pod(&format!("namesake-{service}"), "elsewhere", labels, &["others"]);
        }
        world.add("managed-postgresql", json!({ "ip": "192.0.2.54" }), &["others"]);
        world.add("internet", json!({ "ip": "203.0.113.7" }), &["others"]);
        world
    }

    fn pod(&mut self, name: &str, namespace: &str, labels: Value, groups: &[&str]) {
        let ip = format!("10.1.0.{}", self.peers.len() + 1);
        let namespace_labels = json!({ "kubernetes.io/metadata.name": namespace });
        let pod = json!({ "namespace": namespace, "namespaceLabels": namespace_labels, "labels": labels, "ip": ip });
        self.add(name, pod, groups);
    }

    fn add(&mut self, name: &str, peer: Value, groups: &[&str]) {
        assert!(self.peers.insert(name.to_owned(), peer).is_none(), "{name} is there twice");
        for group in groups.iter().chain([&name]) {
            self.groups.entry((*group).to_owned()).or_default().push(name.to_owned());
        }
    }

    /// What a table lets through.
    fn table(&self, table: &str) -> BTreeSet<Connection> {
        let mut connections = BTreeSet::new();
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let (ends, ports) = line.split_once(" : ").unwrap();
            let (from, to) = ends.split_once(" -> ").unwrap();
            let members = |names: &str| names.split_whitespace().flat_map(|name| self.groups[name].clone()).collect();
            let (from, to): (Vec<_>, Vec<_>) = (members(from), members(to));
            for port in ports.split_whitespace() {
                assert!(PORTS.contains(&port), "{port}");
                let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
                connections.extend(pairs.map(|(from, to)| (from.clone(), to.clone(), port.to_owned())));
            }
        }
        connections
    }

    /// What policies let through, but for what those around the platform do among themselves.
    fn simulated(&self, policies: &[Value]) -> BTreeSet<Connection> {
        let port = |port: &&str| {
            let (number, protocol) = port.split_once('/').unwrap();
            json!({ "number": number.parse::<u16>().unwrap(), "protocol": protocol })
        };
        let ports: Vec<_> = PORTS.iter().map(port).collect();
        let question = json!({ "policies": policies, "peers": self.peers, "ports": ports });
        let Value::Array(answer) = cyclonus(&question) else { panic!("the answer is no list") };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let connections = answer.iter().map(|connection| {
            let port = &connection["port"];
            (
                text(&connection["from"]),
                text(&connection["to"]),
                format!("{}/{}", port["number"], text(&port["protocol"])),
            )
        });
        let others = &self.groups["others"];
        connections.filter(|(from, to, _)| !others.contains(from) || !others.contains(to)).collect()
    }

    /// The policies let through what the tables say, and nothing else.
    fn expect(&self, policies: &[Value], tables: &[&str]) {
        let (expected, simulated) = (self.table(&tables.concat()), self.simulated(policies));
        let denied: Vec<_> = expected.difference(&simulated).collect();
        let open: Vec<_> = simulated.difference(&expected).collect();
        assert!(denied.is_empty() && open.is_empty(), "denied: {denied:#?}\nopen: {open:#?}");
    }
}

fn cyclonus(question: &Value) -> Value {
    let program = std::env::var_os("TEST_CYCLONUS").expect("TEST_CYCLONUS is the program in local/cyclonus");
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It reads all of the question before it writes anything.
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "cyclonus: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn monitored() -> Value {
    let prometheus = json!({
        "namespaceLabels": { "kubernetes.io/metadata.name": "monitoring" }, "podLabels": { "app": "prometheus" },
    });
    json!({ "networkPolicy": { "metricsFrom": [prometheus] } })
}

const MONITORED: &str = "
    prometheus                             -> services                    : 9090/TCP
";

#[test]
fn only_the_domain_s_paths_are_open() {
    let world = World::new();
    world.expect(&policies(&shop(json!({}), 5432)), &[TABLE, ANYWHERE]);
    world.expect(&policies(&shop(monitored(), 5432)), &[TABLE, ANYWHERE, MONITORED]);
}

#[test]
fn with_egress_only_its_peers_are_reached() {
    let egress = json!([
        { "namespaceLabels": { "kubernetes.io/metadata.name": "kafka" }, "podLabels": { "app": "kafka" }, "ports": [9092] },
        { "cidr": "192.0.2.0/24", "ports": [5432, 6432] },
        { "podLabels": { "app": "neighbour" }, "ports": [443] },
        { "namespaceLabels": { "kubernetes.io/metadata.name": "databases" } },
    ]);
    let metrics_from = json!([{ "podLabels": { "app": "neighbour" } }]);
    let spec = json!({ "networkPolicy": { "egress": egress, "metricsFrom": metrics_from } });
    let peers = format!(
        "
        neighbour            -> services            : 9090/TCP
        services migrations  -> kafka               : 9092/TCP
        services migrations  -> managed-postgresql  : 5432/TCP 6432/TCP
        services migrations  -> neighbour           : 443/TCP
        services migrations  -> postgresql          : {}
        ",
        PORTS.join(" ")
    );
    World::new().expect(&policies(&shop(spec, 5432)), &[TABLE, &peers]);
}

#[test]
fn sidecars_reach_their_control_plane() {
    let control_plane = "
        services migrations  -> others              : 15012/TCP
    ";
    World::new().expect(&policies(&shop(json!({ "mesh": "Istio" }), 5432)), &[TABLE, ANYWHERE, control_plane]);
}

#[test]
fn while_pods_of_two_versions_run_each_reaches_its_database() {
    let both = [policies(&shop(json!({}), 5432)), policies(&shop(json!({}), 6432))].concat();
    let new = "
        order cook delivery mypage migrations  -> others                  : 6432/TCP
    ";
    World::new().expect(&both, &[TABLE, ANYWHERE, new]);
}

/// Whatever is taken out of the policies, the table shows it.
#[test]
fn nothing_in_the_policies_is_idle() {
    let world = World::new();
    let whole = policies(&shop(monitored(), 5432));
    world.expect(&whole, &[TABLE, ANYWHERE, MONITORED]);
    let expected = world.table(&[TABLE, ANYWHERE, MONITORED].concat());
    let mut mutants = 0;
    for at in 0..whole.len() {
        let name = &whole[at]["metadata"]["name"];
        let without_policy = [&whole[..at], &whole[at + 1..]].concat();
        assert!(world.simulated(&without_policy) != expected, "nothing shows that {name} is missing");
        let mut places = Vec::new();
        elements("", &whole[at], &mut places);
        for place in &places {
            let mut mutant = whole.clone();
            remove(&mut mutant[at], place);
            assert!(world.simulated(&mutant) != expected, "nothing shows that {name} lacks its {place}");
        }
        mutants += 1 + places.len();
    }
    // Each of the 9 has two types, a rule for DNS with two ports, and one that leads outside.
    assert!(mutants > 9 * 7, "only {mutants} tried");
}

/// The places of a policy's types, rules, and the peers and ports of these. Not of the last peer or port of a rule, since
/// a rule without any holds for all of them, and then it is the other end's policy that keeps the connection shut.
fn elements(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            let is_last = items.len() == 1 && ["/from", "/to", "/ports"].iter().any(|list| path.ends_with(list));
            for (index, item) in items.iter().enumerate().filter(|_| !is_last) {
                let place = format!("{path}/{index}");
                elements(&place, item, found);
                found.push(place);
            }
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(field, _)| field.as_str() != "metadata");
            fields.for_each(|(field, value)| elements(&format!("{path}/{field}"), value, found));
        }
        _ => {}
    }
}

fn remove(policy: &mut Value, place: &str) {
    let (list, index) = place.rsplit_once('/').unwrap();
    let Some(Value::Array(items)) = policy.pointer_mut(list) else { panic!("{list} is no list") };
    items.remove(index.parse().unwrap());
}
