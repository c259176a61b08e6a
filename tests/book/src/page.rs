//! A page of Markdown, and what is in it.

use std::{fs, io, path::Path};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::{directory, repository};

/// A page: the README, or one of the book's.
#[derive(Debug)]
pub struct Page {
    /// Where it lies, below the project's directory, for instance `docs/src/tutorial.md`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What is said of it behind the fence: its language, most often.
    pub info: String,
    /// The code.
    pub code: String,
    /// The line of the page that it begins on, counted from 1.
    pub line: usize,
}

/// Every page, sorted by where it lies.
///
/// # Errors
/// When they can't be read.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut paths = vec!["README.md".to_owned()];
    collect(&directory().join("src"), "docs/src", &mut paths)?;
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}

/// The page at that place below the project's directory.
///
/// # Errors
/// When it can't be read.
pub fn page(path: &str) -> io::Result<Page> {
    let text = fs::read_to_string(repository().join(path))
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    Ok(Page { path: path.to_owned(), text })
}

fn collect(directory: &Path, name: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, paths)?;
        } else if name.ends_with(".md") {
            paths.push(name);
        }
    }
    Ok(())
}

impl Page {
    /// The page's blocks of code, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_inside = false;
        for (event, range) in parser(&self.text).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let line = self.text[..range.start].matches('\n').count() + 1;
                    blocks.push(Block { info: info.to_string(), code: String::new(), line });
                    is_inside = true;
                }
                Event::End(TagEnd::CodeBlock) => is_inside = false,
                Event::Text(text) if is_inside => {
                    if let Some(block) = blocks.last_mut() {
                        block.code.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        blocks
    }

    /// What its links and pictures lead to.
    pub fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        };
        parser(&self.text).filter_map(target).collect()
    }

    /// What mdBook is to put into it: `{{#include FILE}}`, or `{{#include FILE:ANCHOR}}`.
    pub fn includes(&self) -> Vec<String> {
        let parts = self.text.split("{{#include ").skip(1);
        parts.filter_map(|part| Some(part.split_once("}}")?.0.trim().to_owned())).collect()
    }

    /// Its headings, as text without marks, each with its level.
    pub fn headings(&self) -> Vec<(usize, String)> {
        let (mut headings, mut is_inside): (Vec<(usize, String)>, _) = (Vec::new(), false);
        for event in parser(&self.text) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    headings.push((level as usize, String::new()));
                    is_inside = true;
                }
                Event::End(TagEnd::Heading(_)) => is_inside = false,
                Event::Text(text) | Event::Code(text) if is_inside => {
                    if let Some((_, heading)) = headings.last_mut() {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        headings
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, heading) in self.headings() {
            let kept = |c: char| match c {
                ' ' => Some('-'),
                _ => (c.is_alphanumeric() || matches!(c, '-' | '_')).then_some(c),
            };
            let anchor: String = heading.to_lowercase().chars().filter_map(kept).collect();
            let again = |anchors: &[String], name: &str| anchors.iter().any(|other| other == name);
            let mut unique = anchor.clone();
            let mut number = 0;
            while again(&anchors, &unique) {
                number += 1;
                unique = format!("{anchor}-{number}");
            }
            anchors.push(unique);
        }
        anchors
    }
}

impl Block {
    /// The language.
    pub fn language(&self) -> &str {
        self.info.split([',', ' ']).next().unwrap_or_default()
    }

    /// Its commands, each as one line, without comments. Documents within them (`<<END`) are left out.
    pub fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        let (mut goes_on, mut until) = (false, None::<String>);
        for line in self.code.lines() {
            if let Some(end) = &until {
                if line == end {
                    until = None;
                }
                continue;
            }
            let code = line.split_once(" #").map_or(line, |(code, _)| code).trim();
            let (code, more) = code.strip_suffix('\\').map_or((code, false), |code| (code.trim_end(), true));
            match commands.last_mut() {
                Some(command) if goes_on => *command = format!("{command} {code}"),
                _ if !code.is_empty() && !code.starts_with('#') => commands.push(code.to_owned()),
                _ => {}
            }
            goes_on = more;
            until = code.split_once("<<").map(|(_, end)| end.trim_matches(['\'', '"', '-']).to_owned());
        }
        commands
    }
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Page {
        Page { path: "page.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn blocks_have_their_language_and_their_line() {
        let page = of("# A\n\n```console\none\n\n  two\n```\n\n- item\n\n  ```yaml,part=x\n  a: 1\n  ```\n");
        let block = |info: &str, code: &str, line| Block { info: info.to_owned(), code: code.to_owned(), line };
        assert_eq!(page.blocks(), [block("console", "one\n\n  two\n", 3), block("yaml,part=x", "a: 1\n", 11)]);
        assert_eq!(page.blocks()[1].language(), "yaml");
    }

    #[test]
    fn commands_are_joined_and_stripped() {
        let page = of("```sh\n# first\nhelm upgrade \\\n  --set a=b   # why\ncat > f <<END\nkind: X\nEND\nls\n```\n");
        assert_eq!(page.blocks()[0].commands(), ["helm upgrade --set a=b", "cat > f <<END", "ls"]);
    }

    #[test]
    fn anchors_are_those_of_the_headings() {
        let page =
            of("# What it is\n\n## `Ready`\n\n## spec.kafka[]\n\n## spec.kafka\n\n| a |\n|---|\n| [l](x.md#y) |\n");
        assert_eq!(page.anchors(), ["what-it-is", "ready", "speckafka", "speckafka-1"]);
        assert_eq!(page.headings()[1], (2, "Ready".to_owned()));
        assert_eq!(page.links(), ["x.md#y"]);
    }
}
