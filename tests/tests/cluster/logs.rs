//! Log files on the claims.

use std::{fs, path::PathBuf};

use tests::{
    api::Api,
    cluster::{Cluster, files},
    process::Service,
    servers, wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_service_logs_to_its_claim() {
    let cluster = Cluster::connect().await;
    let platform = cluster.quickstart().await;
    platform.until_ready().await;
    let api = Api::new(servers::gateway());
    let menu = api.menu_with_stock(1).await;
    api.follow(&api.place_one(&menu, 1).await, "DELIVERED").await;
    for service in Service::ALL {
        let claim = format!("{}-logs", platform.child(service));
        let directory = cluster.directory_of(&platform.namespace, &claim).await;
        let pods = platform.scrape(service).await.unwrap_or_else(|error| panic!("{service}: {error}"));
        for (pod, _) in pods {
            wait::until(&format!("a log file of {pod} on {claim}"), wait::SOON, async || {
                let all = files(&directory);
                let name =
                    |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&pod));
                let file = all.iter().find(|path| name(path)).ok_or_else(|| format!("{all:?}"))?;
                let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
                if text.contains("ready") { Ok(()) } else { Err(format!("{}: {text}", file.display())) }
            })
            .await;
        }
    }
}
