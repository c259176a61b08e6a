//! Whether an installation works, as `operator check` asks for `helm test`: the API server serves the resource, an operator
//! leads and goes on doing so, and it is ready.

use std::time::Duration;

use http::{Request, StatusCode};
use k8s_openapi::api::{
    coordination::v1::{Lease, LeaseSpec},
    core::v1::Pod,
};
use kube::{Api, Client, Config, api::ApiResource, client::Body};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    api::FoodPlatform,
    controller::decisions::{is_served, words},
    leader,
};

/// Between two looks at the Lease, and two attempts at all of it.
const PERIOD: Duration = Duration::from_secs(1);
/// Where the operator says whether it is ready.
const READY: &str = "/readyz";
/// For the operator's own answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What is looked at.
pub struct Installation {
    /// Of the API server. It takes the right to get the Lease, and pods of its namespace.
    pub client: Client,
    /// Where the operator runs.
    pub namespace: String,
    /// The Lease's name.
    pub lease: String,
    /// Where operators serve health and metrics.
    pub port: u16,
}

impl Installation {
    /// Looks until it works, for at most so long: one that was installed just now takes a while. Says who leads.
    ///
    /// # Errors
    /// What was in the way at last.
    pub async fn works_within(&self, patience: Duration) -> Result<String, Problem> {
        let end = Instant::now() + patience;
        loop {
            match self.works().await {
                Err(_) if Instant::now() < end => sleep(PERIOD).await,
                outcome => return outcome,
            }
        }
    }

    async fn works(&self) -> Result<String, Problem> {
        let kind = ApiResource::erase::<FoodPlatform>(&());
        let served = is_served(&self.client, &kind).await;
        if !served.map_err(|error| Problem::asking("the kinds that it serves", &error))? {
            return Err(Problem::NotServed { version: kind.api_version });
        }
        let leader = self.leader().await?;
        self.is_ready(&leader).await?;
        Ok(leader)
    }

    /// The pod that holds the Lease and renews it. Seen renewed, not by its times: they are another clock's.
    async fn leader(&self) -> Result<String, Problem> {
        let before = self.lease().await?;
        let end = Instant::now() + leader::DURATION;
        loop {
            sleep(PERIOD).await;
            let now = self.lease().await?;
            let holder = now.holder_identity.filter(|holder| !holder.is_empty());
            match holder {
                Some(holder) if now.renew_time != before.renew_time => return Ok(holder),
                _ if Instant::now() < end => {}
                Some(holder) => return Err(Problem::Stale { holder, lease: self.path(&self.lease) }),
                None => return Err(Problem::NoLeader { lease: self.path(&self.lease) }),
            }
        }
    }

    async fn lease(&self) -> Result<LeaseSpec, Problem> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let lease = api.get_opt(&self.lease).await;
        let lease = lease.map_err(|error| Problem::asking(&format!("Lease {}", self.path(&self.lease)), &error))?;
        Ok(lease.and_then(|lease| lease.spec).unwrap_or_default())
    }

    async fn is_ready(&self, leader: &str) -> Result<(), Problem> {
        let pod = self.path(leader);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = api.get_opt(leader).await.map_err(|error| Problem::asking(&format!("Pod {pod}"), &error))?;
        let address = found.and_then(|found| found.status?.pod_ip);
        let Some(address) = address else { return Err(Problem::NoAddress { pod }) };
        let host = if address.contains(':') { format!("[{address}]") } else { address };
        let server = format!("http://{host}:{}", self.port);
        let url = format!("{server}{READY}");
        match timeout(ANSWER, ask(&server)).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(Problem::NotReady { pod, status }),
            Ok(Err(error)) => Err(Problem::NoAnswer { pod, url, error: format!("{error:#}") }),
            Err(_) => Err(Problem::NoAnswer { pod, url, error: format!("nothing within {} s", ANSWER.as_secs()) }),
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }
}

/// Asks as nobody: the credentials of the API server are none of a pod's business.
async fn ask(server: &str) -> anyhow::Result<StatusCode> {
    let client = Client::try_from(Config::new(server.parse()?))?;
    let request = Request::get(READY).body(Body::empty())?;
    Ok(client.send(request).await?.status())
}

/// What is in the way.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The API server gives no answer, or refuses to.
    #[error("the API server can't be asked for {what}: {error}")]
    Asking {
        /// What it was asked for.
        what: String,
        /// Its words.
        error: String,
    },
    /// The definition isn't there.
    #[error(
        "the API server does not serve FoodPlatforms of {version}: install the definition, by the chart's crds.install or \
         with kubectl apply --server-side -f crds/foodplatforms.yaml"
    )]
    NotServed {
        /// Of the API.
        version: String,
    },
    /// Nobody holds the Lease.
    #[error("no operator leads, for nobody holds Lease {lease}: look at the operator's pods and what they log")]
    NoLeader {
        /// Its namespace and name.
        lease: String,
    },
    /// Its holder is gone, or cut off.
    #[error(
        "{holder} holds Lease {lease} but did not renew it within {} s: look whether that pod runs and reaches the API \
         server, and what it logs", leader::DURATION.as_secs()
    )]
    Stale {
        /// Whom the Lease names.
        holder: String,
        /// Its namespace and name.
        lease: String,
    },
    /// The leader is no pod with an address.
    #[error("Pod {pod}, which leads, is not there or has no address: look at it with kubectl describe")]
    NoAddress {
        /// Its namespace and name.
        pod: String,
    },
    /// The operator can't be reached.
    #[error(
        "Pod {pod}, which leads, gives no answer at {url}: {error}; look at what it logs, and whether a NetworkPolicy keeps \
         pods of its namespace from it"
    )]
    NoAnswer {
        /// Its namespace and name.
        pod: String,
        /// Where it was asked.
        url: String,
        /// Why there is no answer.
        error: String,
    },
    /// The operator is there but doesn't work yet, or no more.
    #[error(
        "Pod {pod}, which leads, is not ready and answers {status}: its caches are not filled, for which it needs its \
         rights and the API server, or it is stopping; look at what it logs"
    )]
    NotReady {
        /// Its namespace and name.
        pod: String,
        /// What it answered.
        status: StatusCode,
    },
}

impl Problem {
    fn asking(what: &str, error: &kube::Error) -> Self {
        Self::Asking { what: what.to_owned(), error: words(error) }
    }
}
