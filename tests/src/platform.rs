//! A whole platform of processes, one for each test: its own topics, schemas, consumer groups, ports and files, so
//! that tests run in any order and side by side, and leave nothing.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::Ipv4Addr, path::PathBuf, time::Duration};

use contract::Topic;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    api::{Api, fresh},
    database::Database,
    invariants::{Owners, Quiet},
    kafka::{Kafka, Record},
    process::{Plan, Process, Service, free_port},
    servers, wait,
};

/// How long a platform may take to end at the end of a test, before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// What order shows to cook at first.
pub const TOKEN: &str = "a-token-of-the-tests";

/// What a test asks of its platform.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `COOKING_TIME`: how long the kitchen takes, or `manual`.
    pub cooking_time: &'static str,
    /// `DELIVERY_TIME`: how long the courier takes, or `manual`.
    pub delivery_time: &'static str,
    /// More environment for every service.
    pub environment: Vec<(&'static str, String)>,
    /// How many processes of each service there are. With more than one they have addresses of their own behind one name,
    /// as pods have behind a headless Service; that takes root.
    pub replicas: u8,
    /// How many partitions each topic has.
    pub partitions: i32,
    /// The broker that all of them lie on; without one Kafka chooses.
    pub broker: Option<i32>,
    /// The directory in which each service gets one for its log files; without one it is the platform's own.
    pub logs: Option<PathBuf>,
}

impl Default for Setup {
    /// Kitchen and courier finish at once. Topics have more than one partition, so that order across partitions is not
    /// taken for granted.
    fn default() -> Self {
        Self {
            cooking_time: "0s",
            delivery_time: "0s",
            environment: Vec::new(),
            replicas: 1,
            partitions: 3,
            broker: None,
            logs: None,
        }
    }
}

/// A running platform.
pub struct Platform {
    /// The Kafka cluster that it uses.
    pub kafka: Kafka,
    /// The database that it uses.
    pub database: Database,
    /// The prefix of its topics.
    pub prefix: String,
    /// The way in that customers use: the gateway.
    pub api: Api,
    schemas: BTreeMap<Service, String>,
    groups: BTreeMap<Service, String>,
    processes: Vec<Process>,
    logs: PathBuf,
    directory: TempDir,
}

impl Platform {
    /// Makes topics and schemas on the servers that all tests share, starts the five services, and waits until all are
    /// ready.
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn start(setup: Setup) -> Self {
        Self::start_on(setup, Kafka::new(servers::kafka()), Database::new(servers::database_url())).await
    }

    /// The same on servers of the test's own.
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn start_on(setup: Setup, kafka: Kafka, database: Database) -> Self {
        let id = format!("e2e_{}", &fresh()[..12]);
        let ports: BTreeMap<_, _> = Service::ALL.iter().map(|service| (*service, free_port())).collect();
        let directory = tempfile::Builder::new().prefix("foodplatform-test-").tempdir().expect("a directory");
        let mut platform = Self {
            kafka,
            database,
            prefix: format!("{id}."),
            api: Api::new(format!("http://{}:{}", address(0), ports[&Service::Gateway])),
            schemas: Service::ALL
                .iter()
                .filter(|service| service.has_database())
                .map(|service| (*service, format!("{id}_{service}")))
                .collect(),
            groups: Service::ALL.iter().map(|service| (*service, format!("{id}.{service}"))).collect(),
            processes: Vec::new(),
            logs: setup.logs.clone().unwrap_or_else(|| directory.path().join("log")),
            directory,
        };
        fs::create_dir(platform.tokens()).expect("a directory for tokens");
        fs::write(platform.tokens().join("current"), TOKEN).expect("a file for the token");
        platform.kafka.create_topics(&platform.prefix, setup.partitions, setup.broker).await;
        let hosts = (setup.replicas > 1).then(|| platform.write_hosts(setup.replicas));
        let plans = Service::ALL.iter().map(|service| platform.plan(*service, &setup, &ports, hosts.clone()));
        let plans: Vec<_> =
            plans.flat_map(|plan| (0..setup.replicas).map(move |replica| plan.replica(replica))).collect();
        tokio::task::block_in_place(|| {
            for plan in plans.iter().filter(|plan| plan.service.has_database() && plan.address == address(0)) {
                plan.migrate();
            }
        });
        platform.processes = plans.iter().map(Plan::start).collect();
        for process in &mut platform.processes {
            process.ready().await;
        }
        platform
    }

    /// The directory with the tokens of which order shows `current` to cook.
    pub fn tokens(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    /// Writes what the services see in place of /etc/hosts: a name for each service, with the addresses of all its
    /// replicas.
    fn write_hosts(&self, replicas: u8) -> PathBuf {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for service in Service::ALL {
            for replica in 0..replicas {
                writeln!(text, "{} {}", address(replica), host(service)).expect("writing to a string");
            }
        }
        let path = self.directory.path().join("hosts");
        fs::write(&path, text).expect("a file for hosts");
        path
    }

    /// The plan of a service's first process.
    fn plan(&self, service: Service, setup: &Setup, ports: &BTreeMap<Service, u16>, hosts: Option<PathBuf>) -> Plan {
        let url = |service: Service| match &hosts {
            Some(_) => format!("http://{}:{}", host(service), ports[&service]),
            None => format!("http://{}:{}", address(0), ports[&service]),
        };
        let mut environment = BTreeMap::from([
            ("LOG_LEVEL".to_owned(), "info".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), self.kafka.bootstrap().to_owned()),
            ("TOPIC_PREFIX".to_owned(), self.prefix.clone()),
            ("LOG_DIR".to_owned(), self.log_directory(service).display().to_string()),
        ]);
        let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
        // As the operator does it: the gateway has neither, and must not ask for them.
        if let Some(schema) = self.schemas.get(&service) {
            set("CONSUMER_GROUP", &self.groups[&service]);
            set("DATABASE_URL", self.database.url());
            set("DATABASE_SCHEMA", schema);
        }
        match service {
            Service::Order => {
                set("COOK_URL", &url(Service::Cook));
                set("CANCELLATION_TOKEN_FILE", &self.tokens().join("current").display().to_string());
            }
            Service::Cook => {
                set("CANCELLATION_TOKENS", &self.tokens().display().to_string());
                set("COOKING_TIME", setup.cooking_time);
            }
            Service::Delivery => {
                set("DELIVERY_TIME", setup.delivery_time);
            }
            // For its rebuild.
            Service::Mypage => {
                set("ORDER_URL", &url(Service::Order));
                set("COOK_URL", &url(Service::Cook));
                set("DELIVERY_URL", &url(Service::Delivery));
            }
            Service::Gateway => {
                set("ORDER_URL", &url(Service::Order));
                set("COOK_URL", &url(Service::Cook));
                set("DELIVERY_URL", &url(Service::Delivery));
                set("MYPAGE_URL", &url(Service::Mypage));
            }
        }
        for (name, value) in &setup.environment {
            set(name, value);
        }
        Plan {
            service,
            pod: format!("{service}-0"),
            address: address(0),
            port: ports[&service],
            admin_port: free_port(),
            environment,
            output: self.directory.path().join(format!("{service}-0.out")),
            hosts,
        }
    }

    /// The first process of a service.
    pub fn process(&mut self, service: Service) -> &mut Process {
        let mut processes = self.processes.iter_mut();
        processes.find(|process| process.plan().service == service).expect("every service is started")
    }

    /// Every process.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Every process, to do something to one.
    pub fn processes_mut(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    /// The ways in: every replica of the gateway.
    pub fn gateways(&self) -> Vec<Api> {
        let gateways = self.processes.iter().filter(|process| process.plan().service == Service::Gateway);
        gateways.map(|process| Api::new(process.url())).collect()
    }

    /// The services that own data: of each the first process, which has to run.
    pub fn owners(&mut self) -> Owners {
        Owners {
            order: self.service(Service::Order),
            cook: self.service(Service::Cook),
            delivery: self.service(Service::Delivery),
            mypage: self.service(Service::Mypage),
        }
    }

    /// What tells when it has come to rest.
    pub fn quiet(&mut self) -> Quiet {
        Quiet {
            owners: self.owners(),
            kafka: self.kafka.clone(),
            prefix: self.prefix.clone(),
            groups: self.groups.clone(),
            database: self.database.clone(),
            schemas: self.schemas.clone(),
        }
    }

    /// The API of a service's first process, past the gateway.
    pub fn service(&mut self, service: Service) -> Api {
        Api::new(self.process(service).url())
    }

    /// Starts one more process of a service beside those that run, and gives its API.
    pub async fn add_replica(&mut self, service: Service) -> Api {
        let same = self.processes.iter().filter(|process| process.plan().service == service);
        let pod = format!("{service}-{}", same.count());
        let plan = Plan {
            output: self.directory.path().join(format!("{pod}.out")),
            pod,
            port: free_port(),
            admin_port: free_port(),
            ..self.process(service).plan().clone()
        };
        let mut process = plan.start();
        process.ready().await;
        let api = Api::new(process.url());
        self.processes.push(process);
        api
    }

    /// Kills the first process of a service as a failing machine does: without any warning.
    pub async fn kill(&mut self, service: Service) {
        self.process(service).kill().await;
    }

    /// Starts the first process of a service again after its end, and waits until it is ready.
    pub async fn restart(&mut self, service: Service) {
        self.process(service).restart().await;
    }

    /// Where a service writes its log files.
    pub fn log_directory(&self, service: Service) -> PathBuf {
        self.logs.join(service.name())
    }

    /// A service's consumer group.
    ///
    /// # Panics
    /// When it has none.
    pub fn group(&self, service: Service) -> &str {
        &self.groups[&service]
    }

    /// A service's schema.
    ///
    /// # Panics
    /// When it has none.
    pub fn schema(&self, service: Service) -> &str {
        &self.schemas[&service]
    }

    /// How many consumers are in a service's group.
    pub fn group_members(&self, service: Service) -> usize {
        self.kafka.group_members(&self.groups[&service])
    }

    /// Every message on one of its topics.
    pub fn records(&self, topic: Topic) -> Vec<Record> {
        self.kafka.records(&topic.name(&self.prefix))
    }

    /// How many rows a table of a service's has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rows(&self, service: Service, table: &str) -> Result<i64, String> {
        let schema = self.schemas.get(&service).ok_or_else(|| format!("{service} has no database"))?;
        self.database.number(&format!("SELECT count(*) FROM {schema}.{table}")).await
    }

    /// Waits until no outbox holds a row: everything that was said is on Kafka.
    pub async fn outboxes_drained(&self) {
        for service in [Service::Order, Service::Cook, Service::Delivery] {
            wait::until(&format!("the outbox of {service} empty"), wait::SOON, async || {
                wait::equals(self.rows(service, "outbox").await?, 0)
            })
            .await;
        }
    }

    /// Stops the services in good order, then takes away topics, groups and schemas.
    async fn clean(&mut self) {
        for process in &self.processes {
            process.signal(Signal::SIGTERM);
        }
        for process in &mut self.processes {
            // One that does not stop is killed when it is dropped.
            let _ = tokio::time::timeout(STOP, process.ended()).await;
        }
        self.processes.clear();
        let groups: Vec<_> = self.groups.values().cloned().collect();
        let schemas: Vec<_> = self.schemas.values().cloned().collect();
        let kafka = self.kafka.delete(&self.prefix, &groups).await;
        let database = self.database.drop_schemas(&schemas).await;
        for error in [kafka.err(), database.err()].into_iter().flatten() {
            eprintln!("cleaning up {}: {error}", self.prefix);
        }
    }
}

/// The address of a service's replica.
fn address(replica: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + replica)
}

/// The name that stands for all replicas of a service.
fn host(service: Service) -> String {
    format!("{service}.foodplatform.test")
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in &self.processes {
                eprintln!("--- the end of {}'s output:\n{}", process.plan().pod, process.output());
            }
        }
        // Dropping is not async, and the test's runtime may be ending: cleaning has its own, on its own thread.
        std::thread::scope(|scope| {
            let cleaner = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.expect("a runtime").block_on(self.clean());
            });
            if cleaner.join().is_err() {
                eprintln!("cleaning up did not come to its end");
            }
        });
    }
}
