//! The charts, as Helm 3 and 4 read them, held against what clusters take and what the code measures.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use local::{Cache, Progress, Schemas, helm, helm4, kubeconform, repository, run};
use serde_json::Value;

/// Each with values to try it with in its folder `ci`.
const CHARTS: [&str; 2] = ["charts/foodplatform-operator", "charts/foodplatform"];
const DEFINITION: &str = "crds/foodplatforms.yaml";

/// Lints the charts, and holds what they come to for each release of Kubernetes against its schemas.
pub(crate) fn check(cache: &Cache, progress: &Progress) -> Result<()> {
    let helms = [helm(cache, progress)?, helm4(cache, progress)?];
    let (kubeconform, schemas) = (kubeconform(cache, progress)?, Schemas::make(cache, progress)?);
    let work = tempfile::tempdir()?;
    let ours = work.path().join("schemas");
    fs::create_dir(&ours)?;
    schemas.add(&definition()?, &ours)?;
    for chart in CHARTS {
        let trials = values(chart)?;
        for helm in &helms {
            for values in &trials {
                run(Command::new(helm)
                    .args(["lint", "--strict", chart, "--values"])
                    .arg(values)
                    .current_dir(repository()))?;
            }
        }
        for release in Schemas::releases() {
            let rendered = work.path().join(format!("{}-{release}", chart.replace('/', "-")));
            fs::create_dir(&rendered)?;
            for values in &trials {
                let [three, four] = helms.each_ref().map(|helm| render(helm, chart, values, release));
                let (three, four) = (three?, four?);
                // Helm 4 ends objects with empty lines.
                let same =
                    three.lines().filter(|line| !line.is_empty()).eq(four.lines().filter(|line| !line.is_empty()));
                ensure!(same, "{chart} with {}: Helm 3 and 4 make different things of it", values.display());
                let name = values.file_name().context("values without a name")?;
                fs::write(rendered.join(name), three)?;
            }
            let mut command = Command::new(&kubeconform);
            command.args(["-strict", "-kubernetes-version", release, "-schema-location"]).arg(schemas.directory());
            command.arg("-schema-location").arg(ours.join("{{ .ResourceKind }}{{ .KindSuffix }}.json"));
            run(command.arg("-summary").arg(&rendered)).with_context(|| format!("{chart} on Kubernetes {release}"))?;
        }
        println!(
            "{chart}: Helm 3 and 4 agree on {} sets of values, and Kubernetes {} take them",
            trials.len(),
            Schemas::releases().join(", ")
        );
    }
    Ok(())
}

fn render(helm: &Path, chart: &str, values: &Path, release: &str) -> Result<String> {
    let mut command = Command::new(helm);
    command.args(["template", "test", chart, "--namespace", "test", "--kube-version", release, "--values"]).arg(values);
    run(command.current_dir(repository()))
}

/// The files with values to try a chart with, relative to the repository.
fn values(chart: &str) -> Result<Vec<PathBuf>> {
    let directory = repository().join(chart).join("ci");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    if files.is_empty() {
        bail!("{chart}/ci has no values to try the chart with");
    }
    Ok(files)
}

fn definition() -> Result<Value> {
    let text =
        fs::read_to_string(repository().join(DEFINITION)).with_context(|| format!("cannot read {DEFINITION}"))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{DEFINITION} is no YAML"))
}
