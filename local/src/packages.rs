//! Debian packages that the cluster needs.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{Progress, exec};

const PACKAGES: &[&str] = &[
    "buildah",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "ipset",
    "iproute2",
    "iptables",
    "musl-tools",
    "postgresql",
    "runc",
    "socat",
];

/// Packages that start a server of their own, under their own name.
const STARTED: [&str; 2] = ["docker-registry", "redis-server"];
/// What building images and releases needs of these, and what else.
const IMAGE_PACKAGES: &[&str] = &["buildah", "ca-certificates", "musl-tools", "python3-venv"];

/// Installs those of the cluster's Debian packages that are missing.
///
/// # Errors
/// When apt fails, with its own words.
pub fn install_packages(progress: &Progress) -> Result<()> {
    install(PACKAGES, progress)
}

/// Installs those Debian packages that are missing to build images and releases.
///
/// # Errors
/// When apt fails, with its own words.
pub fn install_image_packages(progress: &Progress) -> Result<()> {
    install(IMAGE_PACKAGES, progress)
}

/// Installs those of `packages` that are missing.
pub(crate) fn install(packages: &[&str], progress: &Progress) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let step = progress.step("install packages");
    step.message(&missing.join(" "));
    if missing.contains(&"postgresql") {
        no_default_postgresql()?;
    }
    for package in missing.iter().filter(|name| STARTED.contains(name)) {
        no_default_server(package)?;
    }
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)?;
    step.done(&missing.join(" "));
    Ok(())
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    exec::run(query.args(["--show", "--showformat=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

/// Debian's package makes and starts a server of its own when it is installed, unless this file says no.
fn no_default_postgresql() -> Result<()> {
    let directory = Path::new("/etc/postgresql-common/createcluster.d");
    fs::create_dir_all(directory)?;
    fs::write(directory.join("foodplatform.conf"), "create_main_cluster = false\n")
        .context("cannot configure PostgreSQL's package")
}

/// Debian's package starts a server for all addresses or at a port of others when it is installed, and with the machine,
/// unless its unit is masked.
fn no_default_server(package: &str) -> Result<()> {
    let unit = Path::new("/etc/systemd/system").join(format!("{package}.service"));
    if unit.is_symlink() || unit.exists() {
        return Ok(());
    }
    fs::create_dir_all("/etc/systemd/system")?;
    symlink("/dev/null", &unit).with_context(|| format!("cannot mask {package}'s unit"))
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.arg("-qq").args(["-o", "DPkg::Lock::Timeout=120"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    exec::run(&mut command).map(drop)
}
