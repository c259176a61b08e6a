//! One command at a time works on an instance.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use crate::Instance;

/// Held by the command that works on an instance. The kernel lets go of it when the process ends, however it ends.
pub struct Lock {
    path: PathBuf,
    _file: Flock<File>,
}

impl Lock {
    /// # Errors
    /// When another command works on the instance.
    pub fn take(instance: &Instance) -> Result<Self> {
        let path = PathBuf::from(format!("/run/lock/foodplatform-{}.lock", instance.name()));
        loop {
            let file = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .with_context(|| format!("cannot open {}", path.display()))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    // The holder before may have removed the file between our opening and locking it.
                    if same_file(&file, &path) {
                        return Ok(Self { path, _file: file });
                    }
                }
                Err((_, Errno::EWOULDBLOCK)) => bail!(
                    "another cargo xtask works on the local cluster {} (it holds {}): wait for it, or end it",
                    instance.name(),
                    path.display()
                ),
                Err((_, error)) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Leaves no file behind; should that fail, an unlocked file in /run does no harm.
        drop(std::fs::remove_file(&self.path));
    }
}

fn same_file(file: &File, path: &PathBuf) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(opened), Ok(named)) => opened.ino() == named.ino() && opened.dev() == named.dev(),
        _ => false,
    }
}
