//! The operator's chart upgraded, rolled back, uninstalled and installed again, while people order from a platform.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use ::tests::{cluster::OPERATOR_NAMESPACE, servers};
use checkpoints::{EVERYTHING, Length, Load, Rate, Stage};
use local::run;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::task::block_in_place;

use crate::argo_cd::kubectl;

/// The operator's release and its chart.
pub(crate) const OPERATOR: &str = "foodplatform-operator";
/// A field that the chart before did not know.
const FIELD: &str = "deletionTimeout";
const RATE: Rate = Rate { orders: 5, reads: 30 };

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_orders_notices_what_becomes_of_the_operator() {
    let stage = Stage::connect(Length::Short).await;
    stage.until_settled().await;
    let pods = stage.ready_names().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let chart = local::repository().join("charts").join(OPERATOR);
    let older = older(&chart, directory.path());
    let load = Load::start(&stage, RATE, EVERYTHING, &[]).await;
    load.answers(50).await;

    let values: Value = serde_json::from_str(&helm(&["get", "values", OPERATOR, "--output", "json"])).unwrap();
    for (step, knows) in [("from before", false), ("to now", true)] {
        upgrade(if knows { &chart } else { &older }, &values);
        stage.platform.until_ready().await;
        assert_eq!(knows_field(), knows, "{step}");
        load.answers(50).await;
    }
    helm(&["rollback", OPERATOR, "--wait", "--timeout=120s"]);
    assert!(!knows_field(), "after the rollback");
    stage.platform.until_ready().await;
    load.answers(50).await;

    helm(&["uninstall", OPERATOR, "--wait", "--timeout=120s"]);
    let left = kubectl(&["-n", OPERATOR_NAMESPACE, "get", "deployments", "-o", "name"], "");
    assert_eq!(left.trim(), "", "the operator is gone");
    // Nobody looks after it, and it goes on.
    load.answers(200).await;
    assert_eq!(stage.ready_names().await.unwrap(), pods, "without the operator");

    install(&values);
    assert!(knows_field(), "installed again");
    stage.until_settled().await;
    helm(&["test", OPERATOR, "--timeout=60s"]);
    load.answers(50).await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral().unwrap_or_else(|missed| panic!("{missed}"));
    assert_eq!(stage.ready_names().await.unwrap(), pods, "in the end");
    let held = stage.delivered(traffic.told).await.unwrap_or_else(|missed| panic!("{missed}"));
    println!("{answered} requests and none failed, no pod was replaced; {held}");
}

/// Installs the operator with its chart as it is.
pub(crate) fn install(values: &Value) {
    upgrade(&local::repository().join("charts").join(OPERATOR), values);
}

fn upgrade(chart: &Path, values: &Value) {
    let chart = chart.display().to_string();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(values.to_string().as_bytes()).unwrap();
    let values = file.path().display().to_string();
    helm(&["upgrade", OPERATOR, &chart, "--install", "--wait", "--timeout=120s", "--values", &values]);
}

/// The chart as it was in the version before: with a definition that lacks a field.
fn older(chart: &Path, directory: &Path) -> PathBuf {
    let copy = directory.join(OPERATOR);
    run(Command::new("cp").arg("-R").arg(chart).arg(&copy)).unwrap();
    let edit = |file: &str, edit: &dyn Fn(&mut Value)| {
        let path = copy.join(file);
        let mut value: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut value);
        // What is JSON is YAML, too.
        fs::write(&path, value.to_string()).unwrap();
    };
    edit("Chart.yaml", &|chart| chart["version"] = "0.0.9".into());
    edit("files/foodplatforms.yaml", &|definition| {
        let spec = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().unwrap().remove(FIELD).unwrap();
    });
    copy
}

/// Whether the API server knows the field.
fn knows_field() -> bool {
    let path = format!("jsonpath={{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.{FIELD}.type}}");
    let said = kubectl(&["get", "customresourcedefinition", "foodplatforms.foodplatform.dev", "-o", &path], "");
    !said.trim().is_empty()
}

/// Runs Helm in the operator's namespace, and gives what it prints.
pub(crate) fn helm(arguments: &[&str]) -> String {
    let mut command = Command::new(servers::helm());
    command.env("KUBECONFIG", servers::kubeconfig()).args(["--namespace", OPERATOR_NAMESPACE]).args(arguments);
    block_in_place(|| run(&mut command)).unwrap_or_else(|error| panic!("helm {arguments:?}: {error:#}"))
}
