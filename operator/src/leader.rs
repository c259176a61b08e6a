//! Only one of several operators reconciles: the one that holds the Lease.
//!
//! The protocol is that of client-go's `tools/leaderelection`: every write of the Lease names the version that was read,
//! and who stands by goes by when it saw the Lease change, so that clocks need not agree. Besides, [`Fence`] keeps a
//! leader that was paused, or cut off, from writing beside the next one.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::fence::Fence;

/// Unchanged for so long, the Lease is anybody's.
pub(crate) const DURATION: Duration = Duration::from_secs(9);
/// For so long after it asked for its last renewal a leader may write. The rest of [`DURATION`] is for requests that are
/// under way.
const VALIDITY: Duration = Duration::from_secs(7);
/// Between two renewals, and two looks of who stands by.
const PERIOD: Duration = Duration::from_secs(2);
/// For one look or renewal.
const ATTEMPT: Duration = Duration::from_secs(3);

/// One who stands for election.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    fence: Fence,
    seen: Option<Seen>,
}

/// What the Lease said, and since when it has said so.
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

/// How an attempt to take or to keep the Lease went.
#[derive(Debug, PartialEq)]
enum Attempt {
    Ours,
    /// The other's name.
    Anothers(String),
}

impl Election {
    /// Stands for election under `identity`, which no other process may have. `client` must not be behind the fence.
    pub fn new(client: Client, namespace: &str, lease: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: lease.to_owned(),
            identity: identity.to_owned(),
            fence: Fence::default(),
            seen: None,
        }
    }

    /// Lets writes through only while this process leads.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Resolves when this process leads.
    pub async fn won(mut self) -> Leadership {
        info!(lease = self.name, "waiting to lead");
        let mut leader = None;
        loop {
            match self.attempt().await {
                Ok(Attempt::Ours) => break,
                Ok(Attempt::Anothers(other)) => {
                    if leader.as_ref() != Some(&other) {
                        info!(leader = other, "another operator leads");
                    }
                    leader = Some(other);
                }
                Err(error) => warn!(lease = self.name, %error, "the Lease can't be had; trying again"),
            }
            sleep(PERIOD).await;
        }
        info!(lease = self.name, "leading");
        let (api, name, identity) = (self.api.clone(), self.name.clone(), self.identity.clone());
        let fence = self.fence();
        // A task of its own: reconciliations that keep their task busy are no reason to lose the lease.
        Leadership { renewal: AbortOnDropHandle::new(tokio::spawn(self.keep())), api, name, identity, fence }
    }

    /// Renews the Lease until it can't be, or somebody else has it.
    async fn keep(mut self) {
        loop {
            sleep(PERIOD).await;
            match self.attempt().await {
                Ok(Attempt::Ours) => debug!("renewed the Lease"),
                Ok(Attempt::Anothers(other)) => {
                    warn!(leader = other, "another operator leads");
                    return;
                }
                Err(error) => warn!(lease = self.name, %error, "the Lease can't be renewed; trying again"),
            }
            if !self.fence.is_open(Instant::now()) {
                return;
            }
        }
    }

    async fn attempt(&mut self) -> Result<Attempt, AttemptError> {
        timeout(ATTEMPT, self.try_to_hold()).await.map_err(|_| AttemptError::TimedOut)?
    }

    async fn try_to_hold(&mut self) -> Result<Attempt, AttemptError> {
        let asked = Instant::now();
        let parameters = PostParams::default();
        let Some(live) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
            let lease = Lease { metadata, spec: Some(self.claim(&LeaseSpec::default())) };
            return self.taken(asked, self.api.create(&parameters, &lease).await);
        };
        let spec = live.spec.clone().unwrap_or_default();
        if let Some(other) = self.holder(&spec, asked) {
            return Ok(Attempt::Anothers(other));
        }
        // Of several who read the same version one is first, and the others are refused.
        let lease = Lease { metadata: live.metadata, spec: Some(self.claim(&spec)) };
        self.taken(asked, self.api.replace(&self.name, &parameters, &lease).await)
    }

    fn taken(&self, asked: Instant, answer: Result<Lease, kube::Error>) -> Result<Attempt, AttemptError> {
        match answer {
            Ok(_) => {
                self.fence.open_until(asked + VALIDITY);
                Ok(Attempt::Ours)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who else holds the Lease, as far as can be told from here.
    fn holder(&mut self, spec: &LeaseSpec, now: Instant) -> Option<String> {
        let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty() && *holder != self.identity);
        let seen = match self.seen.take() {
            Some(seen) if seen.spec == *spec => seen,
            _ => Seen { spec: spec.clone(), since: now },
        };
        let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let is_over = now.duration_since(seen.since) >= duration.map_or(DURATION, Duration::from_secs);
        self.seen = Some(seen);
        holder.filter(|_| !is_over)
    }

    /// What the Lease says when it is ours, after it has said `before`.
    fn claim(&self, before: &LeaseSpec) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let is_ours = before.holder_identity.as_ref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time.clone() } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
            ..Default::default()
        }
    }
}

/// Why it isn't known whose the Lease is.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{0}")]
    Refused(#[from] kube::Error),
    #[error("no answer within {} s", ATTEMPT.as_secs())]
    TimedOut,
}

/// The time as the leader.
pub struct Leadership {
    renewal: AbortOnDropHandle<()>,
    api: Api<Lease>,
    name: String,
    identity: String,
    fence: Fence,
}

impl Leadership {
    /// Resolves when this process leads no more.
    pub async fn lost(&mut self) {
        // A renewal that broke off is a lost lease, too.
        let _ = (&mut self.renewal).await;
    }

    /// Gives the Lease back, so that another one takes over at its next look.
    pub async fn resign(self) {
        self.renewal.abort();
        // What is still under way must not write beside the next one.
        self.fence.close();
        let given_back = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
            else {
                return Ok(());
            };
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
        };
        match timeout(ATTEMPT, given_back).await {
            Ok(Ok(())) => info!(lease = self.name, "gave the Lease back"),
            Ok(Err(error)) => {
                warn!(lease = self.name, %error, "the Lease could not be given back; it runs out by itself")
            }
            Err(_) => warn!(lease = self.name, "the Lease could not be given back in time; it runs out by itself"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    fn election() -> Election {
        let nobody = tower::service_fn(|_: Request<Body>| {
            std::future::ready(Ok::<_, tower::BoxError>(Response::new(Body::empty())))
        });
        Election::new(Client::new(nobody, "food"), "food", "lease", "me")
    }

    fn held_by(holder: &str, second: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(10),
            renew_time: Some(MicroTime(Timestamp::from_second(second).unwrap())),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_lease_is_anybodys_when_it_has_not_changed_for_its_duration() {
        let mut election = election();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        // What its times say is another clock's.
        assert_eq!(election.holder(&held_by("you", 0), start).as_deref(), Some("you"));
        assert_eq!(election.holder(&held_by("you", 0), after(9)).as_deref(), Some("you"));
        assert_eq!(election.holder(&held_by("you", 9), after(10)).as_deref(), Some("you"), "renewed");
        assert_eq!(election.holder(&held_by("you", 9), after(19)).as_deref(), Some("you"));
        assert_eq!(election.holder(&held_by("you", 9), after(20)), None);
    }

    #[tokio::test]
    async fn a_lease_that_is_ours_or_nobodys_can_be_had_at_once() {
        for free in [held_by("me", 0), held_by("", 0), LeaseSpec::default()] {
            assert_eq!(election().holder(&free, Instant::now()), None);
        }
    }

    #[tokio::test]
    async fn only_a_change_of_the_holder_counts_as_a_transition() {
        let election = election();
        let claimed = election.claim(&held_by("you", 0));
        assert_eq!((claimed.holder_identity.as_deref(), claimed.lease_transitions), (Some("me"), Some(1)));
        let renewed = election.claim(&claimed);
        assert_eq!((&renewed.acquire_time, renewed.lease_transitions), (&claimed.acquire_time, Some(1)));
    }
}
