//! What a release was made from and by whom: an in-toto statement with SLSA's predicate. Nobody has signed it: it is a note, which
//! says what to do again to see that it is true.

use std::{env, process::Command};

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use local::{repository, run};
use serde_json::{Value, json};

use super::{Release, digests};

const FILE: &str = "provenance.json";
/// How it was made: as CONTRIBUTING.md has it.
const BUILD_TYPE: &str = "https://foodplatform.dev/release/v1";
/// Who made it, where that was not one of GitHub's workflows.
const WORKSTATION: &str = "https://foodplatform.dev/builders/workstation";

/// Seconds since 1970 as documents have them.
pub(super) fn timestamp(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    // Git takes no commit of a year that has five digits.
    time.unwrap_or_default().to_string()
}

/// Writes the statement about all files that are there.
pub(super) fn write(release: &Release, arguments: &[String]) -> Result<()> {
    let digests = digests::of_directory(release.directory)?;
    let subject: Vec<_> =
        digests.into_iter().map(|(name, digest)| json!({"name": name, "digest": {"sha256": digest}})).collect();
    let materials = Materials {
        lock: digests::of_file(&repository().join("Cargo.lock"))?,
        compiler: run(Command::new("rustc").arg("-vV").current_dir(repository()))?.trim().to_owned(),
        builder: builder(|name| env::var(name).ok()),
    };
    release.write(FILE, format!("{:#}\n", statement(release, arguments, &subject, &materials)?))
}

/// What the statement says beside what git tells.
struct Materials {
    lock: String,
    compiler: String,
    builder: String,
}

fn statement(release: &Release, arguments: &[String], subject: &[Value], materials: &Materials) -> Result<Value> {
    let commit = release.commit;
    if subject.is_empty() {
        return Err(anyhow!("there is nothing in the release that its provenance could be told of"));
    }
    let command = [&["cargo".to_owned(), "xtask".to_owned()], arguments].concat();
    let source = match &commit.url {
        Some(url) => format!("git+{url}"),
        None => "git+file:.".to_owned(),
    };
    let mut git = json!({"uri": source, "digest": {"gitCommit": commit.revision}});
    if commit.dirty {
        git["annotations"] = json!({"dirty": "files differed from the commit"});
    }
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "source": source,
                    "command": command,
                    "version": release.source.version,
                },
                "internalParameters": {"compiler": materials.compiler.lines().collect::<Vec<_>>()},
                "resolvedDependencies": [git, {"name": "Cargo.lock", "digest": {"sha256": materials.lock}}],
            },
            "runDetails": {"builder": {"id": materials.builder}},
        },
    }))
}

/// The workflow that runs this, or somebody.
fn builder(variable: impl Fn(&str) -> Option<String>) -> String {
    let workflow = variable("GITHUB_SERVER_URL").zip(variable("GITHUB_WORKFLOW_REF"));
    workflow.map_or_else(|| WORKSTATION.to_owned(), |(server, workflow)| format!("{server}/{workflow}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use local::{Commit, Source};

    use super::*;

    #[test]
    fn a_statement_tells_what_was_made_from_which_commit_and_whether_that_was_all() {
        let commit = |dirty, url: Option<&str>| {
            let url = url.map(str::to_owned);
            Commit { revision: "abc".to_owned(), time: 0, tag: None, dirty, url }
        };
        let subject = [json!({"name": "a.tar.gz", "digest": {"sha256": "00"}})];
        let told = |commit: &Commit, subject: &[Value]| {
            let source = Source { version: "1.2.3".to_owned(), commit: Some(commit.clone()) };
            let release = Release { source: &source, commit, directory: Path::new(".") };
            let materials = Materials {
                lock: "11".to_owned(),
                compiler: "rustc 1\nhost: x".to_owned(),
                builder: builder(|_| None),
            };
            statement(&release, &["release".to_owned()], subject, &materials)
        };
        let statement = told(&commit(false, Some("https://example.com/a")), &subject).unwrap();
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(statement["subject"][0]["digest"]["sha256"], "00");
        assert_eq!(definition["externalParameters"]["command"], json!(["cargo", "xtask", "release"]));
        assert_eq!(definition["internalParameters"]["compiler"], json!(["rustc 1", "host: x"]));
        let git = json!({"uri": "git+https://example.com/a", "digest": {"gitCommit": "abc"}});
        assert_eq!(definition["resolvedDependencies"][0], git);
        let dirty = told(&commit(true, None), &subject).unwrap();
        assert!(dirty["predicate"]["buildDefinition"]["resolvedDependencies"][0]["annotations"]["dirty"].is_string());
        told(&commit(false, None), &[]).unwrap_err();
    }

    #[test]
    fn a_workflow_of_github_is_named_as_the_builder() {
        let told = builder(|name| match name {
            "GITHUB_SERVER_URL" => Some("https://github.com".to_owned()),
            "GITHUB_WORKFLOW_REF" => Some("a/b/.github/workflows/publish.yml@refs/tags/v1".to_owned()),
            _ => None,
        });
        assert_eq!(told, "https://github.com/a/b/.github/workflows/publish.yml@refs/tags/v1");
        assert_eq!(builder(|_| None), WORKSTATION);
    }
}
