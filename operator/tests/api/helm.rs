//! Helm, 3 and 4, with the charts of this repository, or copies of them under names of their own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// The operator's chart.
pub(crate) const OPERATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/foodplatform-operator");
/// A platform's chart.
pub(crate) const PLATFORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/foodplatform");

/// One of the two.
pub(crate) struct Helm {
    program: String,
    /// 3 or 4.
    pub(crate) major: u8,
    namespace: String,
    /// Helm's own files.
    home: TempDir,
}

impl Helm {
    /// Both, for releases in that namespace.
    pub(crate) fn both(namespace: &str) -> [Self; 2] {
        [("TEST_HELM", 3), ("TEST_HELM4", 4)].map(|(variable, major)| Self {
            program: std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names Helm {major}")),
            major,
            namespace: namespace.to_owned(),
            home: tempfile::tempdir().unwrap(),
        })
    }

    /// What it says, or why it fails.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr) + &text(&output.stdout))
        }
    }

    /// What it says; it has to succeed.
    pub(crate) async fn does(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments).await;
        said.unwrap_or_else(|error| panic!("Helm {} {}: {error}", self.major, arguments.join(" ")))
    }

    /// Ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--namespace", &self.namespace]).kill_on_drop(true);
        command.env("KUBECONFIG", std::env::var_os("TEST_KUBECONFIG").unwrap());
        for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(home, self.home.path());
        }
        command
    }
}

/// The operator's chart, whose objects of the whole cluster would be in the way of other tests, under a name and with a
/// definition of its own.
pub(crate) struct Chart {
    files: BTreeMap<PathBuf, String>,
    name: String,
}

impl Chart {
    /// `name` is that of what the chart makes, and the domain of its kind.
    pub(crate) fn new(name: &str) -> Self {
        let mut files = BTreeMap::new();
        read(Path::new(OPERATOR), Path::new(""), &mut files);
        for text in files.values_mut() {
            *text = text.replace("foodplatform-operator", name).replace("foodplatform.dev", &group(name));
        }
        Self { files, name: name.to_owned() }
    }

    /// The API group of its kind.
    pub(crate) fn group(&self) -> String {
        group(&self.name)
    }

    /// Of another version.
    pub(crate) fn version(mut self, version: &str) -> Self {
        self.change("Chart.yaml", |chart| chart["version"] = version.into());
        self
    }

    /// Without files of that beginning.
    pub(crate) fn without(mut self, beginning: &str) -> Self {
        let count = self.files.len();
        self.files.retain(|path, _| !path.starts_with(beginning));
        assert!(self.files.len() < count, "the chart has no {beginning}");
        self
    }

    /// With a file of YAML changed.
    pub(crate) fn changed(mut self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        self.change(file, change);
        self
    }

    fn change(&mut self, file: &str, change: impl FnOnce(&mut Value)) {
        let text = self.files.get_mut(Path::new(file)).unwrap();
        let mut value: Value = serde_saphyr::from_str(text).unwrap();
        change(&mut value);
        // JSON is YAML, too.
        *text = value.to_string();
    }

    /// Written to a directory that Helm reads.
    pub(crate) fn write(&self) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }
}

fn group(name: &str) -> String {
    format!("{name}.test")
}

fn read(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => read(root, &path, files),
            false => drop(files.insert(path.clone(), fs::read_to_string(root.join(&path)).unwrap())),
        }
    }
}
