//! The programs of others that we build from source, from their package registries: Kubernetes, its add-ons, Helm and Apache Kafka.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};

use crate::{Cache, Progress, Step, cache::checksum, exec, repository};

const KUBERNETES_VERSION: &str = "1.35.4";
const HELM: &str = "helm.sh/helm/v3/cmd/helm@v3.22.0";

/// Where the built programs lie.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// Every component of Kubernetes and etcd; the first argument picks one.
    pub(crate) kubernetes: PathBuf,
    /// `coredns` and `metrics-server`, likewise.
    pub(crate) addons: PathBuf,
    /// The directory of Kafka's jars.
    pub(crate) kafka: PathBuf,
    kubectl: PathBuf,
    helm: PathBuf,
}

impl Binaries {
    /// Builds what the cache does not hold.
    ///
    /// # Errors
    /// When a build fails, with the tool's own words.
    pub fn build(cache: &Cache, progress: &Progress) -> Result<Self> {
        thread::scope(|scope| {
            // Maven waits for the network while Go keeps the processors busy. Go builds take all of them: one by one.
            let kafka = scope.spawn(|| kafka(cache, progress));
            let kubernetes = kubernetes(cache, progress)?;
            let addons = addons(cache, progress)?;
            let helm = helm(cache, progress)?;
            let kafka = kafka.join().map_err(|_| anyhow!("the build of Kafka panicked"))??;
            Ok(Self {
                kubectl: kubernetes.join("kubectl"),
                kubernetes: kubernetes.join("kubernetes"),
                addons,
                helm,
                kafka,
            })
        })
    }

    /// The client of the very version that the cluster runs.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// Helm.
    pub fn helm(&self) -> &Path {
        &self.helm
    }

    /// The directory of Kafka's jars, its command line among them.
    pub fn kafka_jars(&self) -> &Path {
        &self.kafka
    }
}

/// The major and the minor part of the version of Kubernetes.
fn kubernetes_version() -> Result<(&'static str, &'static str)> {
    let parts = KUBERNETES_VERSION.split_once('.').and_then(|(major, rest)| Some((major, rest.split_once('.')?.0)));
    parts.context("the version of Kubernetes has no minor part")
}

fn kubernetes(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let (major, minor) = kubernetes_version()?;
    let version = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor} \
         -X {version}.gitTreeState=clean"
    );
    go_module(cache, progress, "kubernetes", &flags, |directory| {
        symlink("kubernetes", directory.join("kubectl")).context("cannot link kubectl")
    })
}

/// Helm 3, which takes clusters that it doesn't ask, as for templates, for such of that version.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn helm(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let (major, minor) = kubernetes_version()?;
    let versions = ["chartutil", "lint/rules"].map(|package| {
        let package = format!("helm.sh/helm/v3/pkg/{package}");
        format!("-X {package}.k8sVersionMajor={major} -X {package}.k8sVersionMinor={minor}")
    });
    go_program(cache, progress, "helm", HELM, &format!("-s -w {}", versions.join(" ")))
}

fn addons(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(go_module(cache, progress, "addons", "-s -w", |_| Ok(()))?.join("addons"))
}

/// Builds the Go module in our directory `name` into a binary of that name.
pub(crate) fn go_module(
    cache: &Cache,
    progress: &Progress,
    name: &str,
    flags: &str,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    go_package(cache, progress, name, ".", &["go.mod", "go.sum", "main.go"], flags, finish)
}

/// Builds a tool of the Go module in our directory `name`, which has no program of its own, into a binary of that name: the
/// way for programs that `go install` can't build by their version alone, since their modules replace others.
pub(crate) fn go_tool(
    cache: &Cache,
    progress: &Progress,
    name: &str,
    package: &str,
    flags: &str,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    go_package(cache, progress, name, package, &["go.mod", "go.sum"], flags, finish)
}

fn go_package(
    cache: &Cache,
    progress: &Progress,
    name: &str,
    package: &str,
    sources: &[&str],
    flags: &str,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let module = repository().join("local").join(name);
    let sources: Vec<_> = sources.iter().map(|file| module.join(file)).collect();
    let key = checksum(&sources.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &[flags])?;
    cache.entry(name, &key, |directory| {
        let step = progress.step(&format!("build {name}"));
        go(
            &step,
            &["build", "-v", "-trimpath", "-ldflags", flags, "-o", &directory.join(name).to_string_lossy(), package],
            &module,
            None,
        )?;
        finish(directory)?;
        step.done("");
        Ok(())
    })
}

/// Builds a program of someone else's Go module, `MODULE/PACKAGE@VERSION`, into the entry `name` of the cache.
pub(crate) fn go_program(
    cache: &Cache,
    progress: &Progress,
    name: &str,
    package: &str,
    flags: &str,
) -> Result<PathBuf> {
    let key = checksum(&[], &[package, flags])?;
    let program = package.split('@').next().and_then(|path| path.rsplit('/').next());
    let program = program.with_context(|| format!("{package} names no program"))?;
    let entry = cache.entry(name, &key, |directory| {
        let step = progress.step(&format!("build {name}"));
        go(&step, &["install", "-v", "-trimpath", "-ldflags", flags, package], directory, Some(directory))?;
        step.done("");
        Ok(())
    })?;
    Ok(entry.join(program))
}

/// The directory with the sources of someone else's `module`, which our Go module in the directory `name` requires.
pub(crate) fn go_sources(name: &str, module: &str) -> Result<PathBuf> {
    let directory = repository().join("local").join(name);
    let go = |arguments: &[&str]| exec::run(Command::new("go").args(arguments).current_dir(&directory));
    // Where a program was built from it already, it is there.
    go(&["mod", "download", module])?;
    Ok(PathBuf::from(go(&["list", "-m", "-f", "{{.Dir}}", module])?.trim()))
}

fn go(step: &Step, arguments: &[&str], directory: &Path, output: Option<&Path>) -> Result<()> {
    let mut command = Command::new("go");
    command.args(arguments).current_dir(directory).env("CGO_ENABLED", "0");
    if let Some(output) = output {
        command.env("GOBIN", output);
    }
    let mut packages = 0;
    exec::follow(&mut command, |line| {
        if line.starts_with("go: downloading") {
            step.message(line);
        } else {
            packages += 1;
            step.message(&format!("{packages} packages, {line}"));
        }
    })?;
    Ok(())
}

fn kafka(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let project = repository().join("local/kafka/pom.xml");
    let key = checksum(&[&project], &[])?;
    cache.entry("kafka", &key, |directory| {
        let step = progress.step("fetch Apache Kafka");
        jars(&project, directory)?;
        step.done("");
        Ok(())
    })
}

/// Copies the jars that a Maven project needs into a directory.
pub(crate) fn jars(project: &Path, directory: &Path) -> Result<()> {
    // Maven writes beside its project, so that gets a place of its own too.
    let work = tempfile::tempdir()?;
    fs::copy(project, work.path().join("pom.xml"))?;
    exec::run(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", directory.display()))
            .current_dir(work.path()),
    )?;
    Ok(())
}
