//! The operator to install: its chart, all of it in one file for kubectl, and the definition alone.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use local::{Compression, Progress, repository, run, tar};

use super::Release;

/// The registry that the chart names in the repository.
pub(super) const REGISTRY: &str = "ghcr.io/example/foodplatform";

const CHART: &str = "foodplatform-operator";
/// Where install.yaml puts the operator.
const NAMESPACE: &str = "foodplatform-system";
const DEFINITION: &str = "crds/foodplatforms.yaml";

/// Writes them, with images of the version at `registry`.
pub(super) fn write(release: &Release, helm: &Path, registry: &str, progress: &Progress) -> Result<()> {
    let step = progress.step("pack the chart");
    let version = release.source.version.as_str();
    let (packed, unpacked) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut package = Command::new(helm);
    package.arg("package").arg(repository().join("charts").join(CHART)).args(["--version", version]);
    run(package.args(["--app-version", version, "--destination"]).arg(packed.path()))?;
    let name = format!("{CHART}-{version}.tgz");
    run(Command::new("tar")
        .arg("--extract")
        .arg("--file")
        .arg(packed.path().join(&name))
        .arg("--directory")
        .arg(unpacked.path()))?;
    let chart = unpacked.path().join(CHART);
    name_registry(&chart.join("values.yaml"), registry)?;
    // Packed again, since Helm writes down when it did so.
    tar(unpacked.path(), &release.file(&name), Compression::Gzip, release.commit.time)?;
    // Of the very file that people get; without the chart's test, which would be applied as if it were part of it.
    let mut template = Command::new(helm);
    template.args(["template", CHART]).arg(release.file(&name)).args(["--namespace", NAMESPACE, "--skip-tests"]);
    let rendered = run(&mut template)?;
    ensure!(!rendered.contains("helm.sh/hook"), "{name} has hooks of Helm's, which install.yaml can't have");
    release.write("install.yaml", install(&rendered, version))?;
    let definition = fs::read(repository().join(DEFINITION)).with_context(|| format!("cannot read {DEFINITION}"))?;
    release.write("foodplatforms.crd.yaml", definition)?;
    step.done("");
    Ok(())
}

fn name_registry(values: &Path, registry: &str) -> Result<()> {
    let text = fs::read_to_string(values).with_context(|| format!("cannot read {}", values.display()))?;
    let changed = at(&text, registry)?;
    fs::write(values, changed).with_context(|| format!("cannot write {}", values.display()))
}

/// The chart's values with the operator's image at another registry.
fn at(values: &str, registry: &str) -> Result<String> {
    let image = |registry: &str| format!("repository: {registry}/operator\n");
    ensure!(
        values.matches(&image(REGISTRY)).count() == 1,
        "the chart's values.yaml doesn't say once that the image is {REGISTRY}/operator: change xtask/src/release/chart.rs with it"
    );
    Ok(values.replace(&image(REGISTRY), &image(registry)))
}

/// All that the chart makes, and the namespace that it is put into.
fn install(rendered: &str, version: &str) -> String {
    format!(
        "# The operator of the food-delivery platform, version {version}, with all that it needs:\n\
         #\n\
         #   kubectl apply --server-side --filename install.yaml\n\
         ---\n\
         apiVersion: v1\n\
         kind: Namespace\n\
         metadata:\n\
         \x20 name: {NAMESPACE}\n\
         {rendered}"
    )
}

#[cfg(test)]
mod tests {
    use local::PACKAGE_VERSION;
    use serde_json::Value;

    use super::*;

    fn chart(file: &str) -> String {
        fs::read_to_string(repository().join("charts").join(CHART).join(file)).unwrap()
    }

    #[test]
    fn the_charts_image_is_at_the_registry_that_is_named() {
        let values: Value =
            serde_saphyr::from_str(&at(&chart("values.yaml"), "registry.example/shop").unwrap()).unwrap();
        assert_eq!(values["image"]["repository"], "registry.example/shop/operator");
        at("image: {}\n", "registry.example").unwrap_err();
    }

    #[test]
    fn the_chart_in_the_repository_is_of_the_version_that_the_programs_are() {
        let chart: Value = serde_saphyr::from_str(&chart("Chart.yaml")).unwrap();
        assert_eq!((&chart["version"], &chart["appVersion"]), (&PACKAGE_VERSION.into(), &PACKAGE_VERSION.into()));
    }

    #[test]
    fn the_namespace_comes_before_what_is_in_it() {
        let text = install("---\nkind: ServiceAccount\n", "1.2.3");
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount"]);
    }
}
