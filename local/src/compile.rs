//! Compiling the workspace's programs as images and releases have them: optimised and static.

use std::{env, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    Architecture, Cache, Progress, Step,
    checkers::zigbuild,
    exec, repository,
    source::{PACKAGE_VERSION, VARIABLE},
};

/// Compiles `packages` for this machine. Returns the directory of the binaries.
///
/// # Errors
/// When the compiler fails, with its own words.
pub fn build_static(packages: &[&str], step: &Step) -> Result<PathBuf> {
    compile(packages, Architecture::Amd64, PACKAGE_VERSION, step)
}

/// Compiles `packages` for an architecture as programs of that version. Returns the directory of the binaries.
///
/// # Errors
/// As [`build_static`].
pub fn compile(packages: &[&str], architecture: Architecture, version: &str, step: &Step) -> Result<PathBuf> {
    let target = architecture.target();
    // rustup adds what rust-toolchain.toml names when it installs the toolchain, and not to one that is there already.
    exec::run(Command::new("rustup").args(["target", "add", target]).current_dir(repository()))?;
    let mut command = cargo(architecture)?;
    command.args(["--release", "--bins", "--target", target]).current_dir(repository()).env(VARIABLE, version);
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
    Ok(binaries(architecture))
}

/// Where cargo leaves programs for an architecture.
pub(crate) fn binaries(architecture: Architecture) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    repository().join(target).join(architecture.target()).join("release")
}

/// cargo, as it compiles for an architecture: for others than this machine's with zig, which has a C compiler, musl and a linker
/// for each.
fn cargo(architecture: Architecture) -> Result<Command> {
    if architecture == Architecture::Amd64 {
        let mut command = Command::new("cargo");
        command.arg("build");
        return Ok(command);
    }
    let tools = zigbuild(&Cache::open()?, &Progress::new())?;
    let mut command = Command::new(tools.join("bin/cargo-zigbuild"));
    command.arg("zigbuild");
    command.env("CARGO_ZIGBUILD_PYTHON_PATH", tools.join("bin/python"));
    // librdkafka's own configure knows these alone; what is built for this machine meanwhile asks for HOST_CC first.
    command.env("CC", tools.join("zig-cc")).env("HOST_CC", "cc");
    command.env("CXX", tools.join("zig-c++")).env("HOST_CXX", "c++");
    // It builds a shared library, too, which exports more than there is; zig's linker would refuse that.
    command.env("LDFLAGS", "-Wl,--undefined-version");
    // Nodes of this kind may have pages of 64 KiB, and an allocator that was made for smaller ones ends there at once.
    command.env("JEMALLOC_SYS_WITH_LG_PAGE", "16");
    Ok(command)
}
