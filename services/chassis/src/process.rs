//! What Linux says of this process.

use std::{fs, time::Duration};

/// Resident memory in bytes; `None` where /proc is not readable.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// How long ago the process started, to 10 ms: from before its first instruction.
pub(crate) fn age() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the command's closing parenthesis (it may hold anything); the start time is field 22, the state field 3.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    // Linux counts in hundredths of a second here on every architecture (USER_HZ).
    Some(Duration::from_secs_f64((uptime - ticks / 100.0).max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_an_age() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(age().unwrap() < Duration::from_secs(3600));
    }
}
