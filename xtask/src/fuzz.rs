//! `cargo xtask test fuzz`: each fuzz target for a bounded time, from the seeds that lie beside it.

use std::{env, ffi::OsString, fs};

use anyhow::{Context, Result};
use local::{Cache, Progress, cargo_fuzz, repository};

use crate::test::cargo;

const TARGETS: [&str; 2] = ["event", "http"];

/// For each target.
const LIMITS: [&str; 4] = ["-verbosity=0", "-max_total_time=30", "-max_len=4096", "-timeout=5"];

/// Where they are built. Without a sanitizer no nightly compiler is needed, and there is no unsafe code of ours that one would
/// watch. To optimise all libraries for this alone would take several times as long as the fuzzing.
const BUILD: [&str; 5] = ["--target-dir", "target/fuzz", "--sanitizer", "none", "--dev"];

pub(crate) fn run() -> Result<()> {
    for target in TARGETS {
        // What is found is kept beside the seeds, outside git, and is where the next run begins.
        let corpus = repository().join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let directories = [format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}")];
        let own = [target, &directories[0], &directories[1], "--"];
        fuzz(&[&["run"], &BUILD[..], &own, &LIMITS].concat())?;
    }
    Ok(())
}

/// Builds what [`run`] runs, which takes several times as long.
pub(crate) fn build() -> Result<()> {
    fuzz(&[&["build"], &BUILD[..]].concat())
}

fn fuzz(arguments: &[&str]) -> Result<()> {
    let tools = cargo_fuzz(&Cache::open()?, &Progress::new())?;
    cargo("fuzz", arguments, &[("PATH", &path_with(tools.into_os_string())?)])
}

/// PATH with `directory` ahead of the rest.
fn path_with(directory: OsString) -> Result<String> {
    let rest = env::var_os("PATH").unwrap_or_default();
    let all = env::join_paths(std::iter::once(directory.into()).chain(env::split_paths(&rest)))?;
    all.into_string().ok().context("PATH is not text")
}
