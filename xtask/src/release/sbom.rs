//! What a program is made from, for machines: a CycloneDX document.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use local::{Architecture, Dependencies, Package, repository};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Release, digests, programs};

/// Of the format: what scanners and stores of such documents read today.
const SPECIFICATION: &str = "1.6";
/// The digests that cargo has of the packages of others.
const LOCK: &str = "Cargo.lock";

/// Writes the document of a program that was built into `built`.
pub(super) fn write(
    release: &Release,
    program: programs::Program,
    architecture: Architecture,
    built: &Path,
    dependencies: &Dependencies,
) -> Result<()> {
    let lock = fs::read_to_string(repository().join(LOCK)).with_context(|| format!("cannot read {LOCK}"))?;
    let root = dependencies.root(program.package)?;
    let subject = Subject {
        name: program.binary,
        version: &release.source.version,
        digest: &digests::of_file(&built.join(program.binary))?,
        time: release.commit.time,
    };
    let document = document(&subject, root, dependencies, &checksums(&lock));
    let stem = programs::stem(program.binary, release, architecture);
    release.write(&format!("{stem}.cdx.json"), format!("{document:#}\n"))
}

/// The program that a document is about.
struct Subject<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    time: u64,
}

fn document(
    subject: &Subject,
    root: &Package,
    dependencies: &Dependencies,
    checksums: &BTreeMap<(&str, &str), &str>,
) -> Value {
    let all = dependencies.all_of(&[root]);
    let needs = |package: &Package| -> Vec<String> { dependencies.needed_by(package).map(reference).collect() };
    let graph: Vec<_> =
        all.iter().map(|package| json!({"ref": reference(package), "dependsOn": needs(package)})).collect();
    let others = all.iter().filter(|package| ***package != *root);
    let components: Vec<_> = others.map(|package| component(package, checksums)).collect();
    // The same program has the same number, whenever this is asked.
    let number = Uuid::new_v5(&Uuid::NAMESPACE_OID, subject.digest.as_bytes());
    let mut program = component(root, checksums);
    program["type"] = "application".into();
    program["name"] = subject.name.into();
    program["version"] = subject.version.into();
    program["hashes"] = json!([{"alg": "SHA-256", "content": subject.digest}]);
    json!({
        "$schema": format!("http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json"),
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": number.urn().to_string(),
        "version": 1,
        "metadata": {
            "timestamp": super::provenance::timestamp(subject.time),
            "tools": {"components": [{"type": "application", "name": "cargo xtask release", "version": subject.version}]},
            "component": program,
        },
        "components": components,
        "dependencies": graph,
    })
}

fn reference(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

fn component(package: &Package, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
    });
    if let Some(license) = &package.license {
        // Cargo once took a slash for OR.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(url) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": url}]);
    }
    if !package.is_ours {
        component["purl"] = format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B")).into();
        if let Some(checksum) = checksums.get(&(package.name.as_str(), package.version.as_str())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
    }
    component
}

/// The digests of packages, by name and version, from Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    fn field<'a>(package: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = package.split_once(&format!("\n{name} = \""))?;
        rest.split_once('"').map(|(value, _)| value)
    }
    let packages = lock.split("[[package]]").skip(1);
    let read = |package| Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?));
    packages.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_every_package_with_its_licence_and_digest_and_what_needs_what() {
        let dependencies = Dependencies::read(&["gateway"], Architecture::Amd64.target()).unwrap();
        let lock = fs::read_to_string(repository().join(LOCK)).unwrap();
        let subject = Subject { name: "gateway", version: "1.2.3", digest: &"0".repeat(64), time: 1_000_000_000 };
        let root = dependencies.root("gateway").unwrap();
        let document = document(&subject, root, &dependencies, &checksums(&lock));
        assert_eq!(document["metadata"]["timestamp"], "2001-09-09T01:46:40Z");
        assert_eq!(document["metadata"]["component"]["version"], "1.2.3");
        let components = document["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|component| component["name"] == name).unwrap();
        let tokio = named("tokio");
        assert_eq!(tokio["licenses"][0]["expression"], "MIT");
        assert_eq!(tokio["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(named("rdkafka-sys")["purl"].as_str().unwrap().contains("%2B"));
        assert!(named("chassis").get("purl").is_none() && named("chassis").get("hashes").is_none());
        let references: Vec<_> =
            document["dependencies"].as_array().unwrap().iter().map(|entry| &entry["ref"]).collect();
        assert_eq!(references.len(), components.len() + 1);
        for entry in document["dependencies"].as_array().unwrap() {
            for needed in entry["dependsOn"].as_array().unwrap() {
                assert!(references.contains(&needed), "{needed}");
            }
        }
        let gateway = document["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["ref"].as_str().unwrap().starts_with("gateway@"));
        assert!(
            gateway.unwrap()["dependsOn"]
                .as_array()
                .unwrap()
                .iter()
                .any(|needed| { needed.as_str().unwrap().starts_with("breaker@") })
        );
    }
}
