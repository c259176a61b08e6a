//! `cargo xtask measure`: the README's numbers, from a run of the real commands.

use std::{
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use local::{Cluster, Instance, repository};
use serde_json::Value;

use crate::test;

/// Over this time the operator's writes are counted.
const REST: Duration = Duration::from_secs(600);

/// One row of the table.
struct Row {
    name: String,
    value: String,
    limit: String,
}

/// Runs `up` and `down`, the cluster tests that measure, and writes the table. With `cold`, `up` starts from empty caches first.
pub(crate) fn measure(cold: bool) -> Result<()> {
    let instance = Instance::dev();
    if Cluster::exists(&instance)? {
        bail!("the local cluster is up, and measuring takes it down: run cargo xtask down first");
    }
    let work = tempfile::tempdir()?;
    let mut rows = Vec::new();
    if cold {
        rows.push(timed("`up`, cold", "25 min", &["up"], Some(work.path()))?);
        xtask(&["down"], None)?;
    }
    // Whatever is not built yet must not count as warm.
    xtask(&["up"], None)?;
    xtask(&["down"], None)?;
    rows.push(timed("`up`, warm and down, to DELIVERED", "90 s", &["up"], None)?);
    rows.push(timed("`up`, already up", "10 s", &["up"], None)?);
    let numbers = work.path().join("measurements");
    let (file, rest) = (numbers.to_string_lossy(), REST.as_secs().to_string());
    let extra = [("TEST_MEASUREMENTS", file.as_ref()), ("TEST_REST_SECONDS", rest.as_str())];
    let outcome = test::measure(&instance, &extra);
    rows.extend(read(&numbers)?);
    rows.push(timed("`down`", "20 s", &["down"], None)?);
    write_readme("measured", &table(&rows))?;
    outcome
}

/// Runs one of our commands and takes its time.
fn timed(name: &str, limit: &str, arguments: &[&str], empty: Option<&Path>) -> Result<Row> {
    let started = Instant::now();
    xtask(arguments, empty)?;
    let value = format!("{:.1} s", started.elapsed().as_secs_f64());
    Ok(Row { name: name.to_owned(), value, limit: limit.to_owned() })
}

/// Runs one of our commands; with `empty`, every cache of built things is below that directory.
fn xtask(arguments: &[&str], empty: Option<&Path>) -> Result<()> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments);
    if let Some(directory) = empty {
        for variable in ["XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE", "CARGO_TARGET_DIR"] {
            command.env(variable, directory.join(variable));
        }
        // Otherwise the modules could not be removed afterwards.
        command.env("GOFLAGS", "-modcacherw");
    }
    if !command.status()?.success() {
        bail!("cargo xtask {} failed", arguments.join(" "));
    }
    Ok(())
}

/// What the tests measured: a JSON object a line.
fn read(file: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| {
            let number: Value = serde_json::from_str(line)?;
            let unit = number["unit"].as_str().unwrap_or_default();
            Ok(Row {
                name: number["name"].as_str().unwrap_or_default().to_owned(),
                value: format!("{:.1} {unit}", number["value"].as_f64().context("a measurement without value")?),
                limit: format!("{} {unit}", number["limit"]),
            })
        })
        .collect()
}

fn table(rows: &[Row]) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!("On {cores} cores, {}.\n\n| | measured | limit |\n|---|---|---|\n", env::consts::ARCH);
    for Row { name, value, limit } in rows {
        text.push_str(&format!("| {name} | {value} | {limit} |\n"));
    }
    text
}

/// Writes a table to its place in README.md.
pub(crate) fn write_readme(place: &str, table: &str) -> Result<()> {
    let readme = repository().join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    fs::write(&readme, insert(&text, place, table)?)?;
    println!("wrote the table of README.md");
    Ok(())
}

/// Puts the table between the two comments that mark its place.
fn insert(readme: &str, place: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {place}:begin -->"), format!("<!-- {place}:end -->"));
    let parts = readme.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("README.md has no {begin} … {end}"))?;
    Ok(format!("{before}{begin}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_what_stood_between_the_comments() {
        let readme = |table| format!("a\n<!-- it:begin -->\n{table}\n<!-- it:end -->\nb <!-- other:end -->");
        assert_eq!(insert(&readme("old"), "it", "new\n").unwrap(), readme("new"));
        assert_eq!(insert(&readme("new"), "it", "new\n").unwrap(), readme("new"));
        insert(&readme("old"), "other", "new").unwrap_err();
    }
}
