//! `cargo xtask crds`.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use local::{repository, run};

/// The file that people read and apply, and the chart's copy of it: Helm packs nothing from outside a chart.
const FILES: [&str; 2] = ["crds/foodplatforms.yaml", "charts/foodplatform-operator/files/foodplatforms.yaml"];

/// Writes the CustomResourceDefinition, or only compares it.
pub(crate) fn write(check: bool) -> Result<()> {
    // Run, not linked: the operator with its C libraries would have to be built before any command could start.
    let mut generator = Command::new("cargo");
    generator
        .args(["run", "--quiet", "--package", "foodplatform-operator", "--bin", "crdgen"])
        .current_dir(repository());
    let expected = run(&mut generator)?;
    for file in FILES {
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
