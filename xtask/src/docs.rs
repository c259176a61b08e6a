//! `cargo xtask docs`: the documentation as a book.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use local::{Cache, Progress, mdbook, repository, run};

use crate::pages;

/// Where it is made: below the project's directory.
const PLACE: &str = "target/book";
/// The chart's alerts, and the page about them.
const ALERTS: &str = "charts/foodplatform-operator/files/alerts.yaml";
const ALERTS_PAGE: &str = "docs/src/alerts.md";

/// Makes the pages, when nothing is wrong with them.
pub(crate) fn build() -> Result<()> {
    let (path, page) = alerts()?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    let problems = book::problems(&book::pages()?);
    if !problems.is_empty() {
        bail!("the book does not hold together:\n{}", problems.join("\n"));
    }
    let place = repository().join(PLACE);
    let mdbook = mdbook(&Cache::open()?, &Progress::new())?;
    run(Command::new(mdbook).arg("build").arg(book::directory()).arg("--dest-dir").arg(&place))?;
    println!("{}", place.join("index.html").display());
    Ok(())
}

/// The page about alerts, and where it belongs.
fn alerts() -> Result<(PathBuf, String)> {
    let path = repository().join(ALERTS);
    let rules = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rules = serde_saphyr::from_str(&rules).with_context(|| format!("{} is no YAML", path.display()))?;
    Ok((repository().join(ALERTS_PAGE), pages::alerts(&rules)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::Arguments;

    #[test]
    fn the_page_about_alerts_is_that_of_the_chart() {
        let (path, page) = super::alerts().unwrap();
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == page, "run cargo xtask docs, and commit {}", super::ALERTS_PAGE);
    }

    /// Commands of ours that the pages name: they are taken as they stand there.
    #[test]
    fn the_commands_in_the_pages_are_commands() {
        let mut checked = 0;
        for page in book::pages().unwrap() {
            for block in page.blocks().iter().filter(|block| ["console", "sh"].contains(&block.language())) {
                let ours = block.commands().into_iter().filter(|command| command.starts_with("cargo xtask "));
                for command in ours {
                    let words = command.split_whitespace().skip(1).map(|word| word.trim_matches(['"', '\'']));
                    Arguments::try_parse_from(words)
                        .unwrap_or_else(|error| panic!("{}:{}: {command}: {error}", page.path, block.line));
                    checked += 1;
                }
            }
        }
        assert!(checked > 5, "{checked}");
    }
}
