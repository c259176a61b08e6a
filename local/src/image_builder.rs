//! Building one image from the project's Dockerfile, with whichever of docker, podman and buildah is there.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::{
    Architecture, archive,
    compile::binaries,
    dependencies::Dependencies,
    exec,
    images::{Image, Transport},
    licenses::write_licenses,
    preflight::on_path,
    repository,
    source::Source,
};

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A program that builds images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Docker,
    Podman,
    Buildah,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
        }
    }
}

/// Builds images for some architectures.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    tool: Tool,
    storage: &'a Path,
    /// What the programs of each are made from.
    architectures: Vec<(Architecture, Dependencies)>,
    source: &'a Source,
}

impl<'a> Builder<'a> {
    /// With buildah, which is Debian's and needs no daemon, and a storage of its own.
    ///
    /// # Errors
    /// When cargo can't tell what the programs of `images` are made from.
    pub(crate) fn here(
        images: &[Image],
        architectures: &[Architecture],
        source: &'a Source,
        storage: &'a Path,
    ) -> Result<Self> {
        Self::new(Tool::Buildah, images, architectures, source, storage)
    }

    /// With what is there and logged in to a registry. Docker speaks plain HTTP only where its daemon was told so, and puts
    /// images of several architectures under one name only where its builder was set up for that: it is left out then.
    ///
    /// # Errors
    /// When there is none of them, and as [`Builder::here`].
    pub(crate) fn of_machine(
        transport: Transport,
        images: &[Image],
        architectures: &[Architecture],
        source: &'a Source,
        storage: &'a Path,
    ) -> Result<Self> {
        let tools: &[Tool] = match (transport, architectures) {
            (Transport::Tls, [_]) => &[Tool::Docker, Tool::Podman, Tool::Buildah],
            _ => &[Tool::Buildah, Tool::Podman],
        };
        let Some(&tool) = tools.iter().find(|tool| on_path(tool.name())) else {
            let names = tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(" or ");
            bail!("there is no {names} on PATH: install one to build and push images");
        };
        Self::new(tool, images, architectures, source, storage)
    }

    fn new(
        tool: Tool,
        images: &[Image],
        architectures: &[Architecture],
        source: &'a Source,
        storage: &'a Path,
    ) -> Result<Self> {
        let packages: Vec<_> = images.iter().map(|image| image.package).collect();
        let read = |&architecture: &Architecture| {
            Dependencies::read(&packages, architecture.target()).map(|dependencies| (architecture, dependencies))
        };
        let architectures = architectures.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { tool, storage, architectures, source })
    }

    /// The name of what builds.
    pub(crate) fn name(&self) -> &'static str {
        self.tool.name()
    }

    /// Builds an image from the program that was compiled, and its licences.
    pub(crate) fn build(&self, image: &Image) -> Result<()> {
        for (architecture, dependencies) in &self.architectures {
            stage(image, *architecture, dependencies)?;
            exec::run(self.command().args(self.build_arguments(image, *architecture)))?;
        }
        Ok(())
    }

    /// Pushes an image that was built to its registry.
    pub(crate) fn push(&self, image: &Image, transport: Transport) -> Result<()> {
        let insecure = (transport == Transport::PlainHttp).then_some("--tls-verify=false");
        self.copy(&image.reference, insecure, &format!("docker://{}", image.reference))
    }

    /// Writes an image that was built to `file`, an OCI archive: with its layers compressed, as a registry has them. Then
    /// nothing is left in the storage.
    pub(crate) fn archive(&self, image: &Image, file: &Path) -> Result<()> {
        let layout = tempfile::tempdir_in(self.storage)?;
        self.copy(&image.reference, None, &format!("oci:{}:{}", layout.path().display(), image.reference))?;
        // Not by the tool, which would write down when that was.
        archive::tar(layout.path(), file, archive::Compression::None, self.time().unwrap_or_default())?;
        exec::run(self.command().args(["rmi", "--all", "--force"]))?;
        Ok(())
    }

    fn copy(&self, reference: &str, flag: Option<&str>, to: &str) -> Result<()> {
        let mut command = self.command();
        match (self.tool, self.is_list()) {
            // It knows no other place than the registry.
            (Tool::Docker, _) => command.args(["push", reference]),
            (_, false) => command.arg("push").args(flag).args([reference, to]),
            (_, true) => command.args(["manifest", "push", "--all"]).args(flag).args([reference, to]),
        };
        exec::run(&mut command).map(drop)
    }

    /// Whether an image is a list of images, one for each architecture.
    fn is_list(&self) -> bool {
        self.architectures.len() > 1
    }

    fn time(&self) -> Option<u64> {
        self.source.commit.as_ref().map(|commit| commit.time)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.tool.name());
        match (self.tool, self.time()) {
            // Its way of saying --timestamp.
            (Tool::Docker, Some(time)) => drop(command.env("SOURCE_DATE_EPOCH", time.to_string())),
            (Tool::Docker | Tool::Podman, _) => {}
            (Tool::Buildah, _) => {
                // A storage of its own, which needs no driver that only a bare machine has.
                command.arg("--root").arg(self.storage.join("root")).arg("--runroot").arg(self.storage.join("runroot"));
                command.args(["--storage-driver", "vfs"]).env("BUILDAH_ISOLATION", "chroot");
            }
        }
        command
    }

    fn build_arguments(&self, image: &Image, architecture: Architecture) -> Vec<String> {
        let mut arguments = vec!["build".to_owned()];
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        add("--platform", format!("linux/{}", architecture.name()));
        add("--build-arg", format!("BINARY={}", image.binary));
        for (key, value) in notes(self.source) {
            let note = format!("org.opencontainers.image.{key}={value}");
            add("--label", note.clone());
            // Docker has images annotated by some of its builders only.
            if self.tool != Tool::Docker {
                add("--annotation", note);
            }
        }
        if let (Some(time), Tool::Podman | Tool::Buildah) = (self.time(), self.tool) {
            add("--timestamp", time.to_string());
        }
        add(if self.is_list() { "--manifest" } else { "--tag" }, image.reference.clone());
        arguments.push(repository().to_string_lossy().into_owned());
        arguments
    }
}

/// What an image says of its sources, beside what the Dockerfile has it say.
fn notes(source: &Source) -> Vec<(&'static str, String)> {
    let mut notes = vec![("version", source.version.clone())];
    if let Some(commit) = &source.commit {
        notes.push(("revision", commit.revision.clone()));
        let created = i64::try_from(commit.time).ok().and_then(|time| Timestamp::from_second(time).ok());
        notes.extend(created.map(|created| ("created", created.to_string())));
        notes.extend(commit.url.clone().map(|url| ("source", url)));
    }
    notes
}

/// Puts what the Dockerfile copies where it expects it.
fn stage(image: &Image, architecture: Architecture, dependencies: &Dependencies) -> Result<()> {
    let built = binaries(architecture).join(image.binary);
    let dist = repository().join("dist");
    let directory = dist.join(architecture.name()).join(image.binary);
    write_licenses(dependencies, &[image.package], &directory.join("licenses"))?;
    copy(&built, &directory.join("service"))?;
    copy(Path::new(CERTIFICATES), &dist.join("ca-certificates.crt"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
