//! What is wrong with the book: links that lead nowhere, and pages that nobody finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{Page, repository};

/// The list of the book's pages, which is no page itself.
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// What is wrong with those pages, in sentences.
pub fn problems(pages: &[Page]) -> Vec<String> {
    find(pages, &|path| repository().join(path).is_file())
}

/// The same; `exists` says whether there is a file of that name below the project's directory.
fn find(pages: &[Page], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let anchors: BTreeMap<_, BTreeSet<_>> =
        pages.iter().map(|page| (page.path.as_str(), page.anchors().into_iter().collect())).collect();
    let mut problems = Vec::new();
    let mut listed = BTreeSet::from(["README.md".to_owned(), SUMMARY.to_owned()]);
    for page in pages {
        for link in page.links() {
            match problem(page, &link, &anchors, exists) {
                Ok(target) if page.path == SUMMARY => {
                    listed.extend(target);
                }
                Ok(_) => {}
                Err(problem) => problems.push(format!("{}: the link to {link} {problem}", page.path)),
            }
        }
    }
    for page in pages {
        let missing = page.includes().into_iter().filter(|include| !is_there(page, include));
        problems.extend(missing.map(|include| format!("{}: there is no {include} to include", page.path)));
    }
    let unlisted = pages.iter().filter(|page| !listed.contains(&page.path));
    problems.extend(unlisted.map(|page| format!("{}: {SUMMARY} doesn't list it, so no reader finds it", page.path)));
    problems
}

/// The page that a link of `page` leads to, if it is one of ours; or what is wrong with it.
fn problem(
    page: &Page,
    link: &str,
    anchors: &BTreeMap<&str, BTreeSet<String>>,
    exists: &dyn Fn(&str) -> bool,
) -> Result<Option<String>, &'static str> {
    if link.contains("://") {
        return Ok(None);
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
    if !exists(&target) {
        return Err("leads to no file");
    }
    if page.path.starts_with("docs/src/") && !target.starts_with("docs/src/") {
        return Err("leads out of the book, where its readers have nothing");
    }
    match (anchors.get(target.as_str()), anchor) {
        (Some(known), Some(anchor)) if !known.contains(anchor) => Err("leads to no heading of that page"),
        (None, Some(_)) => Err("has an anchor, but leads to no page"),
        _ => Ok(Some(target)),
    }
}

/// Whether what a page includes (`FILE`, or `FILE:ANCHOR`) is there.
fn is_there(page: &Page, include: &str) -> bool {
    let (file, anchor) = include.split_once(':').map_or((include, None), |(file, anchor)| (file, Some(anchor)));
    let Ok(text) = fs::read_to_string(repository().join(resolve(&page.path, file))) else { return false };
    let has = |mark: &str, anchor: &str| text.lines().any(|line| line.contains(&format!("{mark}: {anchor} ")));
    anchor.is_none_or(|anchor| has("ANCHOR", anchor) && has("ANCHOR_END", anchor))
}

/// The file that a link of the page `from` leads to, below the project's directory.
fn resolve(from: &str, link: &str) -> String {
    let joined = Path::new(from).parent().unwrap_or(Path::new("")).join(link);
    let mut path = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(page: &str) -> Vec<String> {
        let of = |path: &str, text: &str| Page { path: path.to_owned(), text: text.to_owned() };
        let pages = [
            of("README.md", "[book](docs/src/a.md#one)"),
            of(SUMMARY, "- [A](a.md)\n- [B](adr/b.md)"),
            of("docs/src/a.md", "# One\n\n## Two"),
            of("docs/src/adr/b.md", page),
        ];
        let files = ["docs/src/picture.svg", "examples/x.yaml"];
        find(&pages, &|path| files.contains(&path) || pages.iter().any(|page| page.path == path))
    }

    #[test]
    fn links_that_lead_somewhere_are_no_problem() {
        assert_eq!(book("# B\n[a](../a.md#two) [b](#b) ![p](../picture.svg) [w](https://example.com/#x)"), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_told_with_their_page() {
        for (link, problem) in [
            ("../c.md", "leads to no file"),
            ("../a.md#three", "leads to no heading of that page"),
            ("#three", "leads to no heading of that page"),
            ("../../../examples/x.yaml", "leads out of the book, where its readers have nothing"),
            ("../picture.svg#x", "has an anchor, but leads to no page"),
        ] {
            assert_eq!(book(&format!("[x]({link})")), [format!("docs/src/adr/b.md: the link to {link} {problem}")]);
        }
    }

    #[test]
    fn what_is_included_has_to_be_there() {
        for (include, expected) in [("../../README.md", 0), ("../../README.md:nothing", 1), ("../../LOST.md", 1)] {
            let text = format!("{{{{#include {include}}}}}");
            let pages = [Page { path: "docs/src/a.md".to_owned(), text }];
            let missing = find(&pages, &|_| true).into_iter().filter(|problem| problem.ends_with("to include"));
            assert_eq!(missing.count(), expected, "{include}");
        }
    }

    #[test]
    fn a_page_that_is_not_listed_is_told() {
        let pages = [Page { path: "docs/src/lost.md".to_owned(), text: String::new() }];
        assert_eq!(find(&pages, &|_| true).len(), 1);
    }
}
