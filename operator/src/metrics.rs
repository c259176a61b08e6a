//! Prometheus metrics of the operator.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const RECONCILES: &str = "foodplatform_operator_reconciles_total";
const ERRORS: &str = "foodplatform_operator_reconcile_errors_total";
const DURATION: &str = "foodplatform_operator_reconcile_duration_seconds";
const WRITES: &str = "foodplatform_operator_writes_total";
const TOPIC_CHECKS: &str = "foodplatform_operator_topic_checks_total";
const DATABASE_QUESTIONS: &str = "foodplatform_operator_database_questions_total";
const LAST_RECONCILE: &str = "foodplatform_operator_last_reconcile_timestamp_seconds";
const BUILD_INFO: &str = "foodplatform_operator_build_info";
const LEADER: &str = "foodplatform_operator_leader";
/// The name that Prometheus's client libraries give it.
const MEMORY: &str = "process_resident_memory_bytes";

/// Starts to collect, for an operator of that version. The handle renders what has been collected.
///
/// # Errors
/// When something else collects already.
pub fn install(version: &'static str) -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(DURATION.to_owned()),
            &[0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0],
        )?
        .install_recorder()?;
    describe_counter!(RECONCILES, "Reconciliations that ended.");
    describe_counter!(ERRORS, "Reconciliations that failed, by the step that they failed in.");
    describe_histogram!(DURATION, "How long reconciliations took.");
    describe_counter!(WRITES, "Write requests that the API server took, by kind and verb.");
    describe_counter!(TOPIC_CHECKS, "Checks of a platform's topics, by result.");
    describe_counter!(DATABASE_QUESTIONS, "Questions whether a platform's database answers, by result.");
    describe_gauge!(LAST_RECONCILE, "When the last reconciliation ended.");
    describe_gauge!(LEADER, "Whether this process is the one that reconciles.");
    describe_gauge!(MEMORY, "Resident memory size in bytes.");
    describe_gauge!(BUILD_INFO, "1, with the version that the operator was built from.");
    gauge!(BUILD_INFO, "version" => version).set(1.0);
    Ok(handle)
}

/// A reconciliation ended, in error at `step` if there is one.
pub fn reconciled(took: Duration, step: Option<&'static str>) {
    counter!(RECONCILES).increment(1);
    histogram!(DURATION).record(took.as_secs_f64());
    gauge!(LAST_RECONCILE).set(jiff::Timestamp::now().as_second() as f64);
    if let Some(step) = step {
        counter!(ERRORS, "step" => step).increment(1);
    }
}

/// The API server took a write.
pub fn written(kind: &str, verb: &'static str) {
    counter!(WRITES, "kind" => kind.to_owned(), "verb" => verb).increment(1);
}

/// A check of a platform's topics ended.
pub fn topics_checked(result: &'static str) {
    counter!(TOPIC_CHECKS, "result" => result).increment(1);
}

/// A database was asked whether it is there.
pub fn database_asked(result: &'static str) {
    counter!(DATABASE_QUESTIONS, "result" => result).increment(1);
}

/// Whether this process reconciles.
pub fn leading(is: bool) {
    gauge!(LEADER).set(if is { 1.0 } else { 0.0 });
}

/// Looks at this process' own memory, where Linux tells it.
pub fn observe_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    if let Some(kilobytes) = kilobytes.and_then(|kilobytes| kilobytes.parse::<u32>().ok()) {
        gauge!(MEMORY).set(f64::from(kilobytes) * 1024.0);
    }
}
