//! What outlives the cluster's namespaces: cgroups, files, and the machine's end of the link.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Instance, network, sandbox::MOUNT_POINTS, wait};

/// Where Linux shows its cgroups: one hierarchy (version 2), or a directory with one per controller (version 1).
const CGROUPS: &str = "/sys/fs/cgroup";

/// Makes the root of the pods' cgroups in every hierarchy.
pub(crate) fn make_cgroups(instance: &Instance) -> Result<()> {
    for hierarchy in hierarchies()? {
        let path = hierarchy.join(instance.cgroup());
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot make the cgroup {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes all of it. The namespaces must be gone.
pub(crate) fn remove(instance: &Instance) -> Result<()> {
    network::unlink(instance)?;
    for hierarchy in hierarchies()? {
        let root = hierarchy.join(instance.cgroup());
        // The kernel lets go of a cgroup shortly after its last process.
        wait::until("the removal of the pods' cgroups", Duration::from_secs(10), || Ok(remove_cgroup(&root).is_ok()))?;
    }
    let state = instance.state();
    if state.exists() {
        fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
    }
    // Only when it is empty: another instance may stand beside.
    if let Some(parent) = state.parent()
        && fs::remove_dir(parent).is_ok()
    {
        for point in MOUNT_POINTS {
            // Not empty, then not ours.
            drop(fs::remove_dir(point));
        }
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = Path::new(CGROUPS);
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root.to_owned()]);
    }
    let entries = fs::read_dir(root).with_context(|| format!("cannot list {CGROUPS}"))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.join("cgroup.procs").exists()).collect())
}

/// Removes a cgroup and those below it. Its files are the kernel's and go with it.
fn remove_cgroup(cgroup: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(cgroup) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}
