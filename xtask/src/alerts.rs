//! The alerts and dashboards of the operator's chart, as Prometheus reads them, held against what the code measures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use local::{Cache, Progress, prometheus, repository, run};
use serde::Deserialize;
use serde_json::{Value, json};

const ALERTS: &str = "charts/foodplatform-operator/files/alerts.yaml";
const DASHBOARDS: [&str; 2] =
    ["charts/foodplatform-operator/dashboards/operator.json", "charts/foodplatform-operator/dashboards/platform.json"];
/// When each alert fires, and when not.
const TRIALS: &str = "local/prometheus/trials.yaml";
/// Where metrics are recorded.
const SOURCES: [&str; 2] = ["operator/src", "services"];
/// What Prometheus itself makes.
const SCRAPES: &str = "up";
/// Labels that a metric has by where it was read.
const OF_TARGETS: [&str; 7] = ["namespace", "pod", "container", "job", "instance", "platform", "service"];

/// A rule as `local/prometheus` tells of it.
#[derive(Deserialize)]
struct Rule {
    name: String,
    selectors: Vec<Selector>,
    labels: Vec<String>,
}

#[derive(Deserialize)]
struct Selector {
    metric: String,
    labels: Vec<String>,
}

/// The labels of each metric that the code records.
type Metrics = BTreeMap<String, BTreeSet<String>>;

/// Has Prometheus read everything, and finds what asks for a metric or a label that there isn't.
pub(crate) fn check(cache: &Cache, progress: &Progress) -> Result<()> {
    let prometheus = prometheus(cache, progress)?;
    let metrics = recorded()?;
    let alerts = rules(Command::new(&prometheus).args([ALERTS, TRIALS]).current_dir(repository()))?;
    let work = tempfile::tempdir()?;
    let mut panels = Vec::new();
    for file in DASHBOARDS {
        let text = fs::read_to_string(repository().join(file)).with_context(|| format!("cannot read {file}"))?;
        let dashboard = serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))?;
        let path = work.path().join("rules.json");
        fs::write(&path, as_rules(&dashboard).to_string())?;
        panels.extend(rules(Command::new(&prometheus).arg(&path)).with_context(|| file.to_owned())?);
    }
    let amiss: Vec<_> = alerts.iter().chain(&panels).flat_map(|rule| amiss(rule, &metrics)).collect();
    if !amiss.is_empty() {
        bail!("{}", amiss.join("\n"));
    }
    println!("{ALERTS}: each of the {} alerts fires when it is to, and only then", alerts.len());
    println!("{}: Prometheus understands the {} queries", DASHBOARDS.join(", "), panels.len());
    Ok(())
}

fn rules(prometheus: &mut Command) -> Result<Vec<Rule>> {
    Ok(serde_json::from_str(&run(prometheus)?)?)
}

/// The queries of a dashboard as rules, with something in place of Grafana's variables. JSON is YAML, too.
fn as_rules(dashboard: &Value) -> Value {
    let mut rules = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap_or_default().replace("$__rate_interval", "5m");
            // Of a recording rule only the name can tell where it comes from.
            let title = panel["title"].as_str().unwrap_or_default().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            rules.push(json!({ "record": format!("panel:{title}:{}", rules.len()), "expr": query }));
        }
    }
    json!({ "groups": [{ "name": "dashboard", "rules": rules }] })
}

/// What a rule asks for in vain.
fn amiss(rule: &Rule, metrics: &Metrics) -> Vec<String> {
    let mut amiss = Vec::new();
    let mut labels: BTreeSet<&str> = OF_TARGETS.into();
    for selector in &rule.selectors {
        let recorded = ["", "_bucket", "_count", "_sum"].iter().find_map(|suffix| {
            let name = selector.metric.strip_suffix(suffix)?;
            Some((metrics.get(name)?, *suffix))
        });
        let own: BTreeSet<_> = match recorded {
            Some((own, suffix)) => {
                own.iter().map(String::as_str).chain((suffix == "_bucket").then_some("le")).collect()
            }
            None if selector.metric == SCRAPES => BTreeSet::new(),
            None => {
                amiss.push(format!("{} asks for {}, which nothing records", rule.name, selector.metric));
                continue;
            }
        };
        labels.extend(&own);
        for label in selector.labels.iter().map(String::as_str) {
            if !own.contains(label) && !OF_TARGETS.contains(&label) {
                amiss.push(format!("{} asks for {} by {label}, which it doesn't have", rule.name, selector.metric));
            }
        }
    }
    for label in rule.labels.iter().filter(|label| !labels.contains(label.as_str())) {
        amiss.push(format!("{} groups by {label}, which none of its metrics has", rule.name));
    }
    amiss
}

/// What the code records, by its text: most of it only shows at run time once something has gone wrong.
fn recorded() -> Result<Metrics> {
    let mut metrics = Metrics::new();
    for directory in SOURCES {
        for file in sources(&repository().join(directory))? {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            recorded_in(&text, &mut metrics);
        }
    }
    Ok(metrics)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(sources(&path)?),
            false => files.extend(path.extension().is_some_and(|extension| extension == "rs").then_some(path)),
        }
    }
    Ok(files)
}

fn recorded_in(text: &str, metrics: &mut Metrics) {
    let constants: BTreeMap<_, _> = text.lines().filter_map(constant).collect();
    for start in ["counter!(", "gauge!(", "histogram!("] {
        for (at, _) in text.match_indices(start) {
            let (before, arguments) = text.split_at(at);
            if before.ends_with("describe_") {
                continue;
            }
            let arguments = in_parentheses(&arguments[start.len()..]);
            let name = arguments.split(',').next().unwrap_or_default().trim();
            let Some(name) =
                name.strip_prefix('"').map_or_else(|| constants.get(name).copied(), |name| name.strip_suffix('"'))
            else {
                continue;
            };
            let labels = arguments.split("=>").filter_map(|part| part.trim_end().strip_suffix('"')?.rsplit('"').next());
            metrics.entry(name.to_owned()).or_default().extend(labels.map(str::to_owned));
        }
    }
    // What is written out without a recorder: {NAME}{{label=…}}.
    for (name, value) in constants {
        for (_, rest) in
            text.match_indices(&format!("{{{name}}}{{{{")).map(|(at, found)| text.split_at(at + found.len()))
        {
            let labels = rest.split("}}").next().unwrap_or_default().split(',');
            let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            metrics.entry(value.to_owned()).or_default().extend(labels);
        }
    }
}

/// The name and value of a constant, if the line is that of a text.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start_matches("pub ").strip_prefix("const ")?.split_once(": &str = \"")?;
    Some((name, value.strip_suffix("\";")?))
}

/// What comes before the parenthesis that closes.
fn in_parentheses(text: &str) -> &str {
    let mut open = 1;
    let closing = text.find(|character| {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        open == 0
    });
    closing.map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(selectors: &[(&str, &[&str])], labels: &[&str]) -> Rule {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let selectors =
            selectors.iter().map(|(metric, labels)| Selector { metric: (*metric).to_owned(), labels: owned(labels) });
        Rule { name: "rule".to_owned(), selectors: selectors.collect(), labels: owned(labels) }
    }

    #[test]
    fn metrics_are_found_with_their_labels_however_they_are_recorded() {
        let mut metrics = Metrics::new();
        let text = r#"
const WRITES: &str = "writes_total";
pub const CONDITION: &str = "condition";
describe_counter!(WRITES, "Writes.");
counter!(WRITES, "kind" => kind.to_owned(), "verb" => verb).increment(1);
metrics::histogram!(
    "duration_seconds", "method" => method, "route" => route.as_str(),
)
.record(duration);
format!("{CONDITION}{{namespace=\"{namespace}\",type=\"{type_}\"}} {}", 1);
"#;
        recorded_in(text, &mut metrics);
        let labels = |name: &str| metrics[name].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(labels("writes_total"), ["kind", "verb"]);
        assert_eq!(labels("duration_seconds"), ["method", "route"]);
        assert_eq!(labels("condition"), ["namespace", "type"]);
        assert_eq!(metrics.len(), 3);
    }

    #[test]
    fn what_nothing_records_is_told_of() {
        let metrics = Metrics::from([("lag".to_owned(), BTreeSet::from(["topic".to_owned()]))]);
        let told = |selectors: &[(&str, &[&str])], labels: &[&str]| amiss(&rule(selectors, labels), &metrics);
        assert!(told(&[("lag", &["topic", "namespace"]), ("up", &["platform"])], &["topic", "service"]).is_empty());
        assert!(told(&[("lag_bucket", &["le"])], &["le"]).is_empty());
        assert_eq!(told(&[("leg", &[])], &[]), ["rule asks for leg, which nothing records"]);
        assert_eq!(told(&[("lag", &["task"])], &[]), ["rule asks for lag by task, which it doesn't have"]);
        assert_eq!(told(&[("lag", &[])], &["task"]), ["rule groups by task, which none of its metrics has"]);
    }

    #[test]
    fn every_alert_says_what_it_means_and_what_to_do_and_can_be_left_out() {
        let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
        let rules: Value = serde_saphyr::from_str(&read(ALERTS)).unwrap();
        let schema: Value = serde_json::from_str(&read("charts/foodplatform-operator/values.schema.json")).unwrap();
        let path = "/properties/monitoring/properties/rules/properties/disabled/items/enum";
        let names: Vec<_> = rules["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap())
            .map(|rule| {
                assert!(
                    ["critical", "warning", "info"].contains(&rule["labels"]["severity"].as_str().unwrap()),
                    "{rule}"
                );
                for text in ["summary", "description", "runbook"] {
                    assert!(
                        rule["annotations"][text].as_str().is_some_and(|text| text.len() > 20),
                        "{rule} has no {text}"
                    );
                }
                rule["alert"].clone()
            })
            .collect();
        assert_eq!(Value::from(names), *schema.pointer(path).unwrap());
    }
}
