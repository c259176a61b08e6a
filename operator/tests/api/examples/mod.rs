//! Every file below examples/, applied: the API server takes all of it as it stands, and its platforms become what they are about.

mod about;
mod cluster;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::examples::cluster::Cluster;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// A file of examples/.
struct Example {
    /// Its path below that directory.
    file: String,
    documents: Vec<Value>,
}

fn examples() -> Vec<Example> {
    let mut files = vec![];
    collect(Path::new(DIRECTORY), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} doesn't say who wants it", path.display());
        let documents =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.strip_prefix(DIRECTORY).unwrap().to_str().unwrap().to_owned();
        Example { file, documents }
    };
    files.into_iter().map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

#[tokio::test]
async fn every_example_is_taken_and_its_platforms_become_what_it_is_about() {
    let examples = examples();
    let cluster = Cluster::start(&examples).await;
    cluster.takes_as_they_stand(&examples).await;
    cluster.apply(&examples).await;
    let mut platforms = BTreeSet::new();
    for example in &examples {
        for platform in example.documents.iter().filter(|document| document["kind"] == "FoodPlatform") {
            let of = |field: &str| platform["metadata"][field].as_str().unwrap();
            let (namespace, name) = (of("namespace"), of("name"));
            assert!(platforms.insert((namespace, name)), "{}: {namespace} has a {name} already", example.file);
            cluster.ready(namespace, name).await;
        }
        about::check(&cluster, example).await;
    }
    cluster.end().await;
}
