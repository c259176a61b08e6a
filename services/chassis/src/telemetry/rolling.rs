//! A log file that is followed by the next when the day changes or it has become large.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{NaiveDate, Utc};

use super::directory::{self, Limits};

/// How often the directory is looked at between two rolls, for other pods write there as well.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How long to wait after a failure before the file is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Writes to `DIRECTORY/POD.DATE.log`, then `POD.DATE.1.log` and so on within a day (UTC).
#[derive(Debug)]
pub(super) struct RollingFile {
    directory: PathBuf,
    pod: String,
    limits: Limits,
    open: Option<Open>,
    failed: Option<Instant>,
    today: fn() -> NaiveDate,
}

#[derive(Debug)]
struct Open {
    file: BufWriter<File>,
    path: PathBuf,
    day: NaiveDate,
    bytes: u64,
    tidied: Instant,
}

impl RollingFile {
    pub(super) fn new(directory: PathBuf, pod: String, limits: Limits) -> Self {
        Self { directory, pod, limits, open: None, failed: None, today: || Utc::now().date_naive() }
    }

    /// One file's share, so that as many as are allowed fit into the total.
    fn file_limit(&self) -> u64 {
        (self.limits.bytes / u64::try_from(self.limits.files).unwrap_or(1).max(1)).max(1)
    }

    /// The file to write `more` bytes to; another one than before when the day or the size asks for it.
    fn file(&mut self, more: u64) -> io::Result<&mut Open> {
        let (today, limit) = ((self.today)(), self.file_limit());
        let fits = |open: &Open| open.day == today && (open.bytes == 0 || open.bytes + more <= limit);
        let open = match self.open.take() {
            Some(open) if fits(&open) => open,
            _ => open_next(&self.directory, &self.pod, today, limit.saturating_sub(more), self.limits)?,
        };
        Ok(self.open.insert(open))
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let limits = self.limits;
        let directory = self.directory.clone();
        let open = self.file(line.len() as u64)?;
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        if open.tidied.elapsed() > TIDY_EVERY {
            open.tidied = Instant::now();
            directory::tidy(&directory, &open.path, limits)?;
            // Another pod may have removed the file to make room.
            if open.file.get_ref().metadata()?.nlink() == 0 {
                self.open = None;
            }
        }
        Ok(())
    }
}

fn open_next(directory: &Path, pod: &str, day: NaiveDate, room: u64, limits: Limits) -> io::Result<Open> {
    std::fs::create_dir_all(directory)?;
    // On from the newest: a number that became free again would make the oldest name the newest file.
    let mut number = newest_number(directory, pod, day)?;
    loop {
        let suffix = if number == 0 { String::new() } else { format!(".{number}") };
        let path = directory.join(format!("{pod}.{day}{suffix}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        // An earlier container of the same pod may have filled it.
        if bytes == 0 || bytes <= room {
            directory::tidy(directory, &path, limits)?;
            return Ok(Open { file: BufWriter::new(file), path, day, bytes, tidied: Instant::now() });
        }
        number += 1;
    }
}

/// The highest number among a pod's files of one day; 0 when there is none.
fn newest_number(directory: &Path, pod: &str, day: NaiveDate) -> io::Result<u32> {
    let prefix = format!("{pod}.{day}.");
    let mut newest = 0;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".log")?.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}

impl Write for RollingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.failed.is_some_and(|at| at.elapsed() < REOPEN_AFTER) {
            return Err(io::Error::other("the log file failed a moment ago"));
        }
        self.failed = None;
        match self.append(line) {
            Ok(()) => Ok(line.len()),
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.open.as_mut().map_or(Ok(()), |open| open.file.flush());
        if flushed.is_err() {
            self.fail();
        }
        flushed
    }
}

impl RollingFile {
    fn fail(&mut self) {
        self.failed = Some(Instant::now());
        if let Some(open) = self.open.take() {
            // Without writing again what could not be written.
            let _ = open.file.into_parts();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write(log: &mut RollingFile, line: &str) {
        log.write_all(line.as_bytes()).unwrap();
        log.flush().unwrap();
    }

    #[test]
    fn a_file_rolls_by_size_and_day_and_goes_on_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { files: 10, bytes: 100 };
        let new = || RollingFile {
            today: || NaiveDate::from_ymd_opt(2026, 1, 2).unwrap(),
            ..RollingFile::new(directory.path().to_owned(), "pod".to_owned(), limits)
        };
        let mut log = new();
        write(&mut log, "123456\n");
        write(&mut log, "12\n");
        assert_eq!(names(directory.path()), ["pod.2026-01-02.log"]);
        write(&mut log, "1\n");
        assert_eq!(names(directory.path()), ["pod.2026-01-02.1.log", "pod.2026-01-02.log"]);
        let mut log = new();
        write(&mut log, "12345678\n");
        assert_eq!(names(directory.path()).len(), 3);
        // Others that made room took the oldest: its name does not come back as the newest.
        std::fs::remove_file(directory.path().join("pod.2026-01-02.log")).unwrap();
        write(&mut log, &"x".repeat(10));
        assert_eq!(names(directory.path()), ["pod.2026-01-02.1.log", "pod.2026-01-02.2.log", "pod.2026-01-02.3.log"]);
        log.today = || NaiveDate::from_ymd_opt(2026, 1, 3).unwrap();
        write(&mut log, "1\n");
        assert!(names(directory.path()).contains(&"pod.2026-01-03.log".to_owned()));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error_and_not_a_panic() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = RollingFile::new(file.path().join("x"), "pod".to_owned(), Limits { files: 1, bytes: 10 });
        assert!(log.write(b"line\n").is_err());
        assert!(log.write(b"line\n").is_err());
        assert!(log.flush().is_ok());
    }
}
