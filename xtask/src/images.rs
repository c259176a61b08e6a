//! `cargo xtask images`.

use std::fs;

use anyhow::Result;
use local::{Images, Progress, install_packages, repository};

/// Builds all images: pushed to a registry, or as archives.
pub(crate) fn build(registry: Option<&str>) -> Result<()> {
    let progress = Progress::new();
    if registry.is_none() {
        install_packages(&progress)?;
    }
    let step = progress.step("compile");
    let images = Images::compile(registry.unwrap_or("localhost/foodplatform"), &step)?;
    step.done("");
    let step = progress.step("build images");
    match registry {
        Some(_) => images.push(&step)?,
        None => {
            let directory = repository().join("dist/images");
            if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
            fs::create_dir_all(&directory)?;
            images.archive(&directory, &step)?;
        }
    }
    step.done("");
    for image in images.iter() {
        println!("{}", image.reference);
    }
    Ok(())
}
