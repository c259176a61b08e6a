//! `cargo xtask bench`: measuring the services under load.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use local::{Progress, SERVICES, build_static, install_packages, repository, require_tools};

use crate::measure;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The services as processes of this machine, with Kafka and PostgreSQL
    Services,
}

/// Where the README's plot lies in the repository.
const PLOT: &str = "docs/bench-services.png";

/// Builds the services as images have them, and the load beside them, and measures. With `write`, the tables and the plot
/// go into the README.
pub(crate) fn run(Part::Services: Part, seconds: u64, out: Option<PathBuf>, write: bool) -> Result<()> {
    let progress = Progress::new();
    require_tools()?;
    install_packages(&progress)?;
    let step = progress.step("compile");
    build_static(&SERVICES, &step)?;
    // Apart from them: what the load needs of a library must not become part of the services.
    let directory = build_static(&["bench"], &step)?;
    step.done("");
    let out = out.unwrap_or_else(|| repository().join("dist/bench"));
    let mut command = Command::new(directory.join("bench"));
    command.arg("--seconds").arg(seconds.to_string()).arg("--out").arg(&out).env("TEST_BIN_DIR", &directory);
    if !command.status().context("cannot start the load")?.success() {
        bail!("the services could not be measured");
    }
    if write { write_readme(&out) } else { Ok(()) }
}

fn write_readme(out: &Path) -> Result<()> {
    let (tables, plot) = (out.join("services.md"), out.join("services.png"));
    let text = fs::read_to_string(&tables).with_context(|| format!("cannot read {}", tables.display()))?;
    fs::copy(&plot, repository().join(PLOT)).with_context(|| format!("cannot copy {}", plot.display()))?;
    measure::write_readme("bench", &format!("{text}\n![The benchmark as a plot]({PLOT})\n"))
}
