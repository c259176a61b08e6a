//! Prometheus' text format, as far as samples go.

use std::str::Chars;

/// The samples of the metric `name` in an exposition: the value of `label` in each (empty where it has none), and the
/// sample's value.
///
/// # Errors
/// The line that isn't in the format.
pub(super) fn samples(exposition: &str, name: &str, label: &str) -> Result<Vec<(String, f64)>, String> {
    let lines = exposition.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        let sample = sample(line, label).ok_or_else(|| format!("not a metric: {line}"))?;
        if sample.name == name {
            found.push((sample.label, sample.value));
        }
    }
    Ok(found)
}

struct Sample<'a> {
    name: &'a str,
    label: String,
    value: f64,
}

/// `NAME VALUE [TIME]` or `NAME{LABEL="VALUE",…} VALUE [TIME]`.
fn sample<'a>(line: &'a str, wanted: &str) -> Option<Sample<'a>> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (label, rest) = match rest.strip_prefix('{') {
        Some(labels) => labelled(labels, wanted)?,
        None => (String::new(), rest),
    };
    // What may follow is when it was measured.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, label, value })
}

/// The value of the label `wanted`, and what comes after the closing brace.
fn labelled<'a>(mut rest: &'a str, wanted: &str) -> Option<(String, &'a str)> {
    let mut found = String::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, quoted) = rest.split_once('=')?;
        let mut chars = quoted.trim_start().strip_prefix('"')?.chars();
        let value = unquoted(&mut chars)?;
        if name.trim_end() == wanted {
            found = value;
        }
        rest = chars.as_str();
    }
}

/// The text up to the closing quotation mark.
fn unquoted(chars: &mut Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
# HELP consumer_lag messages
# TYPE consumer_lag gauge
consumer_lag{topic=\"food.shop.menu\"} 3
consumer_lag{group=\"a}, \\\"b\\\\\",topic=\"food.shop.cook\",} 1e3 1700000000000

consumer_lag_seconds{topic=\"food.shop.menu\"} 7
up 1
nan NaN
";

    #[test]
    fn samples_are_found_by_name_and_told_apart_by_label() {
        let menu = ("food.shop.menu".to_owned(), 3.0);
        let cook = ("food.shop.cook".to_owned(), 1000.0);
        assert_eq!(samples(TOLD, "consumer_lag", "topic"), Ok(vec![menu, cook]));
        assert_eq!(samples(TOLD, "up", "topic"), Ok(vec![(String::new(), 1.0)]));
        assert_eq!(samples(TOLD, "consumer_lag", "group").unwrap()[1].0, "a}, \"b\\");
        assert_eq!(samples(TOLD, "absent", "topic"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_exposition_is_refused() {
        for wrong in ["<html>", "a{b=\"c\" 1", "a{b=c} 1", "a one", "a{b=\"c\"}"] {
            assert!(samples(wrong, "a", "b").is_err(), "{wrong}");
        }
    }
}
