//! The definitions of others' kinds, as they publish them.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::world::eventually;

/// Gives the cluster the kind of that definition, such as `kafkatopics.kafka.strimzi.io`. It keeps it: no test wants it to be
/// without one of these.
pub(crate) async fn install(client: &Client, name: &str) {
    static INSTALLED: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    let mut installed = INSTALLED.lock().await;
    if installed.contains(name) {
        return;
    }
    let definition = find(name).unwrap_or_else(|| panic!("TEST_DEFINITIONS has no {name}"));
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.unwrap();
    eventually("the definition to be served", || async {
        let conditions = definitions.get(name).await.unwrap().status?.conditions?;
        conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(())
    })
    .await;
    installed.insert(name.to_owned());
}

fn find(name: &str) -> Option<Value> {
    let paths = env::var_os("TEST_DEFINITIONS").expect("TEST_DEFINITIONS names files with others' definitions");
    let line = format!("\n  name: {name}\n");
    let mut texts =
        env::split_paths(&paths).flat_map(|path| files(&path)).map(|file| fs::read_to_string(file).unwrap());
    texts.find_map(|text| {
        // Some of the files are large: only the one in question is read as YAML.
        let document = text.split("\n---").find(|document| document.replace('"', "").contains(&line))?;
        Some(serde_saphyr::from_str(document).unwrap())
    })
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    } else {
        vec![path.to_owned()]
    }
}
