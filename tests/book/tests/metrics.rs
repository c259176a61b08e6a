//! The page about operations tells of every metric, and of no other.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;

const PAGE: &str = "docs/src/operations.md";
/// Where programs that have metrics are written, and the heading below which the page tells of them.
const PARTS: [(&str, &str); 2] = [("operator/src", "Metrics of the operator"), ("services", "Metrics of the services")];

/// By the metric's name its kind, and the labels that it has somewhere.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What a program records: calls of the macros counter!, gauge! and histogram!, whose first argument is a name or the name of a
/// constant in the same file.
fn recorded(directory: &Path, metrics: &mut Metrics) {
    let call = Regex::new(r#"(?-u:\b)(counter|gauge|histogram)!\([ \n]*(?:"([a-z_]+)"|([A-Z_]+))"#).unwrap();
    let label = Regex::new(r#""([a-z_]+)" =>"#).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            recorded(&path, metrics);
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for found in call.captures_iter(&text) {
            let name = found.get(2).map(|name| name.as_str().to_owned()).unwrap_or_else(|| {
                let constant = Regex::new(&format!(r#"const {}: &str = "([a-z_]+)""#, &found[3])).unwrap();
                constant.captures(&text).unwrap_or_else(|| panic!("{}: {}", path.display(), &found[0]))[1].to_owned()
            });
            let (kind, labels) = metrics.entry(name).or_default();
            found[1].clone_into(kind);
            let arguments = up_to_its_end(&text[found.get(0).unwrap().end()..]);
            labels.extend(label.captures_iter(arguments).map(|label| label[1].to_owned()));
        }
        metrics.extend(written(&text));
    }
}

/// A metric that is written as Prometheus reads it: its name is the constant METRIC.
fn written(text: &str) -> Option<(String, (String, BTreeSet<String>))> {
    let name = Regex::new(r#"const METRIC: &str = "([a-z_]+)""#).unwrap().captures(text)?;
    let kind = Regex::new(r"# TYPE \{METRIC\} ([a-z]+)").unwrap().captures(text)?;
    let labels = Regex::new(r#"([a-z_]+)=\\"\{"#).unwrap();
    let labels = labels.captures_iter(text).map(|label| label[1].to_owned()).collect();
    Some((name[1].to_owned(), (kind[1].to_owned(), labels)))
}

/// What comes before the parenthesis that ends a call, whose first one is not in `text`.
fn up_to_its_end(text: &str) -> &str {
    let mut open = 1;
    let end = text.find(|c| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        open == 0
    });
    &text[..end.unwrap()]
}

/// What the page tells: rows of the first table below a heading, of name, kind, labels and meaning.
fn told(page: &str, heading: &str) -> Metrics {
    let code = Regex::new("`([a-z_]+)`").unwrap();
    let (_, section) = page.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    let row = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
        assert!(meaning.len() > 10, "{row}");
        let labels = code.captures_iter(labels).map(|label| label[1].to_owned()).collect();
        (name.trim_matches('`').to_owned(), (kind.to_owned(), labels))
    };
    rows.map(row).collect()
}

#[test]
fn the_page_and_the_code_have_the_same_metrics() {
    let page = book::page(PAGE).unwrap().text;
    for (directory, heading) in PARTS {
        let mut found = Metrics::new();
        recorded(&book::repository().join(directory), &mut found);
        assert!(found.len() > 5, "{directory}: {found:?}");
        assert_eq!(told(&page, heading), found, "{PAGE}, {heading}, against {directory}");
    }
}
