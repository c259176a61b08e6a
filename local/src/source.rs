//! Which state of the project's sources it is that programs and images are made from, as git tells it.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{exec, repository};

/// Where the compiler is told the version: see the crate `version`.
pub(crate) const VARIABLE: &str = "FOODPLATFORM_VERSION";

/// How much of a commit's name is told where it has to be short.
const ABBREVIATION: usize = 12;

/// The version of the workspace's packages, in its Cargo.toml.
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A state of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What programs call themselves that are built from it.
    pub version: String,
    /// The commit, where there is one.
    pub commit: Option<Commit>,
}

/// The commit that a working tree is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its whole name.
    pub revision: String,
    /// Its time, in seconds since 1970.
    pub time: u64,
    /// The version that it is tagged as: `1.2.3` for the tag `v1.2.3`.
    pub tag: Option<String>,
    /// Whether files differ from it.
    pub dirty: bool,
    /// The web page of the repository that it was cloned from, where that has one.
    pub url: Option<String>,
}

impl Source {
    /// The sources as no more than the version in Cargo.toml: what is built from them is the same at each commit that leaves
    /// them as they are.
    pub fn package() -> Self {
        Self { version: PACKAGE_VERSION.to_owned(), commit: None }
    }

    /// The sources of the working tree: the version of the commit's tag, or one that leads from the last tag to the commit; and
    /// without git that of Cargo.toml. `FOODPLATFORM_VERSION` has the last word on the version.
    ///
    /// # Errors
    /// When git fails, with its own words.
    pub fn of_working_tree() -> Result<Self> {
        let commit = commit(repository())?;
        let given = std::env::var(VARIABLE).ok().filter(|version| !version.is_empty());
        let version = match (given, &commit) {
            (Some(version), _) => version,
            (None, Some(commit)) => version(commit, &distance(repository())?),
            (None, None) => PACKAGE_VERSION.to_owned(),
        };
        Ok(Self { version, commit })
    }
}

/// How far a commit is from the last one with a tag.
struct Distance {
    /// The last version before it.
    from: Option<String>,
    /// How many commits lie between, where the history is all there.
    commits: Option<u64>,
}

fn version(commit: &Commit, distance: &Distance) -> String {
    let dirty = if commit.dirty { "-dirty" } else { "" };
    if let Some(tag) = &commit.tag {
        return format!("{tag}{dirty}");
    }
    let from = distance.from.as_deref().unwrap_or(PACKAGE_VERSION);
    let commits = distance.commits.map(|commits| format!("-{commits}")).unwrap_or_default();
    let short: String = commit.revision.chars().take(ABBREVIATION).collect();
    format!("{from}{commits}-g{short}{dirty}")
}

/// Nothing where `directory` isn't the root of a working tree of its own: a copy may lie in another project's.
fn commit(directory: &Path) -> Result<Option<Commit>> {
    if !directory.join(".git").exists() {
        return Ok(None);
    }
    let git = |arguments: &[&str]| git(directory, arguments);
    let told = git(&["show", "--no-patch", "--format=%H %ct", "HEAD"]).context("git knows no commit here")?;
    let (revision, time) = told.split_once(' ').context("git show told no time")?;
    let tag = git(&["tag", "--points-at", "HEAD", "--list", "v[0-9]*", "--sort=-version:refname"])?;
    Ok(Some(Commit {
        revision: revision.to_owned(),
        time: time.parse().with_context(|| format!("git told a time that is none: {time}"))?,
        tag: tag.lines().next().and_then(|tag| tag.strip_prefix('v')).map(str::to_owned),
        dirty: !git(&["status", "--porcelain"])?.is_empty(),
        url: git(&["config", "--get", "remote.origin.url"]).ok().and_then(|remote| web_page(&remote)),
    }))
}

fn distance(directory: &Path) -> Result<Distance> {
    let described = git(directory, &["describe", "--tags", "--long", "--match", "v[0-9]*"]);
    // TAG-COMMITS-gNAME
    if let Some((tag, commits)) = described.ok().as_deref().and_then(|text| text.rsplit_once("-g")?.0.rsplit_once('-'))
    {
        return Ok(Distance { from: tag.strip_prefix('v').map(str::to_owned), commits: commits.parse().ok() });
    }
    let shallow = git(directory, &["rev-parse", "--is-shallow-repository"])? == "true";
    let commits = if shallow { None } else { git(directory, &["rev-list", "--count", "HEAD"])?.parse().ok() };
    Ok(Distance { from: None, commits })
}

fn git(directory: &Path, arguments: &[&str]) -> Result<String> {
    Ok(exec::run(Command::new("git").arg("-C").arg(directory).args(arguments))?.trim().to_owned())
}

/// `https://HOST/PATH` of a remote, without whom it is asked as.
fn web_page(remote: &str) -> Option<String> {
    let (host, path) = match remote.split_once("://") {
        Some(("https" | "ssh", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => remote.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.trim_matches('/').trim_end_matches(".git");
    (!host.is_empty() && !path.is_empty()).then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_version_is_the_tags_or_leads_from_the_last_one_to_the_commit() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(commit(root).unwrap(), None);
        let git = |arguments: &[&str]| {
            let person = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
            super::git(root, &[&person, arguments].concat()).unwrap()
        };
        let change = |text: &str| fs::write(root.join("file"), text).unwrap();
        let at = || {
            let commit = commit(root).unwrap().unwrap();
            let short = commit.revision[..ABBREVIATION].to_owned();
            (version(&commit, &distance(root).unwrap()), short)
        };
        git(&["init", "--quiet"]);
        change("1");
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "one", "--date", "2001-01-01T00:00:00Z"]);
        let (version, short) = at();
        assert_eq!(version, format!("{PACKAGE_VERSION}-1-g{short}"));
        git(&["tag", "v1.2.0"]);
        git(&["tag", "other"]);
        assert_eq!(at().0, "1.2.0");
        change("2");
        assert_eq!(at().0, "1.2.0-dirty");
        git(&["commit", "--quiet", "--all", "--message", "two"]);
        let (version, short) = at();
        assert_eq!(version, format!("1.2.0-1-g{short}"));
        fs::write(root.join("new"), "").unwrap();
        assert_eq!(at().0, format!("1.2.0-1-g{short}-dirty"));
    }

    #[test]
    fn a_remote_has_a_web_page_where_it_is_on_the_web_and_nobodys_password_is_in_it() {
        let page = Some("https://github.com/example/foodplatform".to_owned());
        for remote in [
            "https://github.com/example/foodplatform",
            "https://user:secret@github.com/example/foodplatform.git",
            "git@github.com:example/foodplatform.git",
            "ssh://git@github.com/example/foodplatform.git",
        ] {
            assert_eq!(web_page(remote), page, "{remote}");
        }
        for remote in ["/srv/foodplatform", "file:///srv/foodplatform", "../foodplatform", "https://github.com"] {
            assert_eq!(web_page(remote), None, "{remote}");
        }
    }
}
