//! `cargo xtask lint`: the pipelines' files and the charts, read by the tools that know what their readers take; and the packages
//! that are compiled in, whether they may be.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use local::{Cache, Progress, actionlint, cargo_deny, check_jsonschema, repository, run as run_tool};

use crate::{alerts, charts};

const BUILDSPEC: &str = "buildspec.yml";
/// Written from AWS's reference, <https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html>: AWS has a
/// schema of its own, but in no package.
const BUILDSPEC_SCHEMA: &str = "local/check-jsonschema/buildspec.schema.json";
const WORKFLOWS: &str = ".github/workflows";

pub(crate) fn run() -> Result<()> {
    let (cache, progress) = (Cache::open()?, Progress::new());
    let mut command = Command::new(actionlint(&cache, &progress)?);
    // What other programs it finds on PATH would decide what it says.
    command.args(["-shellcheck=", "-pyflakes="]).args(workflows()?).current_dir(repository());
    run_tool(&mut command).map(drop)?;
    println!("{WORKFLOWS}: actionlint has nothing to say");
    let mut command = Command::new(check_jsonschema(&cache, &progress)?);
    command.args(["--schemafile", BUILDSPEC_SCHEMA, BUILDSPEC]).current_dir(repository());
    print!("{BUILDSPEC}: {}", run_tool(&mut command)?);
    let mut command = Command::new(cargo_deny(&cache, &progress)?);
    // Advisories are kept where only a pipeline gets them: .github/workflows/audit.yml.
    command.args(["--locked", "check", "bans", "licenses", "sources"]).current_dir(repository());
    run_tool(&mut command).map(drop)?;
    println!("deny.toml: cargo-deny has nothing to say");
    charts::check(&cache, &progress)?;
    alerts::check(&cache, &progress)
}

fn workflows() -> Result<Vec<PathBuf>> {
    let directory = repository().join(WORKFLOWS);
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(entries.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::*;

    /// What a pipeline does with the project and with the cluster, in its order; not how it is let in and gets its tools.
    fn commands(file: &str) -> Vec<String> {
        fn collect(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::String(text) if ["cargo ", "kubectl "].iter().any(|tool| text.starts_with(tool)) => {
                    found.push(text.trim().to_owned());
                }
                Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
                Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
                _ => {}
            }
        }
        let text = fs::read_to_string(repository().join(file)).unwrap();
        // In the order in which they come, which a map would lose.
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        let phases =
            ["install", "pre_build", "build", "post_build"].map(|phase| &document["phases"][phase]["commands"]);
        let mut found = vec![];
        phases.into_iter().for_each(|phase| collect(phase, &mut found));
        collect(&document["jobs"], &mut found);
        found
    }

    /// Those of ours among what a pipeline does, which have to be such as there are.
    fn ours(commands: &[String]) -> Vec<&str> {
        let ours: Vec<_> = commands.iter().filter_map(|command| command.strip_prefix("cargo ")).collect();
        for command in &ours {
            let words = command.split_whitespace().map(|word| word.trim_matches('"'));
            crate::Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
        ours
    }

    #[test]
    fn the_pipelines_run_the_same_commands_and_there_are_such_commands() {
        let (aws, github) = (commands(BUILDSPEC), commands(".github/workflows/release.yml"));
        assert_eq!(aws, github);
        assert_eq!(ours(&aws).len(), 2, "{aws:?}");
    }

    #[test]
    fn a_tag_is_tested_built_and_pushed_by_commands_that_there_are() {
        let published = commands(".github/workflows/publish.yml");
        let verbs: Vec<_> = ours(&published).iter().filter_map(|command| command.split_whitespace().nth(1)).collect();
        assert_eq!(verbs, ["test", "release", "images"]);
    }
}
