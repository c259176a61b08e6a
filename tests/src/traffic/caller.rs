//! Asking until an answer tells something.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::RequestBuilder;
use tokio::time::Instant;

use super::{Record, record::NO_ANSWER};
use crate::api::{Answer, Api, text};

/// How long one answer is waited for: longer than the gateway itself waits.
const ONE_ANSWER: Duration = Duration::from_secs(12);
/// Between two attempts, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Speaks to the gateways in turn, and keeps the record.
pub(super) struct Caller {
    gateways: Vec<Api>,
    turn: AtomicUsize,
    record: Mutex<Record>,
}

impl Caller {
    pub(super) fn new(gateways: &[Api]) -> Self {
        Self::going_on(gateways, Record::default())
    }

    pub(super) fn going_on(gateways: &[Api], record: Record) -> Self {
        let gateways = gateways.iter().map(|gateway| gateway.clone().within(ONE_ANSWER)).collect();
        Self { gateways, turn: AtomicUsize::new(0), record: record.into() }
    }

    /// Sends a request, again while the answer tells nothing, each time by the next gateway. `None` when there is none
    /// that does within `patience`. The request has to be safe to repeat.
    pub(super) async fn ask(
        &self,
        patience: Duration,
        what: &'static str,
        request: impl Fn(&Api) -> RequestBuilder,
    ) -> Option<Answer> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let gateway = &self.gateways[self.turn.fetch_add(1, Ordering::Relaxed) % self.gateways.len()];
            let answer = gateway.try_send(request(gateway)).await;
            let said = answer.as_ref().map_or(NO_ANSWER.to_owned(), said);
            self.note(|record| record.answered(what, said));
            match answer {
                Ok(answer) if !tells_nothing(answer.status) => return Some(answer),
                Ok(answer) if answer.status == 500 => {
                    self.note(|record| record.complaints.push(format!("{what}: 500: {}", answer.text)));
                }
                _ => {}
            }
            if start.elapsed() + pause > patience {
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Writes into the record.
    pub(super) fn note(&self, write: impl FnOnce(&mut Record)) {
        write(&mut self.record.lock().expect("nobody panics while writing"));
    }

    /// The record so far.
    pub(super) fn record(&self) -> Record {
        self.record.lock().expect("nobody panics while writing").clone()
    }
}

/// An answer's status; with what a service says about its own failure, which is the same sentence each time.
fn said(answer: &Answer) -> String {
    let detail = if answer.status >= 500 { text(&answer.body, "detail") } else { "" };
    format!("{} {detail}", answer.status).trim_end().to_owned()
}

/// Whether the outcome is unknown after an answer with this status, or nothing was done: then the same is asked again.
fn tells_nothing(status: u16) -> bool {
    status == 429 || status >= 500
}
