//! W3C Trace Context: one trace follows a request through the services and their events.

use std::future::Future;

use axum::http::{HeaderMap, HeaderValue};

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that something belongs to, and the step in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceContext {
    /// A new trace.
    pub fn new() -> Self {
        Self { trace: rand::random::<u128>().max(1), span: rand::random::<u64>().max(1), flags: 1 }
    }

    /// The next step of the same trace.
    pub fn child(self) -> Self {
        Self { span: rand::random::<u64>().max(1), ..self }
    }

    /// Reads a `traceparent` of version 00; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex =
            |part: &str, length| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        // A later version may append parts; what is known of it reads the same.
        let whole = version != "ff" && (version != "00" || parts.next().is_none());
        if !whole || !hex(version, 2) || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        Some(Self { trace, span, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    /// The next step of the caller's trace, or a new trace when the caller has none.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let caller = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(Self::parse);
        caller.map_or_else(Self::new, Self::child)
    }

    /// The value of the header `traceparent`.
    pub fn traceparent(self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The trace's id in hexadecimal.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Runs `work` in this step: [`traceparent`] then gives it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

/// The `traceparent` of the request that is being served, if any: for events and for calls to other services.
pub fn traceparent() -> Option<String> {
    CURRENT.try_with(|context| context.traceparent()).ok()
}

/// As [`traceparent`], as a header's value.
pub(crate) fn traceparent_header() -> Option<HeaderValue> {
    traceparent().and_then(|value| HeaderValue::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::parse(text).unwrap().traceparent(), text);
        let child = TraceContext::parse(text).unwrap().child();
        assert_eq!(child.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(child.traceparent(), text);
    }

    #[test]
    fn what_is_no_traceparent_is_not_taken() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_scope_sets_the_current_step() {
        assert_eq!(traceparent(), None);
        let context = TraceContext::new();
        assert_eq!(context.scope(async { traceparent() }).await, Some(context.traceparent()));
    }
}
