//! Checks a platform's invariants: waits until it is at rest, reads the owners' APIs, and says what it found.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser};
use tests::{
    api::Api,
    database::Database,
    invariants::{Owners, Quiet, Told, check, dead_letters, read},
    kafka::Kafka,
    process::Service,
};

/// Checks the invariants I1 to I6 of a platform; exits with 1 when one is broken
#[derive(Parser)]
#[command(name = "invariants")]
struct Arguments {
    /// The order service, http://HOST:PORT
    #[arg(long)]
    order: String,
    /// The cook service
    #[arg(long)]
    cook: String,
    /// The delivery service
    #[arg(long)]
    delivery: String,
    /// The mypage service
    #[arg(long)]
    mypage: String,
    /// What callers were told, as JSON: {"accepted": {ORDER: "PLACED" or "DEFERRED"}, "cancelled": [ORDER], "refused":
    /// [ORDER], "restocks": [{"menuId", "key", "quantity"}]}. Without it an order that is lost altogether is not missed
    #[arg(long, value_name = "FILE")]
    told: Option<PathBuf>,
    /// How many seconds the platform has to come to rest
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    #[command(flatten)]
    servers: Option<Servers>,
}

/// What tells whether the platform is at rest. Without it, it is taken to be, and dead letters are not looked at.
#[derive(Args)]
#[group(requires_all = ["kafka", "database", "groups", "schemas"])]
struct Servers {
    /// Kafka's bootstrap servers
    #[arg(long, required = false)]
    kafka: String,
    /// What the topics' names begin with
    #[arg(long, default_value = "")]
    prefix: String,
    /// The consumer groups, with {} for the service, for instance food.quickstart.{}
    #[arg(long, required = false)]
    groups: String,
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, required = false, env = "DATABASE_URL", hide_env_values = true)]
    database: String,
    /// The schemas, with {} for the service, for instance food__quickstart__{}
    #[arg(long, required = false)]
    schemas: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all invariants hold.
async fn run(arguments: Arguments) -> Result<bool, String> {
    let told = match &arguments.told {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Told::default(),
    };
    let api = |url: &str| Api::new(url.trim_end_matches('/'));
    let owners = Owners {
        order: api(&arguments.order),
        cook: api(&arguments.cook),
        delivery: api(&arguments.delivery),
        mypage: api(&arguments.mypage),
    };
    let mut letters = vec![];
    if let Some(servers) = arguments.servers {
        let by_service = |pattern: &str| -> BTreeMap<_, _> {
            Service::ALL.iter().map(|service| (*service, pattern.replace("{}", service.name()))).collect()
        };
        let quiet = Quiet {
            owners: owners.clone(),
            kafka: Kafka::new(servers.kafka),
            prefix: servers.prefix,
            groups: by_service(&servers.groups),
            database: Database::new(servers.database),
            schemas: by_service(&servers.schemas),
        };
        let took = quiet.wait(Duration::from_secs(arguments.wait)).await?;
        println!("at rest after {:.1} s", took.as_secs_f64());
        letters = dead_letters(&quiet.kafka, &quiet.prefix);
    }
    let mut world = read(&owners, told).await?;
    world.dead_letters = letters;
    let report = check(&world);
    print!("{report}");
    Ok(report.holds())
}
