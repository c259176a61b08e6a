//! The checkpoints.

mod autoscaling;
mod breaker;
mod config;
mod correlation;
mod cqrs;
mod deploy;
mod drift;
mod example;
mod gateway;
mod healing;
mod isolation;
mod pipeline;
mod request_response;
mod saga;
mod volume;

use futures::future::LocalBoxFuture;

use crate::{Outcome, Stage};

/// A checkpoint.
pub struct Checkpoint {
    /// Its number in the list.
    pub number: u8,
    /// What it is called on the command line.
    pub name: &'static str,
    /// What has to be seen.
    pub claim: &'static str,
    /// Does it. `Err` says what was missed; a panic does, too.
    pub run: fn(&Stage) -> LocalBoxFuture<'_, Result<Outcome, String>>,
}

/// All of them, in the order of their numbers.
pub const ALL: &[Checkpoint] = &[
    Checkpoint {
        number: 1,
        name: "saga",
        claim: "of 30 orders at once for a stock of 20 exactly 20 go on, and 10 are cancelled for lack of stock",
        run: |stage| Box::pin(saga::run(stage)),
    },
    Checkpoint {
        number: 2,
        name: "cqrs",
        claim: "MyPage has the whole of order, cook and delivery, and answers while these three are away",
        run: |stage| Box::pin(cqrs::run(stage)),
    },
    Checkpoint {
        number: 3,
        name: "correlation",
        claim: "one order's events share its id, its key and its trace across the topics",
        run: |stage| Box::pin(correlation::run(stage)),
    },
    Checkpoint {
        number: 4,
        name: "request-response",
        claim: "cancelling asks cook and waits: both change or neither does, and without cook nothing changes",
        run: |stage| Box::pin(request_response::run(stage)),
    },
    Checkpoint {
        number: 5,
        name: "gateway",
        claim: "all paths by one address; the way for cancellations between services is closed to everybody else",
        run: |stage| Box::pin(gateway::run(stage)),
    },
    Checkpoint {
        number: 6,
        name: "pipeline",
        claim: "from a change through test, static build, images, registry and the tag in the spec to the new version's answer",
        run: |stage| Box::pin(pipeline::run(stage)),
    },
    Checkpoint {
        number: 7,
        name: "breaker",
        claim: "a pod of order that fails is cut off within the breaker's interval and a second; with a pod left nobody notices",
        run: |stage| Box::pin(breaker::run(stage)),
    },
    Checkpoint {
        number: 8,
        name: "autoscaling",
        claim: "order grows from 3 to 5 pods under load and goes back to 3 after it, without a failed request",
        run: |stage| Box::pin(autoscaling::run(stage)),
    },
    Checkpoint {
        number: 9,
        name: "deploy",
        claim: "all five services go to a new tag and back under load without a failed request",
        run: |stage| Box::pin(deploy::run(stage)),
    },
    Checkpoint {
        number: 10,
        name: "volume",
        claim: "log files of all pods lie on the shared claim, outlive the pods and stay within their bound; a full disk fails nothing",
        run: |stage| Box::pin(volume::run(stage)),
    },
    Checkpoint {
        number: 11,
        name: "config",
        claim: "a change of a service's settings reaches its pods by a rolling restart without a failed request",
        run: |stage| Box::pin(config::run(stage)),
    },
    Checkpoint {
        number: 12,
        name: "healing",
        claim: "deleted pods, processes that die or hang, and a restarted container runtime are back by themselves, no order is lost",
        run: |stage| Box::pin(healing::run(stage)),
    },
    Checkpoint {
        number: 13,
        name: "isolation",
        claim: "orders are taken while order, cook, delivery or Kafka is away, and done once it is back; without PostgreSQL nobody is lied to",
        run: |stage| Box::pin(isolation::run(stage)),
    },
    Checkpoint {
        number: 14,
        name: "drift",
        claim: "every kind of child that is edited or deleted by hand is restored, without a failed request",
        run: |stage| Box::pin(drift::run(stage)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checkpoint_has_a_number_and_a_name_of_its_own() {
        let numbers: Vec<_> = ALL.iter().map(|checkpoint| checkpoint.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        let mut names: Vec<_> = ALL.iter().map(|checkpoint| checkpoint.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
