//! Settings from the environment, read by clap: a missing or wrong one is named, with what is expected, and
//! `SERVICE serve --help` lists them all.

mod kafka;

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use rand::Rng;

pub use kafka::{KafkaSecurity, KafkaSettings, SaslMechanism};

/// What every service needs to serve.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs, reason = "the groups are documented on their types")]
pub struct ServeSettings {
    #[command(flatten)]
    pub logs: LogSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Where the public API listens.
    #[arg(long, env = "HTTP_ADDRESS", value_name = "HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// Where probes and metrics listen.
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADMIN_ADDRESS", default_value = "0.0.0.0:9090")]
    pub admin_address: SocketAddr,
    /// How long a stop may take, from the signal to the exit, for example "20s".
    #[arg(long, env = "DRAIN_TIMEOUT", value_name = "DRAIN_TIMEOUT", default_value = "20s",
          value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
}

/// What is logged, and where.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// What to log: a level, or directives such as "info,sqlx=debug".
    #[arg(long, env = "LOG_LEVEL", value_name = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// The directory of log files; without it logs go to standard output alone.
    #[arg(long, env = "LOG_DIR", value_name = "LOG_DIR")]
    pub log_dir: Option<PathBuf>,
    /// How many files the directory may hold, those of other pods included.
    #[arg(long, env = "LOG_MAX_FILES", value_name = "LOG_MAX_FILES", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub log_max_files: u32,
    /// How many bytes the directory's files may hold together.
    #[arg(long, env = "LOG_MAX_TOTAL_SIZE", value_name = "LOG_MAX_TOTAL_SIZE", default_value_t = 100 * 1024 * 1024,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub log_max_total_size: u64,
    /// This pod's name: names the log files and the holder of leases. Default: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "POD_NAME")]
    pub pod_name: Option<String>,
}

impl LogSettings {
    /// Warnings and errors alone, to standard output alone.
    pub(crate) fn quiet() -> Self {
        Self { log_level: "warn".to_owned(), log_dir: None, log_max_files: 1, log_max_total_size: 1, pod_name: None }
    }

    /// The pod's name, else the host's name, else the process id.
    pub fn pod_name(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
        let name = self.pod_name.clone().or_else(host).filter(|name| !name.is_empty());
        // It becomes part of a file's name.
        name.unwrap_or_else(|| std::process::id().to_string()).replace('/', "_")
    }
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// So long.
    For(Duration),
    /// For ever.
    Forever,
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let duration = humantime::parse_duration(text);
        duration.map(Self::For).map_err(|error| format!("expected \"10days\" or \"forever\": {error}"))
    }
}

/// The PostgreSQL database, and this service's schema in it. A service without one leaves both unset.
#[derive(Clone, Args)]
pub struct DatabaseSettings {
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=… (sslmode decides about TLS).
    #[arg(long, env = "DATABASE_URL", value_name = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The certificates (PEM) of who vouches for the database's server. With it TLS is always used, and the server has to
    /// be the one that DATABASE_URL names (sslmode=verify-full), unless that says sslmode=verify-ca.
    #[arg(long, env = "DATABASE_CA_FILE", value_name = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<PathBuf>,
    /// The schema of the service's tables: at most 63 characters of a-z, 0-9 and "_".
    #[arg(long, env = "DATABASE_SCHEMA", value_name = "DATABASE_SCHEMA", value_parser = schema_name)]
    pub database_schema: Option<String>,
    /// The most connections that this process opens.
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", value_name = "DATABASE_MAX_CONNECTIONS", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(2..))]
    pub database_max_connections: u32,
}

impl fmt::Debug for DatabaseSettings {
    /// Leaves the URL out, for it holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings").field("database_schema", &self.database_schema).finish_non_exhaustive()
    }
}

fn schema_name(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if (1..=63).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err("expected 1 to 63 characters of a-z, 0-9 and \"_\"".to_owned())
}

/// How long work takes that finishes by itself, or that it does not: `"1s..3s"`, `"0s"` or `"manual"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It finishes when someone says so.
    Manual,
    /// It finishes after a time between the two, both included.
    Between(Duration, Duration),
}

impl Timing {
    /// The longest time that makes sense; with it, no date overflows.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// A time out of the range, each with the same chance; `None` when manual.
    pub fn draw(self) -> Option<Duration> {
        match self {
            Self::Manual => None,
            Self::Between(least, most) => Some(rand::rng().random_range(least..=most)),
        }
    }
}

impl FromStr for Timing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "manual" {
            return Ok(Self::Manual);
        }
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let parse = |part: &str| {
            humantime::parse_duration(part.trim())
                .map_err(|error| format!("expected \"1s..3s\", \"2s\" or \"manual\": {error}"))
        };
        let (least, most) = (parse(least)?, parse(most)?);
        if least > most {
            return Err("expected the shorter time first, as in \"1s..3s\"".to_owned());
        }
        if most > Self::LONGEST {
            return Err("expected at most 366 days".to_owned());
        }
        Ok(Self::Between(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timing_is_a_range_a_time_or_manual() {
        let seconds = Duration::from_secs;
        assert_eq!("1s..3s".parse(), Ok(Timing::Between(seconds(1), seconds(3))));
        assert_eq!("0s".parse(), Ok(Timing::Between(seconds(0), seconds(0))));
        assert_eq!("manual".parse(), Ok(Timing::Manual));
        for wrong in ["", "soon", "3s..1s", "1s..", "1", "400days"] {
            assert!(wrong.parse::<Timing>().unwrap_err().starts_with("expected"), "{wrong}");
        }
    }

    #[test]
    fn a_drawn_time_lies_in_the_range() {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(3));
        for _ in 0..100 {
            let drawn = Timing::Between(least, most).draw().unwrap();
            assert!(drawn >= least && drawn <= most);
        }
        assert_eq!(Timing::Manual.draw(), None);
    }

    #[test]
    fn a_schema_name_needs_no_quotes() {
        assert!(schema_name("food_quickstart_order").is_ok());
        for wrong in ["", "Food", "a-b", "a\"b", &"x".repeat(64)] {
            assert!(schema_name(wrong).is_err(), "{wrong}");
        }
    }
}
