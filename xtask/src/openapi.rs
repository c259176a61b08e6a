//! `cargo xtask openapi` and `cargo xtask asyncapi`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use local::{SERVICES, repository, run};

use crate::{pages, test};

/// Where the documents lie, one for each service.
const DIRECTORY: &str = "docs/src/openapi";
/// The page about them.
const APIS: &str = "docs/src/apis.md";

/// Writes the OpenAPI documents and the page about them, or only compares them.
pub(crate) fn write(check: bool) -> Result<()> {
    let (gateway, others) = SERVICES.split_last().context("there are no services")?;
    let mut documents = Vec::new();
    // The gateway's document is made from the others', which are in its binary: it is built with those just written.
    for services in [others, &[*gateway]] {
        test::build_services()?;
        for service in services {
            let expected = run(Command::new(binaries().join(service)).arg("openapi"))?;
            write_one(&Path::new(DIRECTORY).join(format!("{service}.json")), &expected, check, "openapi")?;
            documents.push((*service, serde_json::from_str(&expected)?));
        }
    }
    let (_, through) = documents.pop().context("there are no services")?;
    write_one(Path::new(APIS), &pages::apis(&documents, &through), check, "openapi")
}

/// Writes the AsyncAPI document and the page about it, or only compares them.
pub(crate) fn write_asyncapi(check: bool) -> Result<()> {
    test::build(&["asyncapi"])?;
    let expected = run(&mut Command::new(binaries().join("asyncapi")))?;
    write_one(Path::new("docs/src/asyncapi.json"), &expected, check, "asyncapi")?;
    let page = pages::events(&serde_json::from_str(&expected)?);
    write_one(Path::new("docs/src/events.md"), &page, check, "asyncapi")
}

fn write_one(file: &Path, expected: &str, check: bool, command: &str) -> Result<()> {
    let path = repository().join(file);
    if fs::read_to_string(&path).is_ok_and(|present| present == expected) {
        return Ok(());
    }
    if check {
        bail!("{} differs from the services' code: run cargo xtask {command} and commit the result", file.display());
    }
    fs::write(&path, expected).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

fn binaries() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    repository().join(target).join("debug")
}
