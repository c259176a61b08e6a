//! Container images: what they are called, where they go, and which of them are there already.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    Architecture, Instance, Step, build_static,
    cache::checksum,
    compile::{binaries, compile},
    exec,
    image_builder::Builder,
    repository,
    source::Source,
};

/// The services of a platform, by the names of their binaries and images.
pub const SERVICES: [&str; 5] = ["order", "cook", "delivery", "mypage", "gateway"];

/// The image of every pod's sandbox.
pub(crate) const PAUSE_IMAGE: &str = "localhost/pause:1";

/// What a second tag of the services' images ends in.
const NEXT: &str = "-next";

/// An image that is to be built.
#[derive(Debug, Clone)]
pub struct Image {
    /// The package of the workspace that its program belongs to.
    pub package: &'static str,
    /// The program in it, and the last part of its name.
    pub binary: &'static str,
    /// REGISTRY/BINARY:TAG.
    pub reference: String,
}

/// The images of the operator and of a platform's services.
#[derive(Debug, Clone)]
pub struct Images {
    /// All images are below it.
    pub registry: String,
    /// The tag of the operator's image.
    pub operator_tag: String,
    /// The tag of all the services' images.
    pub services_tag: String,
    images: Vec<Image>,
    architectures: Vec<Architecture>,
    source: Source,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As a registry on the Internet has to be.
    Tls,
    /// As one that is only for this machine may be.
    PlainHttp,
}

impl Images {
    /// Compiles the static binaries from `source`, for each of the architectures, and names their images. Without a `tag`,
    /// after their contents: what has not changed keeps its name.
    ///
    /// # Errors
    /// When the compiler fails, with its own words.
    pub fn compile(
        registry: &str,
        tag: Option<&str>,
        architectures: &[Architecture],
        source: Source,
        step: &Step,
    ) -> Result<Self> {
        let mut packages = vec![("foodplatform-operator", "operator")];
        packages.extend(SERVICES.map(|service| (service, service)));
        let names: Vec<_> = packages.iter().map(|(package, _)| *package).collect();
        for architecture in architectures {
            compile(&names, *architecture, &source.version, step)?;
        }
        let dockerfile = repository().join("Dockerfile");
        let tag = |programs: &[&str]| {
            let of = |&architecture: &Architecture| {
                let directory = binaries(architecture);
                programs.iter().map(move |program| directory.join(program))
            };
            let mut files: Vec<PathBuf> = architectures.iter().flat_map(of).collect();
            files.push(dockerfile.clone());
            let contents = || checksum(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &[]);
            tag.map_or_else(contents, |tag| Ok(tag.to_owned()))
        };
        let (operator_tag, services_tag) = (tag(&["operator"])?, tag(&SERVICES)?);
        let images = packages
            .into_iter()
            .map(|(package, binary)| {
                let tag = if binary == "operator" { &operator_tag } else { &services_tag };
                Image { package, binary, reference: format!("{registry}/{binary}:{tag}") }
            })
            .collect();
        let (registry, architectures) = (registry.to_owned(), architectures.to_vec());
        Ok(Self { registry, operator_tag, services_tag, images, architectures, source })
    }

    /// The images one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.images.iter()
    }

    /// Builds the images and pushes them to their registry, with whichever of docker, podman and buildah is there and can: of
    /// several architectures each is a list, from which a node takes its own.
    ///
    /// # Errors
    /// When none of them is there, or it fails, with its own words.
    pub fn push(&self, transport: Transport, step: &Step) -> Result<()> {
        let storage = tempfile::tempdir()?;
        let (images, architectures) = (&self.images, &self.architectures);
        let builder = Builder::of_machine(transport, images, architectures, &self.source, storage.path())?;
        for image in images {
            step.message(&format!("{} push {}", builder.name(), image.reference));
            builder.build(image)?;
            builder.push(image, transport)?;
        }
        Ok(())
    }

    /// Builds the images with buildah into an OCI archive each, in `directory`. `name` makes the name of a file of that of a
    /// program.
    ///
    /// # Errors
    /// When buildah fails, with its own words.
    pub fn archive(&self, directory: &Path, name: impl Fn(&str) -> String, step: &Step) -> Result<()> {
        let storage = tempfile::tempdir()?;
        let builder = Builder::here(&self.images, &self.architectures, &self.source, storage.path())?;
        for image in &self.images {
            step.message(&image.reference);
            builder.build(image)?;
            builder.archive(image, &directory.join(name(image.binary)))?;
        }
        Ok(())
    }

    /// Builds those images that the local cluster does not have yet and loads them. Returns how many that were.
    ///
    /// # Errors
    /// When buildah or containerd fails, with its own words.
    pub fn load(&self, instance: &Instance, step: &Step) -> Result<usize> {
        load(instance, &self.images, &self.source, step)
    }

    /// Gives the services' images on the local cluster a second tag, so that there is another version to go to, and says
    /// which.
    ///
    /// # Errors
    /// When containerd fails, with its own words: the images have to be loaded.
    pub fn tag_again(&self, instance: &Instance) -> Result<String> {
        for image in self.images.iter().filter(|image| SERVICES.contains(&image.binary)) {
            let next = format!("{}{NEXT}", image.reference);
            exec::run(ctr(instance).args(["images", "tag", "--force", &image.reference, &next]))?;
        }
        Ok(format!("{}{NEXT}", self.services_tag))
    }
}

/// Builds the image of pods' sandboxes and loads it.
pub(crate) fn load_pause(instance: &Instance, step: &Step) -> Result<()> {
    let pause = Image { package: "pause", binary: "pause", reference: PAUSE_IMAGE.to_owned() };
    load(instance, &[pause], &Source::package(), step).map(drop)
}

/// Builds the image of a program of the workspace that is called as its package, and loads it into the local cluster if that
/// doesn't have it yet. Returns its name, which is made from what it holds.
///
/// # Errors
/// When the compiler, buildah or containerd fails, with its own words.
pub fn load_program(instance: &Instance, program: &'static str, step: &Step) -> Result<String> {
    let binary = build_static(&[program], step)?.join(program);
    let reference = format!("localhost/{program}:{}", checksum(&[&binary, &repository().join("Dockerfile")], &[])?);
    let image = Image { package: program, binary: program, reference: reference.clone() };
    load(instance, &[image], &Source::package(), step)?;
    Ok(reference)
}

fn load(instance: &Instance, images: &[Image], source: &Source, step: &Step) -> Result<usize> {
    let present = exec::run(ctr(instance).args(["images", "list", "--quiet"]))?;
    let present: HashSet<&str> = present.lines().collect();
    let missing: Vec<_> = images.iter().filter(|image| !present.contains(image.reference.as_str())).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let work = tempfile::tempdir_in(instance.run())?;
    let builder = Builder::here(images, &[Architecture::Amd64], source, work.path())?;
    for image in &missing {
        step.message(&image.reference);
        let file = work.path().join(format!("{}.tar", image.binary));
        builder.build(image)?;
        builder.archive(image, &file)?;
        exec::run(ctr(instance).args(["images", "import", "--index-name", &image.reference]).arg(&file))?;
        fs::remove_file(file)?;
    }
    Ok(missing.len())
}

fn ctr(instance: &Instance) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(instance.containerd_socket()).args(["--namespace", "k8s.io"]);
    command
}
