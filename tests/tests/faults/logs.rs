//! A disk for log files that is full: no request fails, and when there is room again logging goes on.

use std::{fs, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tests::{metrics::Metrics, platform::Setup, process::Process, wait};

use crate::{
    disk::Disk,
    servers::Servers,
    trial::{Trial, setup},
};

/// Room for a fraction of what the services log.
const DISK: usize = 256 * 1024;
/// What each of the five services may use of it.
const SHARE: usize = DISK / 8;
/// A service tries again 5 s after a failure.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_disk_stops_no_request() {
    let disk = Disk::mount(DISK);
    // Before the services start: there is no room for their first line.
    disk.fill();
    let environment = vec![
        ("LOG_LEVEL", "info,chassis::http=debug".to_owned()),
        ("LOG_MAX_FILES", "4".to_owned()),
        ("LOG_MAX_TOTAL_SIZE", SHARE.to_string()),
    ];
    let setup = Setup { environment, logs: Some(disk.path().to_owned()), ..setup() };
    let trial = Trial::start_on(Servers::start(), setup, 30).await;
    for when in ["from the start", "again, under load"] {
        no_process_can_log(&trial, &disk).await;
        trial.say(&format!("the log disk is full {when}; making room"));
        disk.make_room();
        every_process_logs(&trial, &disk).await;
        trial.say("every process logs");
    }
    assert!(trial.is_loaded(), "the load ended before");
    let record = trial.finish().await;
    assert!(record.failures().is_empty(), "requests failed: {:#?}", record.failures());
}

/// Keeps the disk full until each process has failed to write a line.
async fn no_process_can_log(trial: &Trial, disk: &Disk) {
    for process in trial.platform.processes() {
        let before = write_errors(process).await.expect("metrics");
        wait::until(&format!("no room for {}", process.plan().pod), SOON, async || {
            // A service that removes its oldest file makes room itself.
            disk.fill();
            give_it_something_to_log(process).await?;
            let errors = write_errors(process).await?;
            if errors > before { Ok(()) } else { Err(format!("{errors} errors")) }
        })
        .await;
    }
}

/// Waits until each process has written a line that it has logged from now on.
async fn every_process_logs(trial: &Trial, disk: &Disk) {
    let start = Utc::now();
    for process in trial.platform.processes() {
        wait::until(&format!("a line of {}", process.plan().pod), SOON, async || {
            give_it_something_to_log(process).await?;
            let line = newest_line(&disk.path().join(process.plan().service.name()), &process.plan().pod)?;
            let line: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
            let logged = line["timestamp"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
            if logged.is_some_and(|logged| logged > start) { Ok(()) } else { Err(format!("{line}")) }
        })
        .await;
    }
}

async fn write_errors(process: &Process) -> Result<f64, String> {
    Ok(Metrics::scrape(&process.admin("/metrics")).await?.get("log_write_errors_total"))
}

/// Not every service is asked anything by the load.
async fn give_it_something_to_log(process: &Process) -> Result<(), String> {
    let answer = reqwest::get(format!("{}/nothing", process.url())).await.map_err(|error| error.to_string())?;
    wait::equals(answer.status().as_u16(), 404)
}

/// The last line of the newest of a pod's files.
fn newest_line(directory: &Path, pod: &str) -> Result<String, String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?.flatten();
    let files = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{pod}.")));
    let newest = files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path()))).max();
    let (_, path) = newest.ok_or("no file")?;
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.lines().last().map(str::to_owned).ok_or_else(|| "an empty file".to_owned())
}
