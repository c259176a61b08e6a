//! The operator's own program, with the rights that the chart gives it, in processes of their own.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use nix::{sys::signal::Signal, unistd::Pid};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    helm::OPERATOR,
    world::{World, eventually},
};

/// The name of everything that the chart makes.
const NAME: &str = "foodplatform-operator";

/// What may be done: verb, API group, and resource with its subresource.
pub(crate) type Rights = BTreeSet<(String, String, String)>;

/// The chart in the namespace of a world, but that the operator runs outside of the cluster.
pub(crate) struct Installation<'a> {
    world: &'a World,
    watched: String,
    pub(crate) rights: Rights,
    directory: TempDir,
}

impl<'a> Installation<'a> {
    /// Gives the chart's rights to an operator that looks after these namespaces.
    pub(crate) async fn new(world: &'a World, namespaces: &[&str]) -> Self {
        let watched = namespaces.join(",");
        let helm = std::env::var("TEST_HELM").expect("TEST_HELM names Helm");
        // Without a cluster to ask, Helm takes it for one of its own time.
        let version = world.client.apiserver_version().await.unwrap().git_version;
        let chart = std::process::Command::new(helm)
            .args(["template", "test", OPERATOR, "--namespace", &world.namespace])
            .args(["--kube-version", &version, "--skip-tests"])
            .args(["--set", &format!("watchNamespaces={{{watched}}},rbac.aggregate=false,crds.install=false")])
            .output()
            .unwrap();
        assert!(chart.status.success(), "{}", String::from_utf8_lossy(&chart.stderr));
        let objects: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(chart.stdout).unwrap()).unwrap();
        let mut rights = Rights::new();
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            if kind == "ServiceAccount" || kind.contains("Role") {
                apply(&world.client, &object).await;
            }
            let rules = match kind.as_str() {
                "ClusterRole" => serde_json::from_value::<ClusterRole>(object).unwrap().rules,
                "Role" => serde_json::from_value::<Role>(object).unwrap().rules,
                _ => None,
            };
            rights.extend(rules.iter().flatten().flat_map(each));
        }
        Self { world, watched, rights, directory: tempfile::tempdir().unwrap() }
    }

    /// Starts an operator of that name.
    pub(crate) async fn start(&self, name: &str) -> Operator {
        let token = self.token().await;
        let kubeconfig = self.directory.path().join(format!("{name}.conf"));
        fs::write(&kubeconfig, kubeconfig_with(&token)).unwrap();
        let log = self.directory.path().join(format!("{name}.log"));
        let process = Command::new(env!("CARGO_BIN_EXE_operator"))
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", &self.world.namespace)
            .env("WATCH_NAMESPACES", &self.watched)
            .env("LISTEN", "127.0.0.1:0")
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Operator { process, log, credential: credential(&token) }
    }

    /// A client with these rights.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig_with(&self.token().await)).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// A token of its own, by which the audit log tells processes apart.
    async fn token(&self) -> String {
        let accounts = self.world.api::<ServiceAccount>();
        let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..Default::default() };
        let answer = accounts.create_token_request(NAME, &PostParams::default(), &wanted).await.unwrap();
        answer.status.unwrap().token
    }

    /// What operators of this installation have asked for, from the audit log.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let log = std::env::var("TEST_AUDIT_LOG").expect("TEST_AUDIT_LOG is the API server's audit log");
        let user = format!("system:serviceaccount:{}:{NAME}", self.world.namespace);
        let log = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
        // The last line may be half written.
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["user"]["username"] == user.as_str()).collect()
    }
}

/// A process.
pub(crate) struct Operator {
    pub(crate) process: Child,
    log: PathBuf,
    credential: String,
}

impl Operator {
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id().expect("it runs")).unwrap();
        nix::sys::signal::kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Waits until it has logged `text`.
    pub(crate) async fn says(&self, text: &str) {
        eventually(&format!("{text:?} in {}", self.log.display()), || async {
            fs::read_to_string(&self.log).unwrap().contains(text).then_some(())
        })
        .await;
    }

    /// Whether a request in the audit log is its own, and a write of anything but Leases and events.
    pub(crate) fn wrote(&self, request: &Value) -> bool {
        let verb = request["verb"].as_str().unwrap_or_default();
        let resource = request["objectRef"]["resource"].as_str().unwrap_or_default();
        let credentials = &request["user"]["extra"]["authentication.kubernetes.io/credential-id"];
        credentials[0] == self.credential.as_str()
            && ["create", "update", "patch", "delete"].contains(&verb)
            && !["leases", "events"].contains(&resource)
    }
}

/// What a rule allows, one by one.
fn each(rule: &PolicyRule) -> Rights {
    let (groups, resources) =
        (rule.api_groups.as_deref().unwrap_or_default(), rule.resources.as_deref().unwrap_or_default());
    let mut rights = Rights::new();
    for verb in &rule.verbs {
        for group in groups {
            rights.extend(resources.iter().map(|resource| (verb.clone(), group.clone(), resource.clone())));
        }
    }
    rights
}

async fn apply(client: &Client, object: &Value) {
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", "v1"));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap()));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let parameters = PatchParams::apply("test").force();
    api.patch(object["metadata"]["name"].as_str().unwrap(), &parameters, &Patch::Apply(object)).await.unwrap();
}

/// The tests' kubeconfig, for who has the token.
pub(crate) fn kubeconfig_with(token: &str) -> String {
    let path = std::env::var_os("TEST_KUBECONFIG").unwrap();
    let mut kubeconfig = serde_json::to_value(Kubeconfig::read_from(path).unwrap()).unwrap();
    for user in kubeconfig["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token });
    }
    kubeconfig.to_string()
}

/// What the audit log calls a token.
fn credential(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    format!("JTI={}", claims["jti"].as_str().unwrap())
}
