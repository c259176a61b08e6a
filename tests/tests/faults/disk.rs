//! A small disk for log files, in memory, that can be filled up.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

use crate::leftovers::{is_left, new_name};

/// A disk, until it is dropped. It has to be mounted before the services start, which see the mounts of that moment.
pub(crate) struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Mounts one that holds so many bytes.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub(crate) fn mount(bytes: usize) -> Self {
        remove_leftovers();
        let directory = tempfile::Builder::new().prefix("foodplatform-fault-logs-").tempdir().expect("a directory");
        let (name, options) = (new_name(), format!("size={bytes},mode=0755"));
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some(name.as_str()), directory.path(), Some("tmpfs"), flags, Some(options.as_str())).expect("a disk");
        Self { directory }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Fills it up to the last byte.
    ///
    /// # Panics
    /// When that is not possible.
    pub(crate) fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).expect("a file");
        let full = loop {
            if let Err(error) = file.write_all(&[0; 512]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }

    /// Undoes [`Disk::fill`].
    ///
    /// # Panics
    /// When it was not filled.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("what filled it");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

/// Unmounts what earlier tests have left.
fn remove_leftovers() {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the list of mounts");
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    for place in fields.filter(|fields| is_left(fields[0])).map(|fields| PathBuf::from(fields[1])) {
        unmount(&place);
        // It is empty now.
        let _ = fs::remove_dir(place);
    }
}

fn unmount(place: &Path) {
    // Also when a process that is just ending has a file open there.
    if let Err(error) = umount2(place, MntFlags::MNT_DETACH) {
        eprintln!("unmounting {}: {error}", place.display());
    }
}
