//! `cargo xtask measure`.

use anyhow::{Result, bail};

/// Measures.
pub(crate) fn measure() -> Result<()> {
    bail!("not yet")
}
