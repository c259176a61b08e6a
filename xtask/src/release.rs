//! `cargo xtask release`: everything that a version is given out as, in dist/release. The same commit makes the same files.

mod chart;
mod digests;
mod krew;
mod programs;
mod provenance;
mod readiness;
mod sbom;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use local::{
    Architecture, Cache, Commit, Dependencies, Images, Progress, Source, compile, helm, install_image_packages,
    repository,
};

use self::programs::{Completions, PLUGIN};
use crate::images::Architectures;

/// Below the root of the working tree.
const DIRECTORY: &str = "dist/release";
const CHANGELOG: &str = "CHANGELOG.md";

/// What is to be made.
#[derive(Args)]
pub(crate) struct Settings {
    /// The registry that the images will be at: the chart and install.yaml name it
    #[arg(long, value_name = "REGISTRY", default_value = chart::REGISTRY)]
    registry: String,
    #[command(flatten)]
    architectures: Architectures,
    /// Go on although the commit has no tag: to try things out
    #[arg(long)]
    snapshot: bool,
    /// Go on although files differ from the commit: likewise
    #[arg(long)]
    allow_dirty: bool,
}

/// A version that is being made.
struct Release<'a> {
    source: &'a Source,
    commit: &'a Commit,
    /// Where its files go.
    directory: &'a Path,
}

impl Release<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        let file = self.file(name);
        fs::write(&file, contents).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Builds it all.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let source = Source::of_working_tree()?;
    let changelog =
        fs::read_to_string(repository().join(CHANGELOG)).with_context(|| format!("cannot read {CHANGELOG}"))?;
    let (commit, notes) = readiness::check(&source, settings.snapshot, settings.allow_dirty, &changelog)?;
    let directory = repository().join(DIRECTORY);
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot empty {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let release = Release { source: &source, commit, directory: &directory };
    let progress = Progress::new();
    install_image_packages(&progress)?;
    let (version, architectures) = (source.version.as_str(), settings.architectures.each());
    let registry = settings.registry.trim_end_matches('/');

    let step = progress.step("compile and pack programs");
    let images = Images::compile(registry, Some(version), &architectures, source.clone(), &step)?;
    let plugin = compile(&[PLUGIN.package], Architecture::Amd64, version, &step)?.join(PLUGIN.binary);
    let mut plugins = vec![];
    for &architecture in &architectures {
        // Each set by itself: all of them together would be other programs than those in the images.
        for set in &programs::SETS {
            let packages = set.packages();
            let built = compile(&packages, architecture, version, &step)?;
            let dependencies = Dependencies::read(&packages, architecture.target())?;
            let archive = programs::pack(&release, set, architecture, &built, &dependencies, &Completions(&plugin))?;
            if set.programs == [PLUGIN] {
                plugins.push((architecture, archive));
            }
            for program in set.programs {
                sbom::write(&release, *program, architecture, &built, &dependencies)?;
            }
        }
    }
    step.done("");
    let step = progress.step("build images");
    images.archive(&directory, |binary| format!("image-{binary}-{version}.tar"), &step)?;
    step.done("");
    chart::write(&release, &helm(&Cache::open()?, &progress)?, registry, &progress)?;
    krew::write(&release, &plugins)?;
    release.write("RELEASE_NOTES.md", notes)?;
    provenance::write(&release, &std::env::args().skip(1).collect::<Vec<_>>())?;
    digests::write(&release)?;
    println!("{DIRECTORY} has version {version}");
    if let Some(tag) = &commit.tag {
        println!(
            "Look at it, then `git push origin v{tag}`: .github/workflows/publish.yml makes it again and publishes it."
        );
    }
    Ok(())
}
