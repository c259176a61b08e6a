//! A log line of the services, for people. Pure.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use crate::paint::{BAD, FAINT, GOOD, MIDDLING, PLAIN, STRONG, harmless, paint};

/// `TIME LEVEL message field=value…` of a line as the services log it; any other line as it is, but for control characters.
pub(super) fn readable(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return harmless(line) };
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (time, level, message) = (take("timestamp"), take("level"), take("message"));
    // Which module it comes from helps nobody who doesn't read its code, and `--raw` has it.
    take("target");
    let span = fields.remove("span");
    let mut text = paint(FAINT, harmless(&milliseconds(&time)));
    let _ = write!(text, " {}", paint(style_of(&level), format_args!("{:>5}", harmless(&level))));
    let style = if level == "ERROR" { STRONG } else { PLAIN };
    let _ = write!(text, " {}", paint(style, harmless(&message)));
    append(&mut text, &fields);
    if let Some(Value::Object(mut span)) = span {
        let name = span.remove("name").and_then(|name| name.as_str().map(harmless)).unwrap_or_default();
        let _ = write!(text, " {}", paint(FAINT, format_args!("in {name}")));
        append(&mut text, &span);
    }
    text
}

/// Times are told to the millisecond: `2026-01-02T03:04:05.123456Z` as `2026-01-02T03:04:05.123Z`.
fn milliseconds(time: &str) -> String {
    match time.strip_suffix('Z').and_then(|time| time.split_once('.')) {
        Some((seconds, fraction)) if fraction.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{seconds}.{fraction:.3}Z")
        }
        _ => time.to_owned(),
    }
}

fn style_of(level: &str) -> Style {
    match level {
        "ERROR" => BAD,
        "WARN" => MIDDLING,
        "INFO" => GOOD,
        _ => AnsiColor::Blue.on_default(),
    }
}

fn append(text: &mut String, fields: &Map<String, Value>) {
    for (name, value) in fields {
        let value = match value {
            // Words that need no quotation marks to be told apart.
            Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => word.clone(),
            other => other.to_string(),
        };
        let _ = write!(text, " {}{}", paint(FAINT, format_args!("{}=", harmless(name))), harmless(&value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::plain;

    #[test]
    fn a_line_of_the_services_is_told_in_their_order() {
        let line = r#"{"timestamp":"2026-01-02T03:04:05.123456Z","level":"WARN","message":"cook gives no answer","error":"timed out","status":503,"target":"order::cook","span":{"order":"o-1","name":"cancel"}}"#;
        assert_eq!(
            plain(&readable(line)),
            r#"2026-01-02T03:04:05.123Z  WARN cook gives no answer error="timed out" status=503 in cancel order=o-1"#
        );
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in ["thread 'main' panicked at src/main.rs:1:2:", "", "[1, 2]", "{\"half\":"] {
            assert_eq!(readable(line), line);
        }
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let line = r#"{"level":"INFO","message":"\u001b[2Jgone","field":"\u001b"}"#;
        assert!(plain(&readable(line)).ends_with("INFO \\u{1b}[2Jgone field=\\u{1b}"), "{:?}", readable(line));
    }

    #[test]
    fn levels_have_colours() {
        assert!(readable(r#"{"level":"ERROR","message":"m"}"#).contains("\u{1b}[1m\u{1b}[31mERROR"));
    }

    #[test]
    fn times_of_other_forms_stay() {
        assert_eq!(milliseconds("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        assert_eq!(milliseconds("2026-01-02T03:04:05.1Z"), "2026-01-02T03:04:05.1Z");
        assert_eq!(milliseconds("yesterday"), "yesterday");
    }
}
