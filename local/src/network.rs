//! The link between this machine and the cluster's network: a pair of virtual Ethernet devices.

use std::process::Command;

use anyhow::Result;

use crate::{Instance, exec, sandbox::Sandbox};

/// The cluster's end of the link, within its network namespace.
const INNER: &str = "fp-host";

/// Makes the link: the inner end is a port of the bridge, the outer end carries the machine's address.
/// It disappears with either network namespace.
pub(crate) fn link(instance: &Instance, sandbox: &Sandbox) -> Result<()> {
    let outer = instance.host_interface();
    let address = format!("{}/16", instance.host_address());
    let namespace = sandbox.init().to_string();
    ip(&["link", "add", &outer, "type", "veth", "peer", "name", INNER, "netns", &namespace])?;
    ip(&["address", "add", &address, "dev", &outer])?;
    exec::run(sandbox.command("ip").args(["link", "set", INNER, "master", "fp0", "up"]))?;
    ip(&["link", "set", &outer, "up"])
}

/// Removes the machine's end if it is still there: the kernel takes its time after the namespace's end.
pub(crate) fn unlink(instance: &Instance) -> Result<()> {
    let outer = instance.host_interface();
    if ip(&["link", "show", &outer]).is_ok()
        && let Err(error) = ip(&["link", "delete", &outer])
        && ip(&["link", "show", &outer]).is_ok()
    {
        return Err(error);
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    exec::run(Command::new("ip").args(arguments)).map(drop)
}
