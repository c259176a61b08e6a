//! Whether the working tree is one that a version may be made from.

use anyhow::{Result, bail, ensure};
use local::{Commit, PACKAGE_VERSION, Source};

use super::CHANGELOG;

/// The heading of what has changed since the last version.
const UNRELEASED: &str = "Unreleased";

/// The commit that the version is made from, and what CHANGELOG.md says of it.
pub(super) fn check<'a>(
    source: &'a Source,
    snapshot: bool,
    allow_dirty: bool,
    changelog: &str,
) -> Result<(&'a Commit, String)> {
    let Some(commit) = &source.commit else {
        bail!("this is no git working tree: a release says which commit it was made from, so make it in a clone");
    };
    ensure!(
        !commit.dirty || allow_dirty,
        "files differ from the commit, and `git status` says which: commit or stash them, or add --allow-dirty to try things out"
    );
    let heading = match &commit.tag {
        Some(tag) => {
            ensure!(
                tag == PACKAGE_VERSION,
                "the commit's tag is v{tag}, but Cargo.toml says version {PACKAGE_VERSION}: tag another commit, or change Cargo.toml"
            );
            tag.as_str()
        }
        None => {
            ensure!(
                snapshot,
                "the commit has no tag: `git tag v{PACKAGE_VERSION}` makes it that version, and --snapshot tries things out"
            );
            UNRELEASED
        }
    };
    let Some(notes) = section(changelog, heading) else {
        bail!("{CHANGELOG} has nothing below a heading `## [{heading}]`: write there what is new for whoever upgrades");
    };
    Ok((commit, format!("{notes}\n")))
}

/// What is below a heading of its kind, up to the next one.
fn section<'a>(changelog: &'a str, heading: &str) -> Option<&'a str> {
    let start = format!("\n## [{heading}]");
    let (_, rest) = changelog.split_once(&start)?;
    let (_, rest) = rest.split_once('\n')?;
    let end = rest.find("\n## ").unwrap_or(rest.len());
    let text = rest[..end].trim();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use local::repository;

    use super::*;

    const NOTES: &str = "# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [0.0.9] - 2026-01-01\n\n## [0.0.8]\n- Old.\n";

    fn source(tag: Option<&str>, dirty: bool) -> Source {
        let tag = tag.map(str::to_owned);
        let commit = Commit { revision: "0".repeat(40), time: 0, tag, dirty, url: None };
        Source { version: "x".to_owned(), commit: Some(commit) }
    }

    #[test]
    fn only_a_clean_tagged_commit_is_a_release_and_who_is_refused_is_told_why() {
        let refused = |source: &Source, snapshot, dirty, notes: &str, why: &str| {
            let error = check(source, snapshot, dirty, notes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        let tagged = source(Some(PACKAGE_VERSION), false);
        let notes = format!("{NOTES}\n## [{PACKAGE_VERSION}] - 2026-02-02\n\n- This.\n");
        assert_eq!(check(&tagged, false, false, &notes).unwrap().1, "- This.\n");
        refused(&tagged, false, false, NOTES, &format!("`## [{PACKAGE_VERSION}]`"));
        refused(&source(Some("9.9.9"), false), false, false, &notes, "v9.9.9");
        refused(&source(None, false), false, true, NOTES, "no tag");
        refused(&source(None, true), true, false, NOTES, "--allow-dirty");
        refused(&Source { version: "x".to_owned(), commit: None }, true, true, NOTES, "no git working tree");
        assert_eq!(check(&source(None, true), true, true, NOTES).unwrap().1, "- New.\n");
    }

    #[test]
    fn a_section_ends_at_the_next_heading_and_an_empty_one_is_none() {
        assert_eq!(section(NOTES, "0.0.8"), Some("- Old."));
        assert_eq!(section(NOTES, "0.0.9"), None);
        assert_eq!(section(NOTES, "0.0"), None);
    }

    #[test]
    fn the_changelog_tells_of_what_is_to_come_or_of_this_version() {
        let changelog = fs::read_to_string(repository().join(CHANGELOG)).unwrap();
        let found = [UNRELEASED, PACKAGE_VERSION].into_iter().find_map(|heading| section(&changelog, heading));
        assert!(found.is_some());
    }
}
