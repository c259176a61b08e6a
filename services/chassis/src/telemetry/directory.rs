//! Keeps the directory of log files, which a service's pods share, within its limits.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How much the directory may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// A file written to within this time belongs to a living pod, and may stay although there are too many.
const IN_USE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, PartialEq, Eq)]
struct LogFile {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// Removes the oldest files, also those of pods that are gone, until the limits are kept; never `current`.
pub(super) fn tidy(directory: &Path, current: &Path, limits: Limits) -> io::Result<()> {
    let mut files = vec![];
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Another pod may remove one at the same time: then there is nothing to count.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && entry.path().extension().is_some_and(|extension| extension == "log") {
            files.push(LogFile { path: entry.path(), bytes: metadata.len(), modified: metadata.modified()? });
        }
    }
    for path in surplus(files, current, limits, SystemTime::now()) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What to remove: the size is a hard limit, the number yields to files in use.
fn surplus(mut files: Vec<LogFile>, current: &Path, limits: Limits, now: SystemTime) -> Vec<PathBuf> {
    files.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    let (mut count, mut bytes) = (files.len(), files.iter().map(|file| file.bytes).sum::<u64>());
    let mut surplus = vec![];
    for file in files.into_iter().filter(|file| file.path != current) {
        let in_use = now.duration_since(file.modified).is_ok_and(|age| age < IN_USE);
        if bytes > limits.bytes || (count > limits.files && !in_use) {
            bytes -= file.bytes;
            count -= 1;
            surplus.push(file.path);
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64, hours_ago: u64, now: SystemTime) -> LogFile {
        LogFile { path: name.into(), bytes, modified: now - Duration::from_secs(3600 * hours_ago) }
    }

    #[test]
    fn the_oldest_go_first_and_the_current_one_stays() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let files = vec![file("a", 10, 9, now), file("b", 10, 8, now), file("c", 10, 0, now), file("d", 10, 7, now)];
        let surplus = |limits| {
            let paths = surplus(files.clone(), Path::new("a"), limits, now);
            paths.into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(surplus(Limits { files: 4, bytes: 40 }), [""; 0]);
        assert_eq!(surplus(Limits { files: 3, bytes: 40 }), ["b"]);
        assert_eq!(surplus(Limits { files: 1, bytes: 40 }), ["b", "d"]);
        assert_eq!(surplus(Limits { files: 9, bytes: 10 }), ["b", "d", "c"]);
    }
}
