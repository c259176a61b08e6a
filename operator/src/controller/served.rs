//! Kinds that a cluster may have or not.

use std::{
    future::{Future, pending},
    time::Duration,
};

use kube::{Client, api::ApiResource};
use tokio::sync::watch;
use tracing::{info, warn};

use super::live::chain;

/// Between two looks whether the cluster has a kind by now.
const EVERY: Duration = Duration::from_secs(30);
/// Between two attempts to look.
const RETRY: Duration = Duration::from_secs(1);

/// Waits until the cluster has the kind, then watches it by `task`, which fills its cache. `served` is told whether the
/// cluster has the kind, until the cache is `filled`.
pub(super) async fn watch(
    client: Client,
    resource: ApiResource,
    served: watch::Sender<Option<bool>>,
    task: impl Future<Output = ()>,
    filled: impl Future<Output = ()>,
) {
    wait(&client, &resource, &served).await;
    // It may go again before its first list is there, which then doesn't come.
    let look = async {
        loop {
            tokio::time::sleep(RETRY).await;
            wait(&client, &resource, &served).await;
        }
    };
    let look = async {
        tokio::select! {
            () = filled => pending().await,
            () = look => {}
        }
    };
    tokio::select! {
        () = task => {}
        () = look => {}
    }
}

/// Waits until the cluster has the kind. `served` is told each answer.
async fn wait(client: &Client, resource: &ApiResource, served: &watch::Sender<Option<bool>>) {
    loop {
        let kind = &resource.kind;
        let wait = match is_served(client, resource).await {
            Ok(is_served) => {
                if served.send_replace(Some(is_served)) != Some(is_served) {
                    info!(kind, api_version = resource.api_version, is_served, "an optional kind");
                }
                if is_served {
                    return;
                }
                EVERY
            }
            Err(error) => {
                warn!(kind, error = %chain(&error), "cannot ask whether the cluster has the kind; trying again");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Whether the cluster has the kind.
///
/// # Errors
/// When the API server can't be asked.
pub async fn is_served(client: &Client, resource: &ApiResource) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(&resource.api_version).await {
        Ok(list) => Ok(list.resources.iter().any(|known| known.kind == resource.kind)),
        // Of a group that it lacks, the API server says so in plain text, without a reason.
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}
