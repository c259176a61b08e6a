//! The load decides how many pods of order run, the operator leaves that alone, and nobody notices pods come and go.

use ::tests::{cluster::AuditLog, process::Service};
use serde_json::json;

use super::example;
use crate::{
    Length, Outcome, Shown, Stage,
    load::{GENTLE, Load, Rate},
};

/// Its comments say why the loads are such that the numbers of pods below come of them.
const EXAMPLE: &str = "autoscaling.yaml";
const FEWEST: usize = 3;
const MOST: usize = 5;
/// What the whole machine bears, and most of it order's doing.
const BUSY: Rate = Rate { orders: 150, reads: 250 };

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let mut order = example::order(EXAMPLE)?;
    if stage.length == Length::Short {
        order["autoscaling"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = json!(5);
    }
    stage.change(json!({ "services": { "order": order } })).await;
    stage.until_settled().await;
    stage.until_pods(Service::Order, FEWEST).await;
    let log = AuditLog::from_now();

    let load = Load::start(stage, BUSY, &[Service::Order], &[Service::Order]).await;
    load.mark("load");
    stage.until_pods(Service::Order, MOST).await;
    load.mark(format!("{MOST} pods"));
    // The new ones have to answer, too.
    load.answers(stage.length.pick(500, 2_000)).await;
    let grown = hpa(stage).await;
    load.mark("end of the load");
    load.change(GENTLE);
    stage.until_pods(Service::Order, FEWEST).await;
    load.mark(format!("{FEWEST} pods"));
    let shrunk = hpa(stage).await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;

    let (leases, writes) = log.operator_writes();
    if leases.is_empty() {
        return Err("the audit log shows no renewal of the operator's Lease, so nothing of the operator".to_owned());
    }
    let touched: Vec<_> = writes.iter().filter(|write| write.contains("deployments")).collect();
    if !touched.is_empty() {
        return Err(format!("the operator wrote Deployments meanwhile: {touched:?}"));
    }
    let held = stage.delivered(traffic.told).await?;
    Ok(Outcome {
        done: format!("order with the settings of examples/{EXAMPLE}, a load, and its end"),
        seen: format!(
            "{MOST} pods under load and {FEWEST} after it, {answered} requests and none failed, no write of the operator to a \
             Deployment; {held}"
        ),
        figure: format!("{FEWEST} → {MOST} → {FEWEST} pods"),
        shown: vec![grown, shrunk],
        timeline: Some(traffic.timeline),
    })
}

async fn hpa(stage: &Stage) -> Shown {
    stage.kubectl(&["get", "hpa", &stage.platform.child(Service::Order)]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_these_numbers_of_pods() {
        let order = example::order(EXAMPLE).unwrap();
        let autoscaling = &order["autoscaling"];
        assert_eq!((&autoscaling["minReplicas"], &autoscaling["maxReplicas"]), (&json!(FEWEST), &json!(MOST)));
    }
}
