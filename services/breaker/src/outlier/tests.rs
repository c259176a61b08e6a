//! The detector against what Envoy's documentation says, on a clock that stands still but for the steps.

use tokio::time::{advance, pause};

use super::*;

/// Envoy's defaults, but for the percentage: rows say theirs.
const ENVOY: Settings = Settings {
    interval: Duration::from_secs(10),
    base_ejection_time: Duration::from_secs(30),
    max_ejection_percent: 100,
    ..Settings::DEFAULT
};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many requests to this endpoint fail.
    Fail(u16, u32),
    /// A request to this endpoint succeeds.
    Succeed(u16),
    /// So many seconds pass; the sweeps that are due happen.
    Pass(u64),
    /// These are the endpoints from now on.
    Follow(&'static [u16]),
    /// These are ejected.
    Ejected(&'static [u16]),
    /// So often in a row: endpoint 1 fails until it is ejected, and comes back.
    Relapse(u32),
    /// Endpoint 1 is ejected, comes back after so many seconds, and not ten before.
    LastsAbout(u64),
}
use Step::{Ejected, Fail, Follow, LastsAbout, Pass, Relapse, Succeed};

struct Row {
    /// The section of the documentation, and what it says.
    claim: &'static str,
    settings: Settings,
    steps: &'static [Step],
}

const TABLE: &[Row] = &[
    Row {
        claim: "outlier.rst, Consecutive 5xx: a host that returns some number of errors in a row is ejected; \
                Ejection algorithm: inline, not at the interval",
        settings: ENVOY,
        steps: &[Fail(1, 4), Ejected(&[]), Fail(1, 1), Ejected(&[1])],
    },
    Row {
        claim: "outlier.rst, Consecutive 5xx: a success ends the row (putHttpResponseCode)",
        settings: ENVOY,
        steps: &[Fail(1, 4), Succeed(1), Fail(1, 4), Ejected(&[]), Fail(1, 1), Ejected(&[1])],
    },
    Row {
        claim: "outlier.rst, Consecutive 5xx: each host is counted for itself",
        settings: ENVOY,
        steps: &[Fail(1, 4), Fail(2, 4), Succeed(3), Fail(3, 4), Ejected(&[]), Fail(2, 1), Ejected(&[2])],
    },
    Row {
        claim: "outlier_detection.proto, consecutive_5xx: 0 is never (the counter equals it never)",
        settings: Settings { consecutive_5xx_errors: 0, ..ENVOY },
        steps: &[Fail(1, 1000), Ejected(&[])],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 4: brought back after the ejection time has been satisfied; \
                outlier_detection.proto, interval: sweeps return hosts to service",
        // Sweeps are at 10, 20, 30, 40; 30 s are over at 35.
        settings: ENVOY,
        steps: &[Pass(5), Fail(1, 5), Pass(34), Ejected(&[1]), Pass(1), Ejected(&[])],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 3: base_ejection_time times the ejections in a row",
        settings: ENVOY,
        steps: &[
            Fail(1, 5),
            LastsAbout(30),
            Fail(1, 5),
            LastsAbout(60),
            Fail(1, 5),
            LastsAbout(90),
            Fail(1, 5),
            LastsAbout(120),
        ],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 3: at max_ejection_time (300 s) it does not increase any more",
        settings: Settings { base_ejection_time: Duration::from_secs(200), ..ENVOY },
        steps: &[Fail(1, 5), LastsAbout(200), Fail(1, 5), LastsAbout(300), Fail(1, 5), LastsAbout(300)],
    },
    Row {
        claim: "outlier_detection.proto, max_ejection_time: 300 s or base_ejection_time, whatever is larger",
        settings: Settings { base_ejection_time: Duration::from_secs(400), ..ENVOY },
        steps: &[Fail(1, 5), LastsAbout(400), Fail(1, 5), LastsAbout(400)],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 3: if the host is healthy during the check, the multiplier is \
                decremented",
        // After two ejections the multiplier is 2; ten seconds later it is 1, so the next one is the second again.
        settings: ENVOY,
        steps: &[Relapse(2), Pass(10), Fail(1, 5), LastsAbout(60), Pass(20), Fail(1, 5), LastsAbout(30)],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 3: it takes about max_ejection_time / base_ejection_time * interval \
                to bring the time down to the minimum, however often it was ejected",
        // 300 / 30 sweeps, and one for the multiplier's last step (ejectHost grows it below max + base).
        settings: ENVOY,
        steps: &[Relapse(30), Pass(110), Fail(1, 5), LastsAbout(30)],
    },
    Row {
        claim: "outlier_detection_impl.cc, unejectHost: the counter is reset, whatever failed meanwhile",
        settings: ENVOY,
        steps: &[Fail(1, 12), LastsAbout(30), Fail(1, 4), Ejected(&[]), Fail(1, 1), Ejected(&[1])],
    },
    Row {
        claim: "outlier.rst, Ejection algorithm, 2: above max_ejection_percent the host is not ejected; \
                onConsecutiveErrorWorker: then it has to fail as often again",
        settings: Settings { max_ejection_percent: 34, ..ENVOY },
        steps: &[
            Fail(1, 5),
            Fail(2, 5),
            Ejected(&[1]),
            Pass(30),
            Ejected(&[]),
            Fail(2, 4),
            Ejected(&[]),
            Fail(2, 1),
            Ejected(&[2]),
        ],
    },
    Row {
        claim: "outlier_detection_impl.cc, addMemberUpdateCb: a host that is removed is ejected no more, and makes \
                room for another",
        settings: Settings { max_ejection_percent: 50, ..ENVOY },
        steps: &[Fail(1, 5), Fail(2, 5), Ejected(&[1]), Follow(&[2, 3]), Ejected(&[]), Fail(2, 5), Ejected(&[2])],
    },
    Row {
        claim: "outlier_detection_impl.cc, addHostMonitor: a host that is added starts anew, also under an old address",
        settings: ENVOY,
        steps: &[
            Relapse(3),
            Fail(1, 5),
            Follow(&[2, 3]),
            Follow(&[1, 2, 3]),
            Ejected(&[]),
            Fail(1, 4),
            Ejected(&[]),
            Fail(1, 1),
            LastsAbout(30),
        ],
    },
    Row {
        claim: "outlier_detection_impl.cc, onConsecutiveErrorWorker: what is said of a removed host is ignored",
        settings: ENVOY,
        steps: &[Follow(&[2]), Fail(1, 5), Ejected(&[]), Follow(&[1, 2]), Ejected(&[])],
    },
    Row {
        claim: "panic_threshold.rst: with panic disabled (0, as Istio sets it) all hosts may be ejected",
        settings: ENVOY,
        steps: &[Fail(1, 5), Fail(2, 5), Fail(3, 5), Ejected(&[1, 2, 3])],
    },
];

struct Run {
    detector: Detector,
    settings: Settings,
    next_sweep: Instant,
}

fn endpoint(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], number))
}

fn endpoints(numbers: impl IntoIterator<Item = u16>) -> BTreeSet<SocketAddr> {
    numbers.into_iter().map(endpoint).collect()
}

impl Run {
    fn new(settings: Settings, hosts: u16) -> Self {
        let mut detector = Detector::new(settings);
        detector.follow(&endpoints(1..=hosts));
        Self { detector, settings, next_sweep: Instant::now() + settings.interval }
    }

    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while self.next_sweep <= end {
            advance(self.next_sweep - Instant::now()).await;
            self.detector.sweep(Instant::now());
            self.next_sweep += self.settings.interval;
        }
        advance(end - Instant::now()).await;
    }

    fn fail(&mut self, number: u16, times: u32) {
        for _ in 0..times {
            self.detector.report(endpoint(number), Outcome::Failure, Instant::now());
        }
    }

    fn ejected(&self) -> Vec<u16> {
        let ejected = self.detector.hosts.keys().filter(|address| self.detector.is_ejected(**address));
        ejected.map(SocketAddr::port).collect()
    }

    async fn step(&mut self, step: Step, claim: &str) {
        match step {
            Fail(number, times) => self.fail(number, times),
            Succeed(number) => {
                self.detector.report(endpoint(number), Outcome::Success, Instant::now());
            }
            Pass(seconds) => self.pass(Duration::from_secs(seconds)).await,
            Follow(numbers) => self.detector.follow(&endpoints(numbers.iter().copied())),
            Ejected(numbers) => assert_eq!(self.ejected(), numbers, "{claim}"),
            Relapse(times) => {
                for _ in 0..times {
                    self.fail(1, self.settings.consecutive_5xx_errors);
                    while self.detector.is_ejected(endpoint(1)) {
                        self.pass(self.settings.interval).await;
                    }
                }
            }
            LastsAbout(seconds) => {
                let interval = self.settings.interval;
                self.pass(Duration::from_secs(seconds) - interval).await;
                assert_eq!(self.ejected(), [1], "{claim}: {seconds} s");
                self.pass(interval).await;
                assert_eq!(self.ejected(), [0_u16; 0], "{claim}: {seconds} s");
            }
        }
    }
}

#[tokio::test]
async fn envoys_documentation_holds() {
    pause();
    for row in TABLE {
        let mut run = Run::new(row.settings, 3);
        for step in row.steps {
            run.step(*step, row.claim).await;
        }
    }
}

/// `outlier_detection.proto`, `max_ejection_percent`, as the source rounds it since pull requests 27624 and 27909.
#[tokio::test]
async fn the_percentage_is_never_exceeded() {
    for hosts in 1..=10 {
        for percent in 0..=100 {
            let mut run = Run::new(Settings { max_ejection_percent: percent, ..ENVOY }, hosts);
            for number in 1..=hosts {
                run.fail(number, 5);
            }
            // As Envoy computes it, in floating point.
            let allowed = (1..=hosts).filter(|n| 100.0 * f64::from(*n) / f64::from(hosts) <= f64::from(percent));
            assert_eq!(run.ejected().len(), allowed.count(), "{percent} % of {hosts}");
        }
    }
    // The examples of issues 26877 and 27066, and those on Envoy's default.
    for (percent, hosts, ejected) in
        [(50, 3, 1), (67, 3, 2), (66, 3, 1), (10, 9, 0), (10, 10, 1), (50, 1, 0), (99, 1, 0), (100, 1, 1)]
    {
        let mut run = Run::new(Settings { max_ejection_percent: percent, ..ENVOY }, hosts);
        (1..=hosts).for_each(|number| run.fail(number, 5));
        assert_eq!(run.ejected().len(), ejected, "{percent} % of {hosts}");
    }
}
