//! What is slow to build and worth keeping: one directory per user, entries keyed by what they are built from.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Begins the name of an entry that is being built; its builder's process id follows.
const BUILDING: &str = ".building-";

/// The user's cache of built programs.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$XDG_CACHE_HOME/foodplatform`, or `~/.cache/foodplatform`.
    ///
    /// # Errors
    /// When neither variable is set, or the directory cannot be made.
    pub fn open() -> Result<Self> {
        let base = env::var_os("XDG_CACHE_HOME")
            .filter(|value| Path::new(value).is_absolute())
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .context("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep what is built")?;
        let root = base.join("foodplatform");
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root })
    }

    /// Where the cache lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory `NAME-KEY`. When it is not there, `build` fills a new one, which then takes that name in one
    /// step: an interrupted build leaves no half entry. Entries of the same name with another key are removed.
    pub(crate) fn entry(&self, name: &str, key: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let entry = self.root.join(format!("{name}-{key}"));
        if entry.is_dir() {
            return Ok(entry);
        }
        self.remove_abandoned()?;
        let prefix = format!("{BUILDING}{}-", process::id());
        let temporary = tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.root)?;
        build(temporary.path())?;
        let prefix = format!("{name}-");
        for old in fs::read_dir(&self.root)?.flatten() {
            if old.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(old.path())?;
            }
        }
        match fs::rename(temporary.keep(), &entry) {
            Ok(()) => Ok(entry),
            // Someone else has built the same meanwhile.
            Err(_) if entry.is_dir() => Ok(entry),
            Err(error) => Err(error).with_context(|| format!("cannot make {}", entry.display())),
        }
    }

    /// Removes what processes were building that are gone.
    fn remove_abandoned(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root)?.flatten() {
            let name = entry.file_name();
            let builder = name.to_str().and_then(|name| name.strip_prefix(BUILDING)?.split_once('-'));
            if builder.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A short checksum of the contents of `files` and of `settings`.
pub(crate) fn checksum(files: &[&Path], settings: &[&str]) -> Result<String> {
    let mut sum = Sha256::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        sum.update(Sha256::digest(bytes));
    }
    for setting in settings {
        sum.update(Sha256::digest(setting.as_bytes()));
    }
    Ok(sum.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_build_leaves_no_entry_and_a_new_key_replaces_the_old_entry() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache { root: directory.path().to_owned() };
        cache.entry("tool", "1", |_| anyhow::bail!("interrupted")).unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        fs::create_dir(directory.path().join(format!("{BUILDING}0-x"))).unwrap();
        let old = cache.entry("tool", "1", |path| Ok(fs::write(path.join("bin"), "1")?)).unwrap();
        assert_eq!(cache.entry("tool", "1", |_| unreachable!()).unwrap(), old);
        let new = cache.entry("tool", "2", |path| Ok(fs::write(path.join("bin"), "2")?)).unwrap();
        assert!(!old.exists() && new.join("bin").is_file());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
