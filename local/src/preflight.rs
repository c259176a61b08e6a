//! What must be true of this machine, said in one line when it is not.

use std::{env, net::Ipv4Addr, path::Path, process::Command};

use anyhow::{Result, bail};
use nix::{sys::statvfs::statvfs, unistd::Uid};
use serde_json::Value;

use crate::{Instance, exec};

/// # Errors
/// When this process does not run as root.
pub fn require_root() -> Result<()> {
    if !Uid::effective().is_root() {
        bail!(
            "the local cluster needs root for namespaces, mounts and cgroups: run this as root (sudo -E cargo xtask …)"
        );
    }
    Ok(())
}

/// Checks for programs that no Debian package of ours brings.
///
/// # Errors
/// When one is missing, with what to install.
pub fn require_tools() -> Result<()> {
    let tools = [
        ("cc", "build-essential, for instance: apt-get install build-essential"),
        ("make", "build-essential, for instance: apt-get install build-essential"),
        ("perl", "perl, for instance: apt-get install perl"),
        ("cargo", "Rust from https://rustup.rs"),
        ("rustup", "Rust from https://rustup.rs"),
        ("go", "Go ≥ 1.26 from https://go.dev/dl"),
        ("java", "Java ≥ 17, for instance: apt-get install default-jre-headless"),
        ("mvn", "Maven, for instance: apt-get install maven"),
        ("apt-get", "a Debian system: the cluster's packages come from there"),
    ];
    for (tool, remedy) in tools {
        if !on_path(tool) {
            bail!("{tool} is not on PATH: install {remedy}");
        }
    }
    Ok(())
}

pub(crate) fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(tool).is_file()))
}

/// Checks that `gibibytes` are free where `path` lies, or is going to lie.
///
/// # Errors
/// When less is free.
pub fn require_space(path: &Path, gibibytes: u64) -> Result<()> {
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.is_dir()) else { return Ok(()) };
    let file_system = statvfs(existing)?;
    let free = (file_system.blocks_available() * file_system.fragment_size()) >> 30;
    if free < gibibytes {
        bail!("only {free} GiB are free at {}: make room for {gibibytes} GiB", existing.display());
    }
    Ok(())
}

/// Checks that no other interface of this machine uses the instance's addresses.
pub(crate) fn require_subnet(instance: &Instance) -> Result<()> {
    let listed = exec::run(Command::new("ip").args(["-json", "-4", "address", "show"]))?;
    let interfaces: Vec<Value> = serde_json::from_str(&listed)?;
    for interface in interfaces {
        let name = interface["ifname"].as_str().unwrap_or_default();
        for address in interface["addr_info"].as_array().into_iter().flatten() {
            let (Some(local), Some(length)) = (address["local"].as_str(), address["prefixlen"].as_u64()) else {
                continue;
            };
            if name != instance.host_interface() && overlaps(instance, local.parse()?, length) {
                bail!(
                    "the interface {name} uses {local}/{length}, which the local cluster needs ({}): free that network first",
                    instance.network()
                );
            }
        }
    }
    Ok(())
}

fn overlaps(instance: &Instance, address: Ipv4Addr, length: u64) -> bool {
    let shorter = u32::try_from(length.min(16)).unwrap_or(16);
    let mask = u32::MAX.checked_shl(32 - shorter).unwrap_or(0);
    u32::from(address) & mask == u32::from(instance.node_address()) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_share_an_address_overlap() {
        let instance = Instance::dev();
        for (address, length, expected) in
            [("10.213.7.1", 24, true), ("10.0.0.5", 8, true), ("10.214.0.1", 16, false), ("192.168.1.1", 0, true)]
        {
            assert_eq!(overlaps(&instance, address.parse().unwrap(), length), expected, "{address}/{length}");
        }
    }
}
