//! The API server's audit log: what the operator asked for.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::OPERATOR_NAMESPACE;
use crate::servers;

/// The audit log from a moment on.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    start: usize,
}

impl AuditLog {
    /// The audit log from now on.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn from_now() -> Self {
        let path = servers::audit_log();
        let start = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
        Self { path, start: usize::try_from(start).expect("a 64-bit machine") }
    }

    /// The operator's writes since then, as `VERB URI`: those to Leases, and all others.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub fn operator_writes(&self) -> (Vec<String>, Vec<String>) {
        let bytes = fs::read(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let text = String::from_utf8_lossy(&bytes[self.start..]);
        let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:foodplatform-operator");
        // The last line may be half written.
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let writes = events.filter(|event| {
            let verb = event["verb"].as_str().unwrap_or_default();
            event["user"]["username"] == user.as_str()
                && event["stage"] == "ResponseComplete"
                && matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection")
        });
        let (leases, others): (Vec<_>, Vec<_>) = writes.partition(|event| event["objectRef"]["resource"] == "leases");
        let describe = |event: &Value| format!("{} {}", event["verb"], event["requestURI"]);
        (leases.iter().map(describe).collect(), others.iter().map(describe).collect())
    }
}
