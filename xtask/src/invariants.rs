//! `cargo xtask invariants`.

use std::process::Command;

use anyhow::{Context, Result, bail};
use local::{Binaries, Cache, Cluster, Instance, Progress, repository};

use crate::{
    forward::Forward,
    platform::{NAME, NAMESPACE},
    target::Target,
};

/// The port of every service.
const PORT: u16 = 8080;

/// Waits until the example on a local cluster is at rest, and checks its invariants.
pub(crate) fn check(instance: &Instance) -> Result<()> {
    let cluster = Cluster::find(instance)?.context("the local cluster is not up: run cargo xtask up first")?;
    let binaries = Binaries::build(&Cache::open()?, &Progress::new())?;
    let target = Target::local(instance, &binaries);
    let mut command = Command::new("cargo");
    // Run, not linked: the tests with their C libraries would have to be built before any command could start.
    command.args(["run", "--package", "tests", "--bin", "invariants", "--"]).current_dir(repository());
    let mut forwards = vec![];
    for service in ["order", "cook", "delivery", "mypage"] {
        // Past the gateway, which lets only customers' requests in.
        let forward = Forward::start(&target, NAMESPACE, &format!("{NAME}-{service}"), PORT)?;
        command.arg(format!("--{service}")).arg(forward.address());
        forwards.push(forward);
    }
    command
        .args(["--kafka", &cluster.kafka_bootstrap_servers()])
        .args(["--prefix", &format!("{NAMESPACE}.{NAME}.")])
        .args(["--groups", &format!("{NAMESPACE}.{NAME}.{{}}")])
        .args(["--schemas", &format!("{NAMESPACE}__{NAME}__{{}}")])
        // Not an argument: those of a process can be read by everyone.
        .env("DATABASE_URL", cluster.database_url()?);
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the platform's invariants do not hold, or could not be checked");
    }
    Ok(())
}
