//! A tree of lines whose columns are aligned among those of the same depth.

use anstyle::Style;

use crate::paint::{FAINT, harmless, paint};

/// A line with what hangs on it.
#[derive(Default)]
pub(super) struct Node {
    cells: Vec<Cell>,
    notes: Vec<Cell>,
    children: Vec<Node>,
}

/// Text in a style.
struct Cell {
    text: String,
    style: Style,
}

impl Node {
    /// One more column.
    pub(super) fn cell(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.cells.push(Cell { text: harmless(text.as_ref()), style });
        self
    }

    /// One more line below, that belongs to no column.
    pub(super) fn note(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.notes.push(Cell { text: harmless(text.as_ref()), style });
        self
    }

    /// The lines that hang on this one.
    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }
}

/// The lines of `nodes`, each with a line break.
pub(super) fn render(nodes: &[Node]) -> String {
    let mut widths = Vec::new();
    measure(nodes, 0, &mut widths);
    let mut text = String::new();
    draw(nodes, 0, "", &widths, &mut text);
    text
}

/// The widths of the columns, by depth.
fn measure(nodes: &[Node], depth: usize, widths: &mut Vec<Vec<usize>>) {
    if widths.len() <= depth {
        widths.push(Vec::new());
    }
    for node in nodes {
        let columns = &mut widths[depth];
        columns.resize(columns.len().max(node.cells.len()), 0);
        for (width, cell) in columns.iter_mut().zip(&node.cells) {
            *width = (*width).max(cell.text.chars().count());
        }
        measure(&node.children, depth + 1, widths);
    }
}

fn draw(nodes: &[Node], depth: usize, before: &str, widths: &[Vec<usize>], text: &mut String) {
    for (index, node) in nodes.iter().enumerate() {
        let is_last = index + 1 == nodes.len();
        let (branch, beside) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        text.push_str(&paint(FAINT, format_args!("{before}{branch}")));
        text.push_str(&line(&node.cells, &widths[depth]));
        text.push('\n');
        let before = format!("{before}{beside}");
        // What hangs on the node below goes past its notes.
        let gap = if node.children.is_empty() { "" } else { "│  " };
        for note in &node.notes {
            text.push_str(&paint(FAINT, format_args!("{before}{gap}")));
            text.push_str(&paint(note.style, &note.text));
            text.push('\n');
        }
        draw(&node.children, depth + 1, &before, widths, text);
    }
}

/// The columns with two spaces between them, and none at the end.
fn line(cells: &[Cell], widths: &[usize]) -> String {
    let used = cells.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let mut line = String::new();
    for (index, (cell, width)) in cells[..used].iter().zip(widths).enumerate() {
        line.push_str(&paint(cell.style, &cell.text));
        if index + 1 < used {
            line.push_str(&" ".repeat(width - cell.text.chars().count() + 2));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::{PLAIN, plain};

    #[test]
    fn columns_are_aligned_by_depth() {
        let leaf = |name: &str| Node::default().cell(PLAIN, name).cell(PLAIN, "x");
        let nodes = [
            Node::default().cell(PLAIN, "order").cell(PLAIN, "1").note(PLAIN, "a note").children([leaf("a")]),
            Node::default().cell(PLAIN, "mypage").cell(PLAIN, "2").children([leaf("longer").note(PLAIN, "of a leaf")]),
        ];
        let expected = "\
├─ order   1
│  │  a note
│  └─ a       x
└─ mypage  2
   └─ longer  x
      of a leaf
";
        assert_eq!(plain(&render(&nodes)), expected);
    }

    #[test]
    fn nothing_hangs_over_the_last_column() {
        let nodes = [Node::default().cell(PLAIN, "a").cell(PLAIN, ""), Node::default().cell(PLAIN, "b")];
        assert_eq!(plain(&render(&nodes)), "├─ a\n└─ b\n");
    }
}
