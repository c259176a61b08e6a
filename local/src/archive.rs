//! Archives that are the same, byte by byte, whenever and by whomever they are made from the same files.

use std::{fs, io, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::exec;

/// Whether an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not: its parts are already.
    None,
    /// With gzip.
    Gzip,
}

/// Writes what is in `directory` to `file`, as of `time` (in seconds since 1970) and nobody's in particular.
///
/// # Errors
/// When tar fails, with its own words.
pub fn tar(directory: &Path, file: &Path, compression: Compression, time: u64) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    command.arg(format!("--mtime=@{time}")).arg("--mode=u=rwX,go=rX");
    if compression == Compression::Gzip {
        // Without the time at which it is done.
        command.arg("--use-compress-program=gzip --no-name --best");
    }
    // Helm and others want names that don't begin with `./`.
    let read = || format!("cannot list {}", directory.display());
    let entries = fs::read_dir(directory).with_context(read)?;
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>().with_context(read)?;
    names.sort();
    command.arg("--file").arg(file).arg("--directory").arg(directory).arg("--").args(names);
    exec::run(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive_whenever_they_were_written() {
        let out = tempfile::tempdir().unwrap();
        let made = |names: [&str; 2], mode: u32, time: u64, compression: Compression| {
            let directory = tempfile::tempdir().unwrap();
            for name in names {
                let path = directory.path().join(name);
                fs::write(&path, name).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let of = filetime(name.len() as u64);
                fs::File::options().write(true).open(&path).unwrap().set_times(of).unwrap();
            }
            let file = out.path().join("a.tar");
            tar(directory.path(), &file, compression, time).unwrap();
            fs::read(file).unwrap()
        };
        for compression in [Compression::None, Compression::Gzip] {
            let first = made(["a", "bb"], 0o644, 1_000_000_000, compression);
            assert_eq!(first, made(["bb", "a"], 0o600, 1_000_000_000, compression));
            assert_ne!(first, made(["a", "bb"], 0o644, 1_000_000_001, compression));
            assert_ne!(first, made(["a", "bb"], 0o755, 1_000_000_000, compression));
        }
    }

    fn filetime(seconds: u64) -> fs::FileTimes {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::FileTimes::new().set_modified(time)
    }
}
