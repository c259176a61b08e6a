//! Numbers that the tests measure: printed, held against their limits, and kept for the README's table.

use std::{env, fs::OpenOptions, io::Write};

use serde::Serialize;

/// One measured number.
#[derive(Debug, Serialize)]
pub struct Measurement<'a> {
    /// What was measured, for instance `image size of order`.
    pub name: &'a str,
    /// The number.
    pub value: f64,
    /// Its unit, for instance `MB`.
    pub unit: &'a str,
    /// The most that it may be.
    pub limit: f64,
}

impl Measurement<'_> {
    /// Prints it and, if `TEST_MEASUREMENTS` names a file, appends it there as a line of JSON.
    ///
    /// # Panics
    /// When that file cannot be written.
    pub fn record(&self) {
        println!("{}: {:.1} {} (limit {} {})", self.name, self.value, self.unit, self.limit, self.unit);
        let Some(path) = env::var_os("TEST_MEASUREMENTS").filter(|path| !path.is_empty()) else { return };
        let mut line = serde_json::to_string(self).expect("numbers and strings");
        line.push('\n');
        // One write in append mode: lines of tests that run at the same time do not mix.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Records it, and gives a sentence when it is over its limit.
    ///
    /// # Errors
    /// That sentence: a test that measures several things gathers them before it fails.
    pub fn check(&self) -> Result<(), String> {
        self.record();
        if self.value <= self.limit {
            return Ok(());
        }
        Err(format!("{} is {:.1} {}, more than {} {}", self.name, self.value, self.unit, self.limit, self.unit))
    }
}
