//! `cargo xtask checkpoints`.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;
use local::{Instance, Lock, Progress, repository, require_root};
use tokio::runtime::Runtime;

use crate::{conditions, measure, platform, test, up};

/// The checkpoint whose plot README.md shows.
const SHOWN: &str = "autoscaling";

/// Which checkpoints, and what becomes of what they saw.
#[derive(Args)]
pub(crate) struct Settings {
    /// Only these; all of them by default
    names: Vec<String>,
    /// The short form of each
    #[arg(long)]
    short: bool,
    /// Where the page goes; dist/checkpoints by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the table into README.md, and a plot for it, too
    #[arg(long, conflicts_with_all = ["names", "short"])]
    write: bool,
}

/// Brings up what is missing of the local cluster, and runs checkpoints on it.
pub(crate) fn run(instance: &Instance, Settings { names, short, out, write }: Settings) -> Result<()> {
    let progress = Progress::new();
    require_root()?;
    let _lock = Lock::take(instance)?;
    let up = up::install(instance, &progress)?;
    Runtime::new()?.block_on(async {
        let client = up.target.client().await?;
        conditions::wait_ready(client, platform::NAMESPACE, platform::NAME, &progress).await
    })?;
    let out = out.unwrap_or_else(|| repository().join("dist/checkpoints"));
    // What an earlier run has left there is not to be taken for what this one saw.
    for file in fs::read_dir(&out).into_iter().flatten().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| ["md", "html", "svg"].iter().any(|ours| extension == *ours)) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    test::build(&["checkpoints"])?;
    let mut command = Command::new(env::current_exe()?.with_file_name("checkpoints"));
    command.args(&names).args(short.then_some("--short")).arg("--out").arg(&out);
    let status = command.envs(test::variables(instance, &up)?).status().context("cannot start the checkpoints")?;
    let table = out.join("checkpoints.md");
    if write {
        let text = fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
        measure::write_readme("checkpoints", &text)?;
        let (plot, place) =
            (out.join(SHOWN).with_extension("svg"), repository().join("docs/src/images/checkpoints.svg"));
        fs::copy(&plot, &place).with_context(|| format!("cannot copy {} to {}", plot.display(), place.display()))?;
    }
    if !status.success() {
        bail!("not all checkpoints passed: see {}", out.join("checkpoints.html").display());
    }
    Ok(())
}
