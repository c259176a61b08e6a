//! Log lines on standard output, each with where it comes from.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
};

use anstyle::{AnsiColor, Color, Style};

use super::{line::readable, pods::Source};
use crate::paint::{harmless, note, paint};

/// The colours that pods get in turn. Red and yellow say that something is wrong.
const COLOURS: [AnsiColor; 8] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightGreen,
    AnsiColor::BrightBlue,
];

/// Prints lines.
pub(super) struct Printer<W = anstream::AutoStream<io::Stdout>> {
    to: W,
    raw: bool,
    /// Of each pod that has been seen.
    styles: HashMap<String, Style>,
    /// Of what stands in front of lines.
    width: usize,
    /// What has been told of logs that can't be read.
    pub(super) refusals: HashSet<String>,
}

impl Printer {
    /// A printer of lines as they are (`raw`), or for people.
    pub(super) fn new(raw: bool) -> Self {
        // Raw lines are the services' own, whatever is in them.
        let to = if raw { anstream::AutoStream::always(io::stdout()) } else { anstream::stdout() };
        Self::over(to, raw)
    }
}

impl<W> Printer<W> {
    fn over(to: W, raw: bool) -> Self {
        Self { to, raw, styles: HashMap::new(), width: 0, refusals: HashSet::new() }
    }

    /// Tells that a log can't be read, and why; once, however often it is tried.
    pub(super) fn refused(&mut self, source: &Source, why: &str) {
        let refusal = format!("the log of pod {}: {why}", source.pod);
        if self.refusals.insert(refusal.clone()) {
            note(refusal);
        }
    }
}

impl<W: Write> Printer<W> {
    /// Lines begin as far to the right as the longest name wants.
    pub(super) fn make_room_for(&mut self, source: &Source) {
        self.width = self.width.max(prefix(source).chars().count());
    }

    /// Prints a line.
    pub(super) fn print(&mut self, source: &Source, line: &str) -> io::Result<()> {
        if self.raw {
            return writeln!(self.to, "{line}");
        }
        self.make_room_for(source);
        let count = self.styles.len();
        let style = *self
            .styles
            .entry(source.pod.clone())
            .or_insert_with(|| Style::new().fg_color(Some(Color::Ansi(COLOURS[count % COLOURS.len()]))));
        let prefix = format!("{:width$}", harmless(&prefix(source)), width = self.width);
        writeln!(self.to, "{} {}", paint(style, prefix), readable(line))
    }
}

fn prefix(source: &Source) -> String {
    format!("{}/{}", source.service, source.pod)
}

#[cfg(test)]
impl Printer<Vec<u8>> {
    pub(super) fn to_memory(raw: bool) -> Self {
        Self::over(Vec::new(), raw)
    }

    pub(super) fn printed(&self) -> String {
        String::from_utf8(self.to.clone()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::plain;

    #[test]
    fn lines_are_aligned_and_each_pod_has_its_colour() {
        let source = |service: &str, pod: &str| Source {
            service: service.into(),
            pod: pod.into(),
            container: "c".into(),
            runs: true,
        };
        let (order, gateway) = (source("order", "shop-order-1"), source("gateway", "shop-gateway-1"));
        let mut printer = Printer::to_memory(false);
        printer.make_room_for(&gateway);
        for (source, line) in [(&order, "one"), (&gateway, "two"), (&order, "three")] {
            printer.print(source, line).unwrap();
        }
        let printed = printer.printed();
        let expected = "\
order/shop-order-1     one
gateway/shop-gateway-1 two
order/shop-order-1     three
";
        assert_eq!(plain(&printed), expected);
        let colours: Vec<_> = printed.lines().map(|line| &line[..5]).collect();
        assert_eq!(colours, ["\u{1b}[36m", "\u{1b}[35m", "\u{1b}[36m"]);
    }
}
