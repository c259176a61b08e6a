//! Log files: written where they are asked for, within their limits.

use std::{fs, path::Path};

use serde_json::Value;
use tests::{
    platform::{Platform, Setup},
    process::Service,
    wait,
};

/// The log files of a directory with their sizes.
fn files(directory: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let with_size = entries.filter_map(|entry| {
        // One that was removed meanwhile does not count.
        Some((entry.file_name().to_string_lossy().into_owned(), entry.metadata().ok()?.len()))
    });
    with_size.filter(|(name, _)| name.ends_with(".log")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_writes_its_log_file() {
    let platform = Platform::start(Setup::default()).await;
    for service in Service::ALL {
        let directory = platform.log_directory(service);
        let line = wait::until(&format!("a log line of {service}"), wait::SOON, async || {
            let (name, _) = files(&directory).pop().ok_or("no file")?;
            let text = fs::read_to_string(directory.join(&name)).map_err(|error| error.to_string())?;
            let line = text.lines().next().ok_or("an empty file")?.to_owned();
            if name.starts_with(&format!("{service}-0.")) { Ok(line) } else { Err(name) }
        })
        .await;
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_files_stay_within_their_limits() {
    const FILES: u64 = 4;
    const TOTAL: u64 = 32 * 1024;
    let environment = vec![
        ("LOG_LEVEL", "trace".to_owned()),
        ("LOG_MAX_FILES", FILES.to_string()),
        ("LOG_MAX_TOTAL_SIZE", TOTAL.to_string()),
    ];
    let platform = Platform::start(Setup { environment, ..Setup::default() }).await;
    let directory = platform.log_directory(Service::Order);
    wait::until("more log files than the limit have been begun", wait::SOON, async || {
        platform.api.get("/orders").await.expect(200);
        let numbers =
            files(&directory).into_iter().filter_map(|(name, _)| name.rsplit('.').nth(1)?.parse::<u64>().ok());
        let newest = numbers.max().unwrap_or(0);
        if newest > 2 * FILES { Ok(()) } else { Err(format!("number {newest}")) }
    })
    .await;
    let sizes = files(&directory);
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    // The file in use grows by its share until the next round of cleaning up.
    assert!(total <= TOTAL + TOTAL / FILES, "{total}: {sizes:?}");
}
