//! `cargo xtask images`.

use std::fs;

use anyhow::Result;
use clap::Args;
use local::{Images, Progress, Transport, install_packages, repository};

/// The registry of images that no registry has.
const NOWHERE: &str = "localhost/foodplatform";

/// What the images are called, and what becomes of them.
#[derive(Args)]
pub(crate) struct Settings {
    /// Push them to this registry, with docker, podman or buildah
    #[arg(long, value_name = "REGISTRY")]
    push: Option<String>,
    /// Their tag; made from what they hold by default
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The registry speaks HTTP without TLS, as that of the local cluster does
    #[arg(long, requires = "push")]
    plain_http: bool,
}

/// Builds all images: pushed to a registry, or as archives.
pub(crate) fn build(settings: &Settings) -> Result<()> {
    let progress = Progress::new();
    if settings.push.is_none() {
        install_packages(&progress)?;
    }
    let step = progress.step("compile");
    let registry = settings.push.as_deref().map_or(NOWHERE, |registry| registry.trim_end_matches('/'));
    let images = Images::compile(registry, settings.tag.as_deref(), &step)?;
    step.done("");
    let step = progress.step("build images");
    if settings.push.is_some() {
        images.push(if settings.plain_http { Transport::PlainHttp } else { Transport::Tls }, &step)?;
    } else {
        let directory = repository().join("dist/images");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        images.archive(&directory, &step)?;
    }
    step.done("");
    for image in images.iter() {
        println!("{}", image.reference);
    }
    Ok(())
}
