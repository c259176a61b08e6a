//! `cargo xtask images`.

use std::{collections::BTreeSet, fs};

use anyhow::Result;
use clap::Args;
use local::{Architecture, Images, Progress, Source, Transport, install_image_packages, repository};

/// The registry of images that no registry has.
const NOWHERE: &str = "localhost/foodplatform";

/// What the images are called, and what becomes of them.
#[derive(Args)]
pub(crate) struct Settings {
    /// Push them to this registry, with docker, podman or buildah
    #[arg(long, value_name = "REGISTRY")]
    push: Option<String>,
    /// Their tag [default: made from what they hold]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The registry speaks HTTP without TLS, as that of the local cluster does
    #[arg(long, requires = "push")]
    plain_http: bool,
    #[command(flatten)]
    architectures: Architectures,
}

/// What programs and images are made for.
#[derive(Args)]
pub(crate) struct Architectures {
    /// The nodes that they are for: amd64, arm64, or both, divided by commas
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',', value_parser = architecture, default_value = "amd64")]
    named: Vec<Architecture>,
}

impl Architectures {
    /// Each once, in an order of their own.
    pub(crate) fn each(&self) -> Vec<Architecture> {
        self.named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn architecture(name: &str) -> Result<Architecture, String> {
    Architecture::ALL.into_iter().find(|architecture| architecture.name() == name).ok_or_else(|| {
        let names = Architecture::ALL.map(Architecture::name);
        format!("the architectures are {}", names.join(" and "))
    })
}

/// Builds all images: pushed to a registry, or as archives.
pub(crate) fn build(settings: &Settings) -> Result<()> {
    let progress = Progress::new();
    if settings.push.is_none() {
        install_image_packages(&progress)?;
    }
    let step = progress.step("compile");
    let registry = settings.push.as_deref().map_or(NOWHERE, |registry| registry.trim_end_matches('/'));
    let (architectures, source) = (settings.architectures.each(), Source::of_working_tree()?);
    let images = Images::compile(registry, settings.tag.as_deref(), &architectures, source, &step)?;
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
        images.archive(&directory, |binary| format!("{binary}.tar"), &step)?;
    }
    step.done("");
    for image in images.iter() {
        println!("{}", image.reference);
    }
    Ok(())
}
