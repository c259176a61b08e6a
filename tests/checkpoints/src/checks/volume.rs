//! Log files on a claim that all pods of a service share: they outlive their pods, and stay within a bound; and a disk without room
//! for them stops nobody.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kube::{ResourceExt as _, api::DeleteParams};
use serde_json::json;
use tests::{cluster::files, process::Service, wait};

use crate::{
    Outcome, Shown, Stage,
    load::{Load, Rate},
    node::Disk,
};

/// What a service's files may take, and one file more, which is being written.
const BOUND: u64 = 1024 * 1024;
const FILES: u64 = 4;

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 20, reads: 20 }, Rate { orders: 60, reads: 100 });
    let claim = format!("{}-logs", stage.platform.child(Service::Order));
    let directory = stage.cluster().directory_of(&stage.platform.namespace, &claim).await;
    // Each request is a line: what would take weeks takes seconds.
    let logs = json!({ "level": "info,chassis::http=debug", "maxFiles": FILES, "maxTotalSize": "1Mi" });
    stage.change(json!({ "logs": logs, "services": { "order": { "replicas": 2, "autoscaling": null } } })).await;
    stage.platform.until_ready().await;
    stage.until_pods(Service::Order, 2).await;
    let pods = names(stage).await?;

    let load = Load::start(stage, rate, &[Service::Order]).await;
    wait::until("a file of each pod", wait::SOON, async || {
        let of = pods_with_files(&directory);
        if pods.is_subset(&of) { Ok(()) } else { Err(format!("{of:?}")) }
    })
    .await;
    let written = wait::until("more than the bound to be written", tests::cluster::READY, async || {
        let (answered, failed) = load.totals();
        let lines = answered + failed;
        // Nobody counts what was removed: each request is more than 100 bytes in one file or another.
        if lines as u64 * 100 > 2 * BOUND { Ok(lines) } else { Err(format!("{lines} requests")) }
    })
    .await;
    load.mark("pods deleted");
    let api = stage.cluster().namespaced::<k8s_openapi::api::core::v1::Pod>(&stage.platform.namespace);
    for pod in &pods {
        api.delete(pod, &DeleteParams::default()).await.map_err(|error| error.to_string())?;
    }
    wait::until("other pods", tests::cluster::READY, async || {
        let now = names(stage).await?;
        if now.len() == 2 && now.is_disjoint(&pods) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let left = pods_with_files(&directory);
    if left.is_disjoint(&pods) {
        return Err(format!("no file of {pods:?} is left, only of {left:?}"));
    }
    let size = size(&directory);
    if size > BOUND + BOUND / FILES {
        return Err(format!("the files take {size} bytes, more than {BOUND} and one file"));
    }
    let shown = stage.kubectl(&["get", "persistentvolumeclaims", "-l", &stage.platform.selector()]).await;
    let traffic = load.stop().await;
    let held = stage.invariants(traffic.told).await?;
    let (full, full_disk) = full(stage, rate, &directory).await?;
    Ok(Outcome {
        done: format!(
            "order with two pods, {written} requests logged within 1Mi, then both pods deleted; then two pods on a full disk"
        ),
        seen: format!(
            "both pods wrote to claim {claim}, files of the deleted ones are still there, {} KiB in all; {held}. {full}",
            size / 1024
        ),
        figure: format!("{} KiB of 1024", size / 1024),
        shown: vec![shown, full_disk],
        timeline: Some(traffic.timeline),
    })
}

async fn names(stage: &Stage) -> Result<BTreeSet<String>, String> {
    Ok(stage.ready_pods(Service::Order).await?.iter().map(|pod| pod.name_any()).collect())
}

/// The pods of which there are files: `POD.DATE.log`.
fn pods_with_files(directory: &Path) -> BTreeSet<String> {
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.split('.').next()?.to_owned());
    files(directory).iter().filter_map(name).collect()
}

fn size(directory: &Path) -> u64 {
    files(directory).iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Puts a small disk in the claim's place, fills it up under load, and makes room again.
async fn full(stage: &Stage, rate: Rate, directory: &Path) -> Result<(String, Shown), String> {
    let more = stage.length.pick(300, 2_000);
    let disk = Disk::mount(&stage.node, directory, 2 * 1024)?;
    // Pods have what is mounted when they start.
    stage.change(json!({ "services": { "order": { "annotations": { "checkpoints/disk": "small" } } } })).await;
    stage.until_settled().await;
    let load = Load::start(stage, rate, &[Service::Order]).await;
    wait::until("lines on the small disk", wait::SOON, async || {
        if disk.written()? > 0 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;
    disk.fill()?;
    let shown = Shown { command: format!("df {} && ls -l", directory.display()), output: disk.show()? };
    let before = unwritten(stage).await?;
    load.answers(more).await;
    let unwritten = unwritten(stage).await? - before;
    if unwritten <= 0.0 {
        return Err(format!("the full disk took {more} requests' lines: {}", disk.show()?));
    }
    disk.make_room()?;
    let size = disk.written()?;
    wait::until("lines after there is room", wait::SOON, async || {
        let now = disk.written()?;
        if now > size { Ok(()) } else { Err(format!("{now} bytes")) }
    })
    .await;
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let held = stage.invariants(traffic.told).await?;
    Ok((format!("On a full disk {unwritten} writes of lines failed, and none of {answered} requests; {held}"), shown))
}

/// How many writes of lines have failed, at all pods of order.
async fn unwritten(stage: &Stage) -> Result<f64, String> {
    let pods = stage.platform.scrape(Service::Order).await?;
    Ok(pods.iter().filter_map(|(_, metrics)| metrics.sum("log_write_errors_total")).sum())
}
