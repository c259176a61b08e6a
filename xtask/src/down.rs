//! `cargo xtask down`.

use anyhow::Result;
use local::{Cluster, Instance, Lock, Progress, require_root};

/// Takes an instance down.
pub(crate) fn down(instance: &Instance) -> Result<()> {
    require_root()?;
    let _lock = Lock::take(instance)?;
    let step = Progress::new().step(&format!("take {} down", instance.name()));
    let outcome = if Cluster::down(instance)? { "nothing is left but the cache" } else { "there was nothing" };
    step.done(outcome);
    Ok(())
}
