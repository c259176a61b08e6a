//! Log files on a claim that all pods of a service share: they outlive their pods, and stay within a bound.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kube::{ResourceExt as _, api::DeleteParams};
use serde_json::json;
use tests::{cluster::files, process::Service, wait};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
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
    Ok(Outcome {
        done: format!("order with two pods, {written} requests logged within 1Mi, then both pods deleted"),
        seen: format!(
            "both pods wrote to claim {claim}, files of the deleted ones are still there, {} KiB in all; {held}",
            size / 1024
        ),
        figure: format!("{} KiB of 1024", size / 1024),
        shown: vec![shown],
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
