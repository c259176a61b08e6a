//! `status`: how a platform stands.

mod lag;
mod metrics;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod view;

use std::process::ExitCode;

use anyhow::Result;
use foodplatform_operator::{build::labels, controller::decisions::words};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use crate::{
    cli::{Output, Status},
    cluster::Cluster,
    paint,
};

/// What the command ends with when the platform is not ready.
const NOT_READY: u8 = 1;

pub(crate) async fn run(cluster: &Cluster, wanted: &Status) -> Result<ExitCode> {
    let platform = cluster.platform(&wanted.name).await?;
    let ours = ListParams::default().labels(&labels::platform_selector(&wanted.name));
    let pods = cluster.api::<Pod>().list(&ours).await;
    // What the resource itself says is worth showing without them.
    let pods = pods.map(|list| list.items).map_err(|error| words(&error));
    let lags = lag::read(cluster, pods.as_deref().unwrap_or_default()).await;
    let view = view::view(&platform, pods, lags);
    match wanted.output {
        Some(Output::Json) => paint::print_json(&view)?,
        None => paint::print(&show::show(&view, Timestamp::now()))?,
    }
    Ok(if view.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}
