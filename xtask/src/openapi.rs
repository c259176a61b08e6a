//! `cargo xtask openapi`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use local::{SERVICES, repository, run};

use crate::test;

/// Where the documents lie, one for each service.
const DIRECTORY: &str = "docs/openapi";

/// Writes the OpenAPI documents, or only compares them.
pub(crate) fn write(check: bool) -> Result<()> {
    let (gateway, others) = SERVICES.split_last().context("there are no services")?;
    // The gateway's document is made from the others', which are in its binary: it is built with those just written.
    for services in [others, &[*gateway]] {
        test::build_services()?;
        for service in services {
            let expected = run(Command::new(binaries().join(service)).arg("openapi"))?;
            write_one(&Path::new(DIRECTORY).join(format!("{service}.json")), &expected, check)?;
        }
    }
    Ok(())
}

fn write_one(file: &Path, expected: &str, check: bool) -> Result<()> {
    let path = repository().join(file);
    if fs::read_to_string(&path).is_ok_and(|present| present == expected) {
        return Ok(());
    }
    if check {
        bail!("{} differs from the services' code: run cargo xtask openapi and commit the result", file.display());
    }
    fs::write(&path, expected).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

fn binaries() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    repository().join(target).join("debug")
}
