//! The plugin as krew, kubectl's plugin manager, installs it.

use anyhow::Result;
use local::Architecture;
use serde_json::{Value, json};

use super::{Release, digests};

const FILE: &str = "krew-foodplatform.yaml";

/// Writes the manifest for these archives of the plugin, where it is known at which address they will be.
pub(super) fn write(release: &Release, archives: &[(Architecture, String)]) -> Result<()> {
    let Some(url) = &release.commit.url else { return Ok(()) };
    let archives = archives
        .iter()
        .map(|(architecture, name)| Ok((*architecture, name.as_str(), digests::of_file(&release.file(name))?)));
    let manifest = manifest(url, &release.source.version, &archives.collect::<Result<Vec<_>>>()?);
    // JSON is YAML.
    release.write(FILE, format!("{manifest:#}\n"))
}

fn manifest(url: &str, version: &str, archives: &[(Architecture, &str, String)]) -> Value {
    let platforms: Vec<_> = archives
        .iter()
        .map(|(architecture, name, digest)| {
            json!({
                "selector": {"matchLabels": {"os": "linux", "arch": architecture.name()}},
                "uri": format!("{url}/releases/download/v{version}/{name}"),
                "sha256": digest,
                "bin": "kubectl-foodplatform",
                "files": [{"from": "*/*", "to": "."}],
            })
        })
        .collect();
    json!({
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "foodplatform"},
        "spec": {
            "version": format!("v{version}"),
            "homepage": url,
            "shortDescription": "Look after food-delivery platforms",
            "description":
                "Shows how a FoodPlatform stands, what an upgrade of its operator would change, and its pods' logs as one; \
                 pauses it, resumes it, and sets it back to the images that were last ready.",
            "platforms": platforms,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_archive() {
        let archives = [(Architecture::Arm64, "a.tar.gz", "00".to_owned())];
        let manifest = manifest("https://example.com/shop", "1.2.3", &archives);
        let platform = &manifest["spec"]["platforms"][0];
        assert_eq!(platform["uri"], "https://example.com/shop/releases/download/v1.2.3/a.tar.gz");
        assert_eq!(platform["selector"]["matchLabels"]["arch"], "arm64");
        assert_eq!(platform["sha256"], "00");
    }
}
