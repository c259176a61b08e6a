//! `cargo xtask bench`: measuring the services and the operator under load.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use local::{Progress, SERVICES, build_static, install_packages, repository, require_tools};

use crate::measure;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// How much goes through the services, as processes of this machine, with Kafka and PostgreSQL
    Services,
    /// What the operator makes of 100, 1,000 and 2,000 platforms, on a control plane without pods
    Operator,
    /// Whether anything of them grows at a constant rate; fails when something does
    Soak,
}

/// How it is measured.
#[derive(Args)]
pub(crate) struct Settings {
    /// How long each load lasts [default: 20], or the soak [default: 600]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// How many orders are placed in a second of the soak [default: 200]
    #[arg(long, value_name = "ORDERS")]
    rate: Option<u32>,
    /// How many platforms the operator gets, one measurement after the other [default: 100,1000,2000]
    #[arg(long, value_name = "PLATFORMS")]
    platforms: Option<String>,
    /// Where the tables and the plot go; dist/bench by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write them into README.md, too
    #[arg(long)]
    write: bool,
}

impl Part {
    /// The bench's word for it, and the name of its files.
    fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Operator => "operator",
            Self::Soak => "soak",
        }
    }

    /// Its place in the README.
    fn place(self) -> &'static str {
        match self {
            Self::Services => "bench",
            Self::Operator => "bench-operator",
            Self::Soak => "soak",
        }
    }
}

/// Builds the services as images have them, and the load beside them, and measures. With `write`, the tables and the plot
/// go into the README: also those of a soak that fails because something grows.
pub(crate) fn run(part: Part, Settings { seconds, rate, platforms, out, write }: Settings) -> Result<()> {
    if part != Part::Soak && rate.is_some() {
        bail!("--rate is the soak's: the other part finds out what the services bear");
    }
    let progress = Progress::new();
    require_tools()?;
    install_packages(&progress)?;
    if part != Part::Operator && platforms.is_some() {
        bail!("--platforms is the operator's: the other parts have one platform");
    }
    if part == Part::Operator && seconds.is_some() {
        bail!("--seconds is for the other parts: this one takes as long as the operator does");
    }
    let step = progress.step("compile");
    let measured = if part == Part::Operator { &["foodplatform-operator"][..] } else { &SERVICES };
    build_static(measured, &step)?;
    // Apart from them: what the load needs of a library must not become part of what is measured.
    let directory = build_static(&["bench"], &step)?;
    step.done("");
    let out = out.unwrap_or_else(|| repository().join("dist/bench"));
    let [tables, plot] = ["md", "png"].map(|kind| out.join(part.name()).with_extension(kind));
    // What an earlier run has left must not be taken for what this one has measured.
    for file in [&tables, &plot].into_iter().filter(|file| file.exists()) {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let mut command = Command::new(directory.join("bench"));
    command.arg("--out").arg(&out).arg(part.name()).env("TEST_BIN_DIR", &directory);
    for (name, value) in [("--seconds", seconds), ("--rate", rate.map(u64::from))] {
        command.args(value.into_iter().flat_map(|value| [name.to_owned(), value.to_string()]));
    }
    if let Some(platforms) = platforms {
        command.args(["--platforms", &platforms]);
    }
    let status = command.status().context("cannot start the load")?;
    if write && tables.exists() && plot.exists() {
        write_readme(part, &tables, &plot)?;
    }
    if !status.success() {
        bail!("bench {} failed", part.name());
    }
    Ok(())
}

fn write_readme(part: Part, tables: &Path, plot: &Path) -> Result<()> {
    let text = fs::read_to_string(tables).with_context(|| format!("cannot read {}", tables.display()))?;
    // The README and the book show it there.
    let kept = repository().join(format!("docs/src/images/bench-{}.png", part.name()));
    fs::copy(plot, kept).with_context(|| format!("cannot copy {}", plot.display()))?;
    measure::write_readme(part.place(), &text)
}
