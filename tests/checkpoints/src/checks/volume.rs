//! Log files on claims, one for each service, that all its pods share: they outlive their pods, and stay within a bound; and a disk
//! without room for them stops nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use ::tests::{cluster::files, process::Service, wait};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{ResourceExt as _, api::DeleteParams};
use local::run as execute;
use serde_json::json;
use tokio::task::block_in_place;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Outcome, Shown, Stage,
    load::{Load, Rate, Traffic},
    node::Disk,
};

/// The least that a service's files can be told to take.
const BOUND: u64 = 1024 * 1024;
/// Into how many files that is divided.
const FILES: u64 = 16;
/// Order's pods.
const PODS: usize = 2;
/// Whoever begins a file makes room down to the bound, and until the next one is begun each pod fills up one at most.
const MOST: u64 = BOUND + PODS as u64 * (BOUND / FILES + HELD_BACK);
/// What a pod may have yet to write of a file while another one counts what there is: its buffer.
const HELD_BACK: u64 = 8 * 1024;
/// Between two looks at the files.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 100 }, Rate { orders: 10, reads: 150 });
    let enough = stage.length.pick(BOUND + BOUND / 4, 2 * BOUND);
    // A line for each request and for each of its statements: what would take weeks takes seconds.
    let level = "info,chassis::http=debug,sqlx::query=debug";
    let logs = json!({ "level": level, "maxFiles": FILES, "maxTotalSize": "1Mi" });
    let order = json!({ "replicas": PODS, "autoscaling": null });
    stage.change(json!({ "logs": logs, "services": { "order": order } })).await;
    stage.until_settled().await;
    stage.until_pods(Service::Order, PODS).await;
    let all = shared(stage).await?;
    let pods = names(stage, Service::Order).await?;
    let directory = directory(stage, Service::Order).await;

    let load = Load::start(stage, rate, &[Service::Order], &[Service::Order]).await;
    let watch = Watch::start(directory.clone());
    let (written, removed) =
        wait::until("more than the bound, and the oldest removed", ::tests::cluster::READY, async || {
            let (written, removed) = watch.with(|files| (files.written(&pods), files.removed(&pods)));
            if written > enough && removed > 0 {
                Ok((written, removed))
            } else {
                Err(format!("{pods:?} have written {written} bytes, {removed} of their files are removed"))
            }
        })
        .await;
    load.mark(format!("{removed} files removed"));
    // New pods that had much to write would remove what the old ones have left.
    let mut traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    let api = stage.cluster().namespaced::<Pod>(&stage.platform.namespace);
    for pod in &pods {
        api.delete(pod, &DeleteParams::default()).await.map_err(|error| error.to_string())?;
    }
    stage.until_pods(Service::Order, PODS).await;
    let now = names(stage, Service::Order).await?;
    if !now.is_disjoint(&pods) {
        return Err(format!("{pods:?} were deleted, and there are {now:?}"));
    }
    let left = owners(sizes(&directory).keys());
    if !pods.is_subset(&left) {
        return Err(format!("not each of the deleted {pods:?} has left a file: there are some of {left:?}"));
    }
    let most = watch.with(|files| files.most);
    if most > MOST {
        return Err(format!("the files took {most} bytes, more than {MOST}"));
    }
    let mut shown = vec![
        stage.kubectl(&["get", "persistentvolumeclaims", "-l", &stage.platform.selector()]).await,
        listing(&directory)?,
    ];
    drop(watch);
    let full = full(stage, rate, &directory).await?;
    shown.push(full.shown);
    traffic.timeline.append(full.traffic.timeline);
    traffic.told.accepted.extend(full.traffic.told.accepted);
    let held = stage.delivered(traffic.told).await?;
    let kibibytes = |bytes: u64| bytes / 1024;
    Ok(Outcome {
        done: format!(
            "order with {PODS} pods logging each request within 1Mi, then both pods deleted; then two pods on a full disk"
        ),
        seen: format!(
            "each of {all} pods has a file on its service's claim, which is ReadWriteMany; order's wrote {} KiB, {removed} of their \
             files were removed, and all took {} KiB at most; both deleted pods' files are still there; {answered} requests and \
             none failed. On a full disk {} writes of lines failed, and none of {} requests; {held}",
            kibibytes(written),
            kibibytes(most),
            full.unwritten,
            full.answered
        ),
        figure: format!("{} KiB of {} at most", kibibytes(most), kibibytes(MOST)),
        shown,
        timeline: Some(traffic.timeline),
    })
}

fn claim(stage: &Stage, service: Service) -> String {
    format!("{}-logs", stage.platform.child(service))
}

async fn directory(stage: &Stage, service: Service) -> PathBuf {
    stage.cluster().directory_of(&stage.platform.namespace, &claim(stage, service)).await
}

async fn names(stage: &Stage, service: Service) -> Result<BTreeSet<String>, String> {
    Ok(stage.ready_pods(service).await?.iter().map(|pod| pod.name_any()).collect())
}

/// That pods on any node can share each service's claim, and that each pod has a file there. Gives how many pods there are.
async fn shared(stage: &Stage) -> Result<usize, String> {
    let api = stage.cluster().namespaced::<PersistentVolumeClaim>(&stage.platform.namespace);
    let mut all = 0;
    for service in Service::ALL {
        let claim = claim(stage, service);
        let found = api.get(&claim).await.map_err(|error| format!("claim {claim}: {error}"))?;
        let modes = found.spec.and_then(|spec| spec.access_modes).unwrap_or_default();
        if !modes.iter().any(|mode| mode == "ReadWriteMany") {
            return Err(format!("claim {claim} can be had as {modes:?}, not ReadWriteMany"));
        }
        let directory = directory(stage, service).await;
        all += wait::until(&format!("a file of each pod on claim {claim}"), wait::SOON, async || {
            let (pods, of) = (names(stage, service).await?, owners(sizes(&directory).keys()));
            if !pods.is_empty() && pods.is_subset(&of) {
                Ok(pods.len())
            } else {
                Err(format!("{pods:?}, files of {of:?}"))
            }
        })
        .await;
    }
    Ok(all)
}

/// The log files of a directory, with their sizes.
fn sizes(directory: &Path) -> BTreeMap<String, u64> {
    let size = |path: PathBuf| {
        let name = path.file_name()?.to_str().filter(|name| name.ends_with(".log"))?.to_owned();
        // One that was removed just now has none.
        Some((name, path.metadata().ok()?.len()))
    };
    files(directory).into_iter().filter_map(size).collect()
}

/// The pod that a file is of: `POD.DATE.log`.
fn owner(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn owners<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    names.map(|name| owner(name).to_owned()).collect()
}

fn listing(directory: &Path) -> Result<Shown, String> {
    let output = block_in_place(|| execute(Command::new("ls").arg("-l").arg(directory)));
    let output = output.map_err(|error| format!("{error:#}"))?;
    Ok(Shown { command: format!("ls -l {}", directory.display()), output })
}

/// What was seen of log files, look by look.
#[derive(Debug, Default)]
struct Files {
    /// The largest size that each was seen with, by its name.
    largest: BTreeMap<String, u64>,
    /// Those that were there and are not any more.
    gone: BTreeSet<String>,
    /// The most that they took together.
    most: u64,
}

impl Files {
    fn see(&mut self, now: BTreeMap<String, u64>) {
        self.most = self.most.max(now.values().sum());
        self.gone = self.largest.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        for (name, size) in now {
            let largest = self.largest.entry(name).or_default();
            *largest = size.max(*largest);
        }
    }

    /// How much pods have written, at least: what was removed ahead of the next look is not counted.
    fn written(&self, pods: &BTreeSet<String>) -> u64 {
        self.largest.iter().filter(|(name, _)| pods.contains(owner(name))).map(|(_, size)| size).sum()
    }

    /// How many of the pods' files were removed.
    fn removed(&self, pods: &BTreeSet<String>) -> usize {
        self.gone.iter().filter(|name| pods.contains(owner(name))).count()
    }
}

/// Looks at a directory of log files again and again, until it is dropped.
struct Watch {
    files: Arc<Mutex<Files>>,
    _look: AbortOnDropHandle<()>,
}

impl Watch {
    fn start(directory: PathBuf) -> Self {
        let files = Arc::new(Mutex::new(Files::default()));
        let seen = Arc::clone(&files);
        let look = async move {
            loop {
                seen.lock().expect("nobody panics while looking").see(sizes(&directory));
                tokio::time::sleep(LOOK).await;
            }
        };
        Self { files, _look: AbortOnDropHandle::new(tokio::spawn(look)) }
    }

    fn with<T>(&self, tell: impl FnOnce(&Files) -> T) -> T {
        tell(&self.files.lock().expect("nobody panics while looking"))
    }
}

/// What came of a full disk.
struct Full {
    /// Writes of lines that failed.
    unwritten: f64,
    answered: usize,
    shown: Shown,
    traffic: Traffic,
}

/// Puts a small disk in the claim's place, fills it up under load, and makes room again.
async fn full(stage: &Stage, rate: Rate, directory: &Path) -> Result<Full, String> {
    let more = stage.length.pick(300, 2_000);
    let disk = Disk::mount(&stage.node, directory, 2 * 1024)?;
    // Pods have what is mounted when they start.
    stage.change(json!({ "services": { "order": { "annotations": { "checkpoints/disk": "small" } } } })).await;
    stage.until_settled().await;
    stage.until_pods(Service::Order, PODS).await;
    let load = Load::start(stage, rate, &[Service::Order], &[Service::Order]).await;
    load.mark("a small disk");
    wait::until("lines on the small disk", wait::SOON, async || {
        if disk.written()? > 0 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;
    let before = unwritten(stage).await?;
    disk.fill()?;
    load.mark("disk full");
    let shown = Shown { command: format!("df {} && ls -l", directory.display()), output: disk.show()? };
    load.answers(more).await;
    let unwritten = unwritten(stage).await? - before;
    if unwritten <= 0.0 {
        return Err(format!("the full disk took {more} requests' lines: {}", disk.show()?));
    }
    disk.make_room()?;
    load.mark("room again");
    let size = disk.written()?;
    wait::until("lines after there is room", wait::SOON, async || {
        let now = disk.written()?;
        if now > size { Ok(()) } else { Err(format!("{now} bytes")) }
    })
    .await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    Ok(Full { unwritten, answered, shown, traffic })
}

/// How many writes of lines have failed, at all pods of order.
async fn unwritten(stage: &Stage) -> Result<f64, String> {
    let pods = stage.platform.scrape(Service::Order).await?;
    Ok(pods.iter().filter_map(|(_, metrics)| metrics.sum("log_write_errors_total")).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, u64)]) -> BTreeMap<String, u64> {
        files.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
    }

    #[test]
    fn what_was_removed_was_written_all_the_same() {
        let (of_a, of_both) = (["a".to_owned()].into(), ["a".to_owned(), "b".to_owned()].into());
        let mut files = Files::default();
        files.see(look(&[("a.2026-01-02.log", 10), ("b.2026-01-02.log", 7)]));
        assert_eq!((files.written(&of_a), files.removed(&of_both), files.most), (10, 0, 17));
        files.see(look(&[("a.2026-01-02.log", 12), ("a.2026-01-02.1.log", 1), ("b.2026-01-02.log", 7)]));
        files.see(look(&[("a.2026-01-02.1.log", 3), ("b.2026-01-02.log", 8)]));
        assert_eq!((files.written(&of_a), files.written(&of_both)), (15, 23));
        assert_eq!((files.removed(&of_a), files.removed(&of_both), files.most), (1, 1, 20));
    }

    #[test]
    fn files_are_told_apart_by_their_pods() {
        let names =
            look(&[("quickstart-order-5d9-x2.2026-01-02.log", 1), ("quickstart-order-5d9-x2.2026-01-02.1.log", 1)]);
        assert_eq!(owners(names.keys()), ["quickstart-order-5d9-x2".to_owned()].into());
    }
}
