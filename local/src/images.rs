//! Container images: static binaries, the project's Dockerfile, and buildah where there is no container engine.

use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{Instance, Step, cache::checksum, exec, preflight::on_path, repository};

/// The services of a platform, by the names of their binaries and images.
pub const SERVICES: [&str; 5] = ["order", "cook", "delivery", "mypage", "gateway"];

/// The image of every pod's sandbox.
pub(crate) const PAUSE_IMAGE: &str = "localhost/pause:1";

const TARGET: &str = "x86_64-unknown-linux-musl";
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

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
    /// Compiles the static binaries and names their images. Without a `tag`, after their contents: what has not changed
    /// keeps its name.
    ///
    /// # Errors
    /// When the compiler fails, with its own words.
    pub fn compile(registry: &str, tag: Option<&str>, step: &Step) -> Result<Self> {
        let mut packages = vec![("foodplatform-operator", "operator")];
        packages.extend(SERVICES.map(|service| (service, service)));
        let directory = build_static(&packages.iter().map(|(package, _)| *package).collect::<Vec<_>>(), step)?;
        let dockerfile = repository().join("Dockerfile");
        let tag = |binaries: &[&str]| {
            let mut files: Vec<PathBuf> = binaries.iter().map(|binary| directory.join(binary)).collect();
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
        Ok(Self { registry: registry.to_owned(), operator_tag, services_tag, images })
    }

    /// The images one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Image> {
        self.images.iter()
    }

    /// Builds the images and pushes them to their registry, with whichever of docker, podman and buildah is there. Docker
    /// speaks plain HTTP only where its daemon was told so, and is left out then.
    ///
    /// # Errors
    /// When none of them is there, or it fails, with its own words.
    pub fn push(&self, transport: Transport, step: &Step) -> Result<()> {
        let tools: &[&str] = match transport {
            Transport::Tls => &["docker", "podman", "buildah"],
            Transport::PlainHttp => &["buildah", "podman"],
        };
        let Some(tool) = tools.iter().find(|tool| on_path(tool)) else {
            bail!("there is no {} on PATH: install one to build and push images", tools.join(" or "));
        };
        let storage = tempfile::tempdir()?;
        let command = || if *tool == "buildah" { buildah(storage.path()) } else { Command::new(tool) };
        let insecure = (transport == Transport::PlainHttp).then_some("--tls-verify=false");
        for image in &self.images {
            step.message(&format!("{tool} push {}", image.reference));
            stage(image.binary)?;
            exec::run(command().args(build_arguments(image.binary, &image.reference)))?;
            exec::run(command().arg("push").args(insecure).arg(&image.reference))?;
        }
        Ok(())
    }

    /// Builds the images with buildah into an archive each, in `directory`: `BINARY.tar`.
    ///
    /// # Errors
    /// When buildah fails, with its own words.
    pub fn archive(&self, directory: &Path, step: &Step) -> Result<()> {
        let storage = tempfile::tempdir()?;
        for image in &self.images {
            step.message(&image.reference);
            archive(image.binary, &image.reference, storage.path(), &directory.join(format!("{}.tar", image.binary)))?;
        }
        Ok(())
    }

    /// Builds those images that the local cluster does not have yet and loads them. Returns how many that were.
    ///
    /// # Errors
    /// When buildah or containerd fails, with its own words.
    pub fn load(&self, instance: &Instance, step: &Step) -> Result<usize> {
        let images: Vec<_> = self.images.iter().map(|image| (image.binary, image.reference.as_str())).collect();
        load(instance, &images, step)
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

/// Compiles `packages` for the images: optimized, static. Returns the directory of the binaries.
///
/// # Errors
/// When the compiler fails, with its own words.
pub fn build_static(packages: &[&str], step: &Step) -> Result<PathBuf> {
    // rustup adds what rust-toolchain.toml names when it installs the toolchain, and not to one that is there already.
    exec::run(Command::new("rustup").args(["target", "add", TARGET]).current_dir(repository()))?;
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--bins", "--target", TARGET]).current_dir(repository());
    for package in packages {
        command.args(["--package", package]);
    }
    let mut compiled = 0;
    exec::follow(&mut command, |line| {
        if line.starts_with("Compiling") {
            compiled += 1;
        }
        step.message(&format!("{compiled} crates, {line}"));
    })?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(repository().join(target).join(TARGET).join("release"))
}

/// Builds the image of pods' sandboxes and loads it.
pub(crate) fn load_pause(instance: &Instance, step: &Step) -> Result<()> {
    load(instance, &[("pause", PAUSE_IMAGE)], step).map(drop)
}

/// Builds the image of a program of the workspace that is called as its package, and loads it into the local cluster if that
/// doesn't have it yet. Returns its name, which is made from what it holds.
///
/// # Errors
/// When the compiler, buildah or containerd fails, with its own words.
pub fn load_program(instance: &Instance, program: &str, step: &Step) -> Result<String> {
    let binary = build_static(&[program], step)?.join(program);
    let reference = format!("localhost/{program}:{}", checksum(&[&binary, &repository().join("Dockerfile")], &[])?);
    load(instance, &[(program, &reference)], step)?;
    Ok(reference)
}

fn load(instance: &Instance, images: &[(&str, &str)], step: &Step) -> Result<usize> {
    let present = exec::run(ctr(instance).args(["images", "list", "--quiet"]))?;
    let present: HashSet<&str> = present.lines().collect();
    let missing: Vec<_> = images.iter().filter(|(_, reference)| !present.contains(reference)).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let work = tempfile::tempdir_in(instance.run())?;
    for (binary, reference) in &missing {
        step.message(reference);
        let file = work.path().join(format!("{binary}.tar"));
        archive(binary, reference, work.path(), &file)?;
        exec::run(ctr(instance).args(["images", "import", "--index-name", reference]).arg(&file))?;
        fs::remove_file(file)?;
    }
    Ok(missing.len())
}

fn ctr(instance: &Instance) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(instance.containerd_socket()).args(["--namespace", "k8s.io"]);
    command
}

/// Builds one image with buildah and writes it to `file`, an OCI archive: with its layers compressed, as a registry has
/// them.
fn archive(binary: &str, reference: &str, storage: &Path, file: &Path) -> Result<()> {
    stage(binary)?;
    exec::run(buildah(storage).args(build_arguments(binary, reference)))?;
    exec::run(buildah(storage).arg("push").arg(reference).arg(format!("oci-archive:{}:{reference}", file.display())))?;
    exec::run(buildah(storage).args(["rmi", reference]))?;
    Ok(())
}

/// buildah with a storage of its own, which needs no driver that only a bare machine has.
fn buildah(storage: &Path) -> Command {
    let mut command = Command::new("buildah");
    command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("runroot"));
    command.args(["--storage-driver", "vfs"]).env("BUILDAH_ISOLATION", "chroot");
    command
}

/// The same for docker, podman and buildah.
fn build_arguments(binary: &str, reference: &str) -> [String; 6] {
    let context = repository().to_string_lossy().into_owned();
    [
        "build".to_owned(),
        "--build-arg".to_owned(),
        format!("BINARY={binary}"),
        "--tag".to_owned(),
        reference.to_owned(),
        context,
    ]
}

/// Puts what the Dockerfile copies where it expects it.
fn stage(binary: &str) -> Result<()> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let built = repository().join(target).join(TARGET).join("release").join(binary);
    let dist = repository().join("dist");
    fs::create_dir_all(&dist)?;
    fs::copy(&built, dist.join(binary)).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::copy(CERTIFICATES, dist.join("ca-certificates.crt")).with_context(|| format!("cannot copy {CERTIFICATES}"))?;
    Ok(())
}
