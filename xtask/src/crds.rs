//! `cargo xtask crds`.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use local::{repository, run};

/// Writes the CustomResourceDefinition, or only compares it.
pub(crate) fn write(check: bool) -> Result<()> {
    let path = repository().join("crds/foodplatforms.yaml");
    // Run, not linked: the operator with its C libraries would have to be built before any command could start.
    let mut generator = Command::new("cargo");
    generator.args(["run", "--quiet", "--package", "foodplatform-operator", "--bin", "crdgen"]).current_dir(repository());
    let expected = run(&mut generator)?;
    if check {
        if fs::read_to_string(&path).unwrap_or_default() != expected {
            bail!("{} differs from the operator's code: run cargo xtask crds and commit the result", path.display());
        }
        return Ok(());
    }
    fs::create_dir_all(repository().join("crds"))?;
    fs::write(&path, expected).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
