//! Who is ejected. Pure: the time is an argument.
//!
//! This is Envoy's outlier detection by consecutive 5xx, as `DetectorImpl` in
//! <https://github.com/envoyproxy/envoy/blob/main/source/common/upstream/outlier_detection_impl.cc> does it and
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier> describes it. Where the two
//! differ in precision the source is followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::Instant;

use crate::Settings;

/// The default of Envoy's `max_ejection_time`, which a longer base ejection time replaces.
const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

/// What came of a request, as far as the endpoint's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer below 500.
    Success,
    /// An answer from 500 on, no connection, a time-out or a broken connection.
    Failure,
}

/// What an outcome has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Unchanged,
    /// The endpoint is ejected, for this long at least.
    Ejected(Duration),
    /// It would be ejected if not too many were. It has to fail as often again.
    Spared,
}

/// The endpoints' health.
#[derive(Debug)]
pub(crate) struct Detector {
    settings: Settings,
    hosts: BTreeMap<SocketAddr, Host>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Host {
    /// Failures since the last success, ejection (also one that was not allowed) or return.
    failures: u32,
    /// How many base ejection times the last ejection lasts: ejections in a row, counted down while it is well.
    multiplier: u32,
    /// Since when it is ejected.
    ejected: Option<Instant>,
    /// When it came back last.
    returned: Option<Instant>,
}

impl Detector {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, hosts: BTreeMap::new() }
    }

    /// Takes in which endpoints there are. One that is gone is forgotten with its ejection, and does not count any more
    /// for the percentage; one that comes (also again) starts well.
    pub(crate) fn follow(&mut self, endpoints: &BTreeSet<SocketAddr>) {
        self.hosts.retain(|address, _| endpoints.contains(address));
        for address in endpoints {
            self.hosts.entry(*address).or_default();
        }
    }

    /// Takes in what came of a request. Ejection happens here, at once, not at the sweep.
    pub(crate) fn report(&mut self, address: SocketAddr, outcome: Outcome, now: Instant) -> Verdict {
        let (settings, may_eject) = (self.settings, self.may_eject_one_more());
        let Some(host) = self.hosts.get_mut(&address) else { return Verdict::Unchanged };
        if outcome == Outcome::Success {
            host.failures = 0;
            return Verdict::Unchanged;
        }
        host.failures = host.failures.saturating_add(1);
        // Requests that were under way go on failing after the ejection: that changes nothing.
        if host.failures != settings.consecutive_5xx_errors || host.ejected.is_some() {
            return Verdict::Unchanged;
        }
        host.failures = 0;
        if !may_eject {
            return Verdict::Spared;
        }
        host.ejected = Some(now);
        // It stops growing once the ejection time cannot any more, so that it does not take for ever to count down.
        let longest = longest_ejection(settings);
        if settings.base_ejection_time.saturating_mul(host.multiplier)
            < longest.saturating_add(settings.base_ejection_time)
        {
            host.multiplier += 1;
        }
        Verdict::Ejected(ejection_time(settings, host.multiplier))
    }

    /// Brings back those whose time is over, and counts down the multiplier of those that have been back for an
    /// interval. To be called once per interval; gives those that come back.
    pub(crate) fn sweep(&mut self, now: Instant) -> Vec<SocketAddr> {
        let (settings, mut back) = (self.settings, vec![]);
        for (address, host) in &mut self.hosts {
            match host.ejected {
                Some(since) if now.duration_since(since) >= ejection_time(settings, host.multiplier) => {
                    *host = Host { multiplier: host.multiplier, returned: Some(now), ..Host::default() };
                    back.push(*address);
                }
                Some(_) => {}
                None if host.returned.is_some_and(|at| now.duration_since(at) >= settings.interval) => {
                    host.multiplier = host.multiplier.saturating_sub(1);
                }
                None => {}
            }
        }
        back
    }

    /// Whether an endpoint is ejected; false for one that is not known.
    pub(crate) fn is_ejected(&self, address: SocketAddr) -> bool {
        self.hosts.get(&address).is_some_and(|host| host.ejected.is_some())
    }

    /// How many are ejected.
    pub(crate) fn ejected(&self) -> usize {
        self.hosts.values().filter(|host| host.ejected.is_some()).count()
    }

    /// Whether the ejected, with one more, are no more than the percentage of all. Envoy computes
    /// `100.0 * (ejected + 1) / all <= percent`; whole numbers say the same without rounding.
    fn may_eject_one_more(&self) -> bool {
        100 * (self.ejected() + 1) <= usize::from(self.settings.max_ejection_percent.min(100)) * self.hosts.len()
    }
}

fn longest_ejection(settings: Settings) -> Duration {
    MAX_EJECTION_TIME.max(settings.base_ejection_time)
}

fn ejection_time(settings: Settings, multiplier: u32) -> Duration {
    settings.base_ejection_time.saturating_mul(multiplier).min(longest_ejection(settings))
}

#[cfg(test)]
mod tests;
