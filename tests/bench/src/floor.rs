//! The floor under the order service: pgbench committing an order and its event, each in a statement and a transaction of
//! its own, without any service around it.

use std::{fmt::Write as _, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use contract::{CloudEvent, Event};
use serde_json::json;
use url::Url;

/// The statement. The service writes what comes at the same time in one; this is the floor of one that does not.
const INSERT: &str = include_str!("floor.sql");

/// Commits that statement as fast as `clients` connections can, and gives how often in a second.
///
/// # Errors
/// When pgbench fails, with its own words.
pub(crate) fn run(database: &str, schema: &str, clients: usize, lasting: Duration, work: &Path) -> Result<f64> {
    let url = Url::parse(database).context("the database's URL")?;
    let file = work.join("floor.sql");
    std::fs::write(&file, script()?)?;
    let mut command = Command::new(local::pgbench()?);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .args([format!("--client={clients}"), format!("--time={}", lasting.as_secs().max(1))])
        .arg(format!("--file={}", file.display()))
        // Not arguments: those of a process can be read by everyone.
        .env("PGHOST", url.host_str().unwrap_or_default())
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGUSER", url.username())
        .env("PGPASSWORD", url.password().unwrap_or_default())
        .env("PGDATABASE", url.path().trim_start_matches('/'))
        .env("PGOPTIONS", format!("-c search_path={schema}"));
    let said = local::run(&mut command)?;
    rate(&said).with_context(|| format!("pgbench did not say how many transactions it did in a second: {said}"))
}

/// The number behind `tps = `.
fn rate(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

/// pgbench's script: the statement with values like an order's, of the same sizes.
fn script() -> Result<String> {
    let (payload, headers) = event()?;
    let values = [
        "gen_random_uuid()::text",
        "concat('customer-', :customer::text)",
        "'r-1'",
        "concat('m-0123456789abcdef0123456789abcd', :menu::text)",
        "1",
        "'12 Market Street, third floor'",
        "NULL",
        "'PLACED'",
        "'NONE'",
        "now()",
        "1",
        "gen_random_uuid()",
        "'menu'",
        "'Ordered'",
        &literal(&payload),
        &literal(&headers),
        ":shard",
    ];
    let mut script = String::new();
    for (name, last) in [("customer", 999), ("menu", 49), ("shard", 15)] {
        writeln!(script, "\\set {name} random(0, {last})")?;
    }
    Ok(format!("{script}{};\n", fill_in(INSERT.trim_end(), &values)?))
}

/// The payload and the headers of an order's event.
fn event() -> Result<(String, String)> {
    let id = "01234567-89ab-5cde-8f01-23456789abcd";
    let order = json!({
        "orderId": id, "customerId": "customer-500", "restaurantId": "r-1", "quantity": 1,
        "menuId": "m-0123456789abcdef0123456789abcdef", "address": "12 Market Street, third floor",
        "status": "PLACED", "cancellation": "NONE", "reason": null, "version": 1,
        "createdAt": "2026-01-02T03:04:05.678901Z", "updatedAt": "2026-01-02T03:04:05.678901Z",
    });
    let trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".to_owned();
    let event = CloudEvent::new("/foodplatform/order", Some(trace), Event::Ordered(serde_json::from_value(order)?));
    let headers: serde_json::Map<_, _> =
        event.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    Ok((String::from_utf8(event.event.payload()?)?, serde_json::Value::Object(headers).to_string()))
}

/// Text as SQL. pgbench takes a colon for a variable, in quotes, too.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\072"))
}

/// Puts values in place of a statement's parameters.
fn fill_in(sql: &str, values: &[&str]) -> Result<String> {
    let mut parts = sql.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
        let value = digits.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        filled.push_str(value.with_context(|| format!("no value for ${digits} of floor.sql: add it to floor.rs"))?);
        filled.push_str(rest);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_the_statement_has_a_value() {
        let script = script().unwrap();
        assert!(!script.contains('$'), "{script}");
        assert!(script.contains("INSERT INTO outbox") && script.ends_with("FROM placed;\n"));
        assert!(fill_in("VALUES ($1, $2)", &["a"]).unwrap_err().to_string().contains("$2"));
        assert_eq!(fill_in("($10, $1)", &["a"; 10]).unwrap(), "(a, a)");
    }

    #[test]
    fn text_is_quoted_without_colons() {
        assert_eq!(literal(r#"{"a":"it's \"}"#), r#"E'{"a"\072"it''s \\"}'"#);
    }

    #[test]
    fn what_pgbench_says_is_read() {
        let said = "number of clients: 16\ntps = 1234.567 (without initial connection time)\n";
        assert_eq!(rate(said), Some(1234.567));
        assert_eq!(rate("nothing"), None);
    }
}
