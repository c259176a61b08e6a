//! Logs of the operator: JSON lines on standard output, or text on a terminal.

use std::io::{IsTerminal as _, stdout};

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

/// Starts to log what `filter` lets through, such as `info,kube=warn`.
///
/// # Errors
/// When the filter can't be understood.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let builder = fmt().with_env_filter(filter).with_writer(stdout);
    if stdout().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).with_current_span(false).init();
    }
    Ok(())
}
