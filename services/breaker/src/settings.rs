//! What can be set.

use std::time::Duration;

/// The limits of one upstream, in Envoy's words and with Envoy's meanings.
///
/// "Envoy's default" is what Envoy does when nothing is set; [`Settings::DEFAULT`] is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many requests may wait for a connection, over all endpoints together. HTTP/1.1 carries one request per
    /// connection at a time, so a request waits whenever no connection is idle, until a new one is made or another
    /// request's one becomes free. One more is refused. With 0 every request that finds no idle connection is.
    ///
    /// Envoy's default: 1024, and so is ours. Source:
    /// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking>.
    pub max_pending_requests: u32,
    /// How many requests one connection carries before it is closed; 0 is no limit, 1 is no keep-alive.
    ///
    /// Envoy's default: no limit, and so is ours: load spreads by the choice of an endpoint for each request, not by
    /// new connections. Source: `max_requests_per_connection` in
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto>.
    pub max_requests_per_connection: u32,
    /// How many failures of an endpoint in a row eject it; 0 is never. A failure is an answer of 500 to 599, a
    /// connection that cannot be made, a time-out or a broken connection; any other answer ends the row.
    ///
    /// Envoy's default: 5, and so is ours. Source: "Consecutive 5xx" in
    /// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>.
    pub consecutive_5xx_errors: u32,
    /// How often the ejected are looked at: only then do they come back, and only then is a well endpoint's multiplier
    /// (see [`Self::base_ejection_time`]) counted down. More than 0.
    ///
    /// Envoy's default: 10 s. Ours: 1 s, which costs next to nothing with tens of endpoints, and an ejection lasts as
    /// long as it should and not up to 10 s more. Source: `interval` in
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto>.
    pub interval: Duration,
    /// How long an ejection lasts, times the number of ejections in a row, up to Envoy's `max_ejection_time` in its
    /// default: 300 s or this, whichever is more. More than 0.
    ///
    /// Envoy's default: 30 s. Ours: 5 s. Pods share a database; when that is away for a second, all of them fail and
    /// all are ejected, and the platform should not be away for half a minute because of it. A pod that stays ill is
    /// ejected for 10 s next, then for 15 s. Source: "Ejection algorithm" in
    /// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>.
    pub base_ejection_time: Duration,
    /// How many of the endpoints may be ejected at once, in percent: 0 to 100. One is ejected only if the ejected,
    /// itself among them, are then no more than this. So 50 of 3 is 1, and less than 100 of 1 is 0: Envoy ejected at
    /// least one whatever the percentage until 1.30, and does so since then only where `always_eject_one_host` is set,
    /// which it is not by default and not by Istio.
    ///
    /// Envoy's default: 10, with which a service of fewer than ten pods never loses one. Ours: 100, so that the breaker
    /// works for a single pod, and a service all of whose pods are ill is left in peace. Source: pull requests
    /// [27624](https://github.com/envoyproxy/envoy/pull/27624),
    /// [27909](https://github.com/envoyproxy/envoy/pull/27909) and
    /// [34796](https://github.com/envoyproxy/envoy/pull/34796).
    pub max_ejection_percent: u8,
}

impl Settings {
    /// What is used where nothing is set; each field says why.
    pub const DEFAULT: Self = Self {
        max_pending_requests: 1024,
        max_requests_per_connection: 0,
        consecutive_5xx_errors: 5,
        interval: Duration::from_secs(1),
        base_ejection_time: Duration::from_secs(5),
        max_ejection_percent: 100,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How long things with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Making a connection to one endpoint. (When it fails another endpoint may be tried, within the other limit.)
    pub connect: Duration,
    /// From the request to the answer's head. Bodies have no limit: event streams last.
    pub response: Duration,
}

/// The longest duration that can be set.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a duration such as `500ms`: more than 0, as Envoy demands of the interval and the ejection time, and a day at
/// most.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() || duration > LONGEST => Err("it must be between 0 and a day".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes a struct of clap's arguments for the [`Settings`] of one upstream: the flags start with the first word, the
/// variables with the second. The caller's crate depends on clap.
///
/// ```
/// breaker::arguments! {
///     /// The breaker between us and the order service.
///     pub struct OrderBreaker: "order", "ORDER"
/// }
/// ```
#[macro_export]
macro_rules! arguments {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident: $flag:literal, $variable:literal) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, clap::Args)]
        $visibility struct $name {
            /// How many requests to it may wait for a connection.
            #[arg(id = concat!($variable, "_MAX_PENDING_REQUESTS"), long = concat!($flag, "-max-pending-requests"),
                  env = concat!($variable, "_MAX_PENDING_REQUESTS"),
                  value_name = concat!($variable, "_MAX_PENDING_REQUESTS"),
                  default_value_t = $crate::Settings::DEFAULT.max_pending_requests)]
            max_pending_requests: u32,
            /// How many requests one connection to it carries; 0 is no limit.
            #[arg(id = concat!($variable, "_MAX_REQUESTS_PER_CONNECTION"),
                  long = concat!($flag, "-max-requests-per-connection"),
                  env = concat!($variable, "_MAX_REQUESTS_PER_CONNECTION"),
                  value_name = concat!($variable, "_MAX_REQUESTS_PER_CONNECTION"),
                  default_value_t = $crate::Settings::DEFAULT.max_requests_per_connection)]
            max_requests_per_connection: u32,
            /// How many failures in a row eject an endpoint of it; 0 is never.
            #[arg(id = concat!($variable, "_CONSECUTIVE_5XX_ERRORS"), long = concat!($flag, "-consecutive-5xx-errors"),
                  env = concat!($variable, "_CONSECUTIVE_5XX_ERRORS"),
                  value_name = concat!($variable, "_CONSECUTIVE_5XX_ERRORS"),
                  default_value_t = $crate::Settings::DEFAULT.consecutive_5xx_errors)]
            consecutive_5xx_errors: u32,
            /// How often its ejected endpoints are looked at.
            #[arg(id = concat!($variable, "_INTERVAL"), long = concat!($flag, "-interval"),
                  env = concat!($variable, "_INTERVAL"), value_name = concat!($variable, "_INTERVAL"),
                  default_value = "1s", value_parser = $crate::positive_duration)]
            interval: std::time::Duration,
            /// How long its endpoints are ejected, times the ejections in a row.
            #[arg(id = concat!($variable, "_BASE_EJECTION_TIME"), long = concat!($flag, "-base-ejection-time"),
                  env = concat!($variable, "_BASE_EJECTION_TIME"),
                  value_name = concat!($variable, "_BASE_EJECTION_TIME"),
                  default_value = "5s", value_parser = $crate::positive_duration)]
            base_ejection_time: std::time::Duration,
            /// How many percent of its endpoints may be ejected.
            #[arg(id = concat!($variable, "_MAX_EJECTION_PERCENT"), long = concat!($flag, "-max-ejection-percent"),
                  env = concat!($variable, "_MAX_EJECTION_PERCENT"),
                  value_name = concat!($variable, "_MAX_EJECTION_PERCENT"),
                  default_value_t = $crate::Settings::DEFAULT.max_ejection_percent,
                  value_parser = clap::value_parser!(u8).range(..=100))]
            max_ejection_percent: u8,
        }

        impl From<$name> for $crate::Settings {
            fn from(arguments: $name) -> Self {
                Self {
                    max_pending_requests: arguments.max_pending_requests,
                    max_requests_per_connection: arguments.max_requests_per_connection,
                    consecutive_5xx_errors: arguments.consecutive_5xx_errors,
                    interval: arguments.interval,
                    base_ejection_time: arguments.base_ejection_time,
                    max_ejection_percent: arguments.max_ejection_percent,
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    crate::arguments! { struct OfCook: "cook", "BREAKER_TEST_COOK" }
    crate::arguments! { struct OfOrder: "order", "BREAKER_TEST_ORDER" }

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        cook: OfCook,
        #[command(flatten)]
        order: OfOrder,
    }

    #[test]
    fn each_upstream_has_arguments_of_its_own_and_the_defaults_without_any() {
        let program = Program::try_parse_from(["program", "--cook-interval", "2s", "--order-max-ejection-percent=34"]);
        let program = program.unwrap();
        let cook = Settings { interval: Duration::from_secs(2), ..Settings::DEFAULT };
        assert_eq!(Settings::from(program.cook), cook);
        assert_eq!(Settings::from(program.order), Settings { max_ejection_percent: 34, ..Settings::DEFAULT });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "--cook-interval=0s",
            "--cook-interval=25h",
            "--cook-base-ejection-time=0s",
            "--cook-max-ejection-percent=101",
        ] {
            assert!(Program::try_parse_from(["program", wrong]).is_err(), "{wrong}");
        }
    }
}
