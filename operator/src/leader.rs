//! Only one of several operators reconciles: the one that holds the Lease.

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{sync::watch, task::JoinHandle};
use tracing::{info, warn};

/// Without a renewal for so long, another one takes over, in seconds.
const DURATION: u64 = 15;
/// It is renewed so long before that, in seconds.
const GRACE: u64 = 5;

/// Takes part in the election.
pub struct Election {
    leading: watch::Receiver<bool>,
    task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Election {
    /// Stands for election under `identity`, which no other process may have.
    ///
    /// # Errors
    /// When the Lease can neither be read nor made.
    pub async fn start(
        client: Client,
        namespace: &str,
        lease: &str,
        identity: &str,
    ) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, lease)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await?;
        let (leading, task) = manager.watch().await;
        Ok(Self { leading, task })
    }

    /// Resolves when this process leads. `false`: the election broke off.
    pub async fn won(&mut self) -> bool {
        info!("waiting to lead");
        let won = self.leading.wait_for(|leading| *leading).await.is_ok();
        info!(won, "the election is over");
        won
    }

    /// Resolves when this process doesn't lead any more, or nobody renews the lease.
    pub async fn lost(&mut self) {
        // An election that broke off is a lost one.
        let _ = self.leading.wait_for(|leading| !*leading).await;
    }

    /// Gives the Lease back, so that another one can take over at once.
    pub async fn resign(self) {
        drop(self.leading);
        match self.task.await {
            Ok(Ok(_)) => info!("gave the lease back"),
            Ok(Err(error)) => warn!(%error, "the lease could not be given back; it expires by itself"),
            Err(error) => warn!(%error, "the election broke off"),
        }
    }
}
