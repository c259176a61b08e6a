//! `logs`: what the pods of a platform log, merged.

mod follow;
mod history;
mod line;
mod pods;
mod print;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use foodplatform_operator::{build::labels, controller::decisions::words};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, LogParams},
};
use tokio::time::Instant;

use self::{pods::Source, print::Printer};
use crate::{cli::Logs, cluster::Cluster, paint};

pub(crate) async fn run(cluster: &Cluster, wanted: &Logs) -> Result<ExitCode> {
    cluster.platform(&wanted.name).await?;
    let mut selector = labels::platform_selector(&wanted.name);
    if let Some(service) = wanted.service {
        selector = format!("{selector},{}={service}", labels::NAME);
    }
    let window = LogParams {
        timestamps: true,
        tail_lines: wanted.tail,
        since_seconds: wanted.since.map(|since| since.as_secs()),
        ..Default::default()
    };
    let pods: Api<Pod> = cluster.api();
    let began = Instant::now();
    let listed = pods.list(&ListParams::default().labels(&selector)).await;
    let listed = listed.map_err(|error| anyhow!("listing the platform's pods: {}", words(&error)))?;
    let sources: Vec<Source> = listed.iter().filter_map(Source::new).collect();
    if sources.is_empty() && !wanted.follow {
        paint::note("no pod of it has started yet");
    }
    let mut printer = Printer::new(wanted.raw);
    let seen = history::print(&pods, sources, &window, &mut printer).await?;
    if wanted.follow {
        follow::print(&pods, &selector, &window, began, seen, &mut printer).await?;
    }
    Ok(ExitCode::SUCCESS)
}
