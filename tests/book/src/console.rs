//! Commands that a page shows, with what they print.
//!
//! A block ```` ```console ```` is commands, and a block ```` ```text ```` right after it what they print. In that `…` stands for
//! whatever it is there, and a line that is `…` alone for any lines, or none. How many spaces there are makes no difference.

use crate::Page;

/// Commands that belong together, and what they print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line of the page that they begin on, counted from 1.
    pub line: usize,
    /// The commands, for a shell.
    pub commands: String,
    /// What the page says that they print; `None` where it says nothing.
    pub shown: Option<String>,
}

/// Whatever it is there.
const ANYTHING: &str = "…";

/// The commands of a page, in their order.
pub fn steps(page: &Page) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_next = false;
    for block in page.blocks() {
        match block.language() {
            "console" => steps.push(Step { line: block.line, commands: block.code.clone(), shown: None }),
            "text" if is_next => {
                if let Some(step) = steps.last_mut() {
                    step.shown = Some(block.code.clone());
                }
            }
            _ => {}
        }
        is_next = block.language() == "console";
    }
    steps
}

impl Step {
    /// Holds what was printed against what the page shows.
    ///
    /// # Errors
    /// Where the two differ: both, to be read beside each other.
    pub fn compare(&self, printed: &str) -> Result<(), String> {
        let Some(shown) = &self.shown else { return Ok(()) };
        let (wanted, found) = (lines(shown), lines(printed));
        if are_as_shown(&wanted, &found) {
            return Ok(());
        }
        Err(format!("the page shows\n{}\nand what was printed is\n{}", wanted.join("\n"), found.join("\n")))
    }
}

/// The lines that are not empty, with one space where there are some.
fn lines(text: &str) -> Vec<String> {
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(plain).filter(|line| !line.is_empty()).collect()
}

fn are_as_shown(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == ANYTHING => {
            (0..=printed.len()).any(|skipped| are_as_shown(rest, &printed[skipped..]))
        }
        (Some((first, shown)), Some((line, printed))) => is_as_shown(first, line) && are_as_shown(shown, printed),
        _ => false,
    }
}

fn is_as_shown(shown: &str, printed: &str) -> bool {
    let parts: Vec<_> = shown.split(ANYTHING).collect();
    let (first, last) = match parts[..] {
        [whole] => return whole == printed,
        [first, .., last] => (first, last),
        [] => return false,
    };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_with_what_they_print() {
        let text = "```sh\ninstall\n```\n```console\na\nb\n```\nIt says:\n```text\nx\n```\n```text\nmore\n```\n```console\nc\n```\n";
        let page = Page { path: "page.md".to_owned(), text: text.to_owned() };
        let step = |line, commands: &str, shown: Option<&str>| Step {
            line,
            commands: commands.to_owned(),
            shown: shown.map(str::to_owned),
        };
        assert_eq!(steps(&page), [step(4, "a\nb\n", Some("x\n")), step(15, "c\n", None)]);
    }

    fn fits(shown: &str, printed: &str) -> bool {
        Step { line: 1, commands: String::new(), shown: Some(shown.to_owned()) }.compare(printed).is_ok()
    }

    #[test]
    fn what_is_printed_has_to_be_what_is_shown() {
        for (shown, printed, expected) in [
            ("a b\nc\n", "a     b \n\nc", true),
            ("a\n", "a\nb\n", false),
            ("a\nb\n", "a\n", false),
            ("a\n", "", false),
            ("", "a\n", false),
        ] {
            assert_eq!(fits(shown, printed), expected, "{shown:?} {printed:?}");
        }
    }

    #[test]
    fn an_ellipsis_stands_for_what_varies() {
        for (shown, printed, expected) in [
            ("shop …s\n", "shop 17s", true),
            ("pod/…-… deleted …\n", "pod/shop-cook deleted from x", true),
            ("pod/… deleted\n", "pod/shop-cook deleted from x", false),
            ("a…a\n", "a", false),
            ("…\n", "", true),
            ("…\nlast\n", "one\ntwo\nlast\n", true),
            ("first\n…\nlast\n", "first\nlast\n", true),
            ("first\n…\n", "other\n", false),
            ("…\nb\n…\n", "a\nb\n", true),
            ("…\nb\n…\n", "a\nc\n", false),
        ] {
            assert_eq!(fits(shown, printed), expected, "{shown:?} {printed:?}");
        }
    }

    #[test]
    fn a_difference_shows_both() {
        let step = Step { line: 1, commands: String::new(), shown: Some("wanted\n".to_owned()) };
        let said = step.compare("found\n").unwrap_err();
        assert!(said.contains("wanted") && said.contains("found"), "{said}");
        assert_eq!(Step { shown: None, ..step }.compare("found\n"), Ok(()));
    }
}
