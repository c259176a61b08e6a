//! A control plane without controllers, and the operator's process on it.

use std::{
    env,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ::tests::metrics::Metrics;
use anyhow::{Context as _, Result, bail};
use foodplatform_operator::api::{FoodPlatform, crd};
use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, Secret, ServiceAccount},
        rbac::v1::ClusterRoleBinding,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use local::{Binaries, ControlPlane};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::requests::{self, Requests};

/// The namespace of the platforms.
pub(crate) const NAMESPACE: &str = "bench";
/// The operator's ServiceAccount, by which the audit log knows it. The raw client is the same to the API server.
const ACCOUNT: &str = "operator";
/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// A control plane for one measurement. It ends with this value.
pub(crate) struct Plane {
    plane: ControlPlane,
    pub(crate) client: Client,
    /// How the operator's account comes in.
    account: Kubeconfig,
    directory: TempDir,
}

impl Plane {
    /// Starts it, with the definition and the platforms' namespace, in which is the Secret that they name.
    ///
    /// # Errors
    /// When it doesn't start, or the API server refuses.
    pub(crate) async fn start(binaries: &Binaries, database_url: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("foodplatform-bench-").tempdir()?;
        let plane = ControlPlane::start_without_controllers(binaries, directory.path())?;
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig())?;
        let client = client(kubeconfig.clone()).await?;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.create(&PostParams::default(), &crd()?).await?;
        let namespace: Namespace = read(json!({ "metadata": { "name": NAMESPACE } }))?;
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let secret: Secret = read(json!({
            "metadata": { "name": "database" }, "stringData": { "url": database_url },
        }))?;
        Api::namespaced(client.clone(), NAMESPACE).create(&PostParams::default(), &secret).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
        accounts.create(&PostParams::default(), &read(json!({ "metadata": { "name": ACCOUNT } }))?).await?;
        let binding: ClusterRoleBinding = read(json!({
            "metadata": { "name": ACCOUNT },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        }))?;
        Api::all(client.clone()).create(&PostParams::default(), &binding).await?;
        let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..Default::default() };
        let answer = accounts.create_token_request(ACCOUNT, &PostParams::default(), &wanted).await?;
        let token = answer.status.context("the API server made no token")?.token;
        let account = with_token(&kubeconfig, &token)?;
        let plane = Self { plane, client, account, directory };
        plane
            .until("the definition", async || {
                let definition = definitions.get("foodplatforms.foodplatform.dev").await?;
                let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
                Ok(conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True"))
            })
            .await?;
        // For a moment a new kind can't be watched: nobody who starts an operator meets that, and it would wait.
        let platforms: Api<FoodPlatform> = Api::namespaced(plane.client.clone(), NAMESPACE);
        let shortly = WatchParams::default().timeout(1);
        plane.until("watches of platforms", async || Ok(platforms.watch(&shortly, "0").await.is_ok())).await?;
        Ok(plane)
    }

    /// A client that the API server takes for the operator.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) async fn raw_client(&self) -> Result<Client> {
        client(self.account.clone()).await
    }

    /// Starts the operator, which looks after the platforms' namespace, and waits until its caches are filled. Gives how
    /// long that took, too.
    ///
    /// # Errors
    /// When it doesn't become ready.
    pub(crate) async fn operator(&self) -> Result<(Operator, Duration)> {
        let kubeconfig = self.directory.path().join("operator.conf");
        std::fs::write(&kubeconfig, serde_json::to_string(&serde_json::to_value(&self.account)?)?)?;
        let directory = env::var_os("TEST_BIN_DIR").map(PathBuf::from).context("TEST_BIN_DIR is not set")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let started = Instant::now();
        let process = Command::new(directory.join("operator"))
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", "operator-0")
            .env("POD_NAMESPACE", NAMESPACE)
            .env("WATCH_NAMESPACES", NAMESPACE)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(File::create(self.directory.path().join("operator.log"))?)
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start the operator")?;
        let operator = Operator { process, url: format!("http://127.0.0.1:{port}") };
        // One that waits for the lease is ready, too.
        self.until("the operator's caches", async || Ok(operator.leads().await && operator.is_ready().await)).await?;
        Ok((operator, started.elapsed()))
    }

    /// What the operator has asked of the API server so far.
    ///
    /// # Errors
    /// When the audit log can't be read.
    pub(crate) fn requests(&self) -> Result<Requests> {
        self.requests_since(0)
    }

    /// The same, from a place in the audit log on.
    ///
    /// # Errors
    /// When the audit log can't be read.
    pub(crate) fn requests_since(&self, place: u64) -> Result<Requests> {
        let mut log = File::open(self.plane.audit_log())?;
        log.seek(SeekFrom::Start(place))?;
        let mut text = String::new();
        log.read_to_string(&mut text)?;
        Ok(requests::count(&text, &format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}")))
    }

    /// Where the audit log ends now.
    ///
    /// # Errors
    /// When it isn't there.
    pub(crate) fn place(&self) -> Result<u64> {
        Ok(self.plane.audit_log().metadata()?.len())
    }

    /// Waits until the operator has written nothing for so long.
    ///
    /// # Errors
    /// When it goes on and on.
    pub(crate) async fn until_quiet(&self, quiet: Duration) -> Result<()> {
        let deadline = Instant::now() + PATIENCE + quiet;
        loop {
            let place = self.place()?;
            sleep(quiet).await;
            let requests = self.requests_since(place)?;
            if requests.writes == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the operator doesn't come to rest: {requests:?} in {quiet:?}");
            }
        }
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await? {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("operator.log")).unwrap_or_default();
                bail!("{what}: not within {PATIENCE:?}\n{log}");
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// A client that waits for nobody: what the API server can't take at once fails.
async fn client(kubeconfig: Kubeconfig) -> Result<Client> {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The same way in for whoever has the token.
///
/// # Errors
/// When it can't be read.
fn with_token(kubeconfig: &Kubeconfig, token: &str) -> Result<Kubeconfig> {
    let mut config = serde_json::to_value(kubeconfig)?;
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({ "token": token });
    }
    read(config)
}

/// An object of Kubernetes.
///
/// # Errors
/// When it is none.
fn read<K: serde::de::DeserializeOwned>(object: Value) -> Result<K> {
    Ok(serde_json::from_value(object)?)
}

/// The operator's process. It ends with this value.
pub(crate) struct Operator {
    process: Child,
    url: String,
}

impl Operator {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How often it has reconciled a platform.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub(crate) async fn reconciliations(&self) -> Result<f64> {
        let metrics = self.metrics().await.map_err(anyhow::Error::msg)?;
        Ok(metrics.sum("foodplatform_operator_reconciles_total").unwrap_or_default())
    }

    async fn metrics(&self) -> Result<Metrics, String> {
        Metrics::scrape(&format!("{}/metrics", self.url)).await
    }

    async fn leads(&self) -> bool {
        self.metrics().await.is_ok_and(|metrics| metrics.sum("foodplatform_operator_leader") == Some(1.0))
    }

    async fn is_ready(&self) -> bool {
        Metrics::scrape(&format!("{}/readyz", self.url)).await.is_ok()
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGTERM)?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("the operator ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have been stopped.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
