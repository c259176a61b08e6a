//! `cargo xtask docs`: the documentation as a book.

use std::process::Command;

use anyhow::{Result, bail};
use local::{Cache, Progress, mdbook, run};

/// Where it is made: below the project's directory.
const PLACE: &str = "target/book";

/// Makes the pages, when nothing is wrong with them.
pub(crate) fn build() -> Result<()> {
    let problems = book::problems(&book::pages()?);
    if !problems.is_empty() {
        bail!("the book does not hold together:\n{}", problems.join("\n"));
    }
    let place = local::repository().join(PLACE);
    let mdbook = mdbook(&Cache::open()?, &Progress::new())?;
    run(Command::new(mdbook).arg("build").arg(book::directory()).arg("--dest-dir").arg(&place))?;
    println!("{}", place.join("index.html").display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::Arguments;

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
