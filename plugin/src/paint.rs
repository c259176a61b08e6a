//! Words with their colours. They are left out again where the output is no terminal, or `NO_COLOR` is set.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde::Serialize;

/// What is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What is about to be well, or worth a look.
pub(crate) const MIDDLING: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What it is about.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is neither good nor bad.
pub(crate) const PLAIN: Style = Style::new();

/// The text in that style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The text as something wrong.
pub(crate) fn bad(text: &str) -> String {
    paint(BAD, text)
}

/// Writes to standard output, with colours where they are wanted.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Writes something for machines to standard output.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    Ok(print(&(serde_json::to_string_pretty(value)? + "\n"))?)
}

/// Tells the person something that is not part of the output.
pub(crate) fn note(text: impl std::fmt::Display) {
    anstream::eprintln!("{}: {text}", paint(MIDDLING, "note"));
}

/// Text out of the cluster without what a terminal would obey: control characters are shown as escapes.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            harmless.extend(character.escape_default());
        } else {
            harmless.push(character);
        }
    }
    harmless
}

/// What the text looks like without colours, and what is printed where there is no terminal.
#[cfg(test)]
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_command_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\tü"), "a\\u{1b}[2Jb\tü");
    }

    #[test]
    fn colours_come_off_again() {
        assert_ne!(bad("error"), "error");
        assert_eq!(plain(&bad("error")), "error");
    }
}
