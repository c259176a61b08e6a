//! `pause` and `resume`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::{cluster::Cluster, paint};

pub(crate) async fn run(cluster: &Cluster, name: &str, pause: bool) -> Result<ExitCode> {
    let platform = cluster.platform(name).await?;
    let shown = format!("FoodPlatform {}/{name}", cluster.namespace);
    let is_paused = platform.spec.paused.unwrap_or_default();
    if is_paused != pause {
        // Not false: whoever applies the resource from a file has nothing to say about it.
        let paused = pause.then_some(true);
        cluster.change(name, json!({ "spec": { "paused": paused } })).await?;
    }
    paint::print(&format!("{}\n", said(&shown, pause, is_paused != pause)))?;
    Ok(ExitCode::SUCCESS)
}

fn said(shown: &str, pause: bool, changed: bool) -> String {
    match (pause, changed) {
        (true, true) => format!("{shown} paused: it runs on, and the operator leaves everything as it is until resume"),
        (true, false) => format!("{shown} is paused already: nothing changed"),
        (false, true) => format!("{shown} resumed: the operator looks after it again"),
        (false, false) => format!("{shown} is not paused: nothing changed"),
    }
}
