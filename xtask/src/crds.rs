//! `cargo xtask crds`.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use local::{repository, run};

/// What the generator prints with which arguments, and where it belongs: the definition that people read and apply, the
/// chart's copy of it (Helm packs nothing from outside a chart), the page about its fields, and what a platform's chart takes.
const FILES: [(&[&str], &str); 4] = [
    (&[], "crds/foodplatforms.yaml"),
    (&[], "charts/foodplatform-operator/files/foodplatforms.yaml"),
    (&["--", "reference"], "docs/src/reference.md"),
    (&["--", "values-schema"], "charts/foodplatform/values.schema.json"),
];

/// Writes the CustomResourceDefinition and its reference, or only compares them.
pub(crate) fn write(check: bool) -> Result<()> {
    for (arguments, file) in FILES {
        // Run, not linked: the operator with its C libraries would have to be built before any command could start.
        let mut generator = Command::new("cargo");
        generator
            .args(["run", "--package", "foodplatform-operator", "--bin", "crdgen"])
            .args(arguments)
            .current_dir(repository());
        let expected = run(&mut generator)?;
        let path = repository().join(file);
        if fs::read_to_string(&path).is_ok_and(|present| present == expected) {
            continue;
        }
        if check {
            bail!("{file} differs from the operator's code: run cargo xtask crds and commit the result");
        }
        fs::write(&path, &expected).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {file}");
    }
    Ok(())
}
