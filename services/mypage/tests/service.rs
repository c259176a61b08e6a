//! Two replicas of the service on real Kafka and PostgreSQL, as their callers see them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use contract::{
    Cancellation, CloudEvent, CookSnapshot, CookStatus, DeliverySnapshot, DeliveryStatus, Event, OrderSnapshot,
    OrderStatus, Topic,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// What belongs to one run of the test.
struct World {
    kafka: String,
    database: String,
    name: String,
}

/// A running replica, killed when it goes out of scope.
struct Replica {
    process: Child,
    http: String,
    admin: String,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl World {
    fn new() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by `cargo xtask test`"));
        let name = format!("mypage_service_{}", std::process::id());
        Self { kafka: variable("TEST_KAFKA"), database: variable("TEST_DATABASE_URL"), name }
    }

    fn prefix(&self) -> String {
        format!("{}.", self.name)
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mypage"));
        command
            .arg(what)
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.kafka)
            .env("TOPIC_PREFIX", self.prefix())
            .env("CONSUMER_GROUP", &self.name)
            .env("DATABASE_URL", &self.database)
            .env("DATABASE_SCHEMA", &self.name)
            .stdout(Stdio::null());
        command
    }

    fn start(&self) -> Replica {
        let (http, admin) = (free_address(), free_address());
        let process = self.command("serve").env("HTTP_ADDRESS", &http).env("ADMIN_ADDRESS", &admin).spawn().unwrap();
        Replica { process, http: format!("http://{http}"), admin: format!("http://{admin}") }
    }

    /// One partition each, so that one of two replicas reads nothing.
    async fn create_topics(&self) {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", &self.kafka).create().unwrap();
        let names: Vec<_> = Topic::ALL
            .iter()
            .flat_map(|topic| [topic.name(&self.prefix()), topic.dead_letter_name(&self.prefix())])
            .collect();
        let topics: Vec<_> = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
        for made in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
            made.unwrap();
        }
    }

    async fn delete(&self) {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", &self.kafka).create().unwrap();
        let names: Vec<_> = Topic::ALL
            .iter()
            .flat_map(|topic| [topic.name(&self.prefix()), topic.dead_letter_name(&self.prefix())])
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
        let pool = sqlx::PgPool::connect(&self.database).await.unwrap();
        let drop = sqlx::AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.name));
        sqlx::query(drop).execute(&pool).await.unwrap();
    }

    async fn say(&self, producer: &FutureProducer, event: Event) {
        let topic = event.topic().name(&self.prefix());
        let (key, payload) = (event.order_id().to_string(), event.payload().unwrap());
        let headers = CloudEvent::new("/test", None, event).headers();
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value.as_str()) }));
        let record = FutureRecord::to(&topic).key(&key).payload(&payload).headers(headers);
        producer.send(record, SOON).await.unwrap();
    }
}

async fn until(url: &str, done: impl Fn(u16, &Value) -> bool) -> Value {
    let began = Instant::now();
    let mut last = String::new();
    while began.elapsed() < SOON {
        if let Ok(response) = reqwest::get(url).await {
            let status = response.status().as_u16();
            last = response.text().await.unwrap_or_default();
            let body = serde_json::from_str(&last).unwrap_or(Value::Null);
            if done(status, &body) {
                return body;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{url} has not come to what was waited for: {last}");
}

/// An event stream, read event by event.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(url: &str, last_event_id: Option<&str>) -> Self {
        let request = reqwest::Client::new().get(url);
        let request = last_event_id.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, text: String::new() };
        assert_eq!(stream.next().await.unwrap(), "retry: 1000");
        stream
    }

    /// The next event's text; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let chunk = tokio::time::timeout(SOON, self.response.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The id and the view of the next event.
    async fn view(&mut self) -> (String, Value) {
        let event = self.next().await.unwrap();
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        assert_eq!(field("event:"), "order");
        (field("id:"), serde_json::from_str(&field("data:")).unwrap())
    }
}

fn snapshots() -> (OrderSnapshot, CookSnapshot, DeliverySnapshot) {
    let now = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let id = |id: &str| id.parse().unwrap();
    let quantity = 2.try_into().unwrap();
    let order = OrderSnapshot {
        order_id: id("o-1"),
        customer_id: id("ann"),
        restaurant_id: id("r-1"),
        menu_id: id("m-1"),
        quantity,
        address: None,
        note: None,
        status: OrderStatus::Placed,
        cancellation: Cancellation::None,
        reason: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let cook = CookSnapshot {
        cook_id: id("c-1"),
        order_id: id("o-1"),
        customer_id: id("ann"),
        restaurant_id: id("r-1"),
        menu_id: id("m-1"),
        quantity,
        status: CookStatus::Started,
        reason: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let delivery = DeliverySnapshot {
        delivery_id: id("d-1"),
        order_id: id("o-1"),
        cook_id: id("c-1"),
        customer_id: id("ann"),
        status: DeliveryStatus::Delivered,
        created_at: now,
        updated_at: now,
        version: 3,
    };
    (order, cook, delivery)
}

#[tokio::test]
async fn every_replica_shows_and_streams_what_one_of_them_has_read() {
    let world = World::new();
    world.create_topics().await;
    assert!(world.command("migrate").status().unwrap().success());
    let mut replicas = [world.start(), world.start()];
    for replica in &replicas {
        until(&format!("{}/readyz", replica.admin), |status, _| status == 200).await;
    }
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &world.kafka).create().unwrap();
    let (order, cook, delivery) = snapshots();

    let url = |replica: &Replica, path: &str| format!("{}{path}", replica.http);
    assert_eq!(reqwest::get(url(&replicas[0], "/mypages/o-1/events")).await.unwrap().status(), 404);
    world.say(&producer, Event::CookStarted(cook)).await;
    for replica in &replicas {
        until(&url(replica, "/mypages/o-1"), |status, view| status == 200 && view["cookStatus"] == "STARTED").await;
    }

    let mut streams = vec![];
    for replica in &replicas {
        let mut stream = Stream::open(&url(replica, "/mypages/o-1/events"), None).await;
        assert_eq!(stream.view().await.1["status"], "COOKING");
        streams.push(stream);
    }
    world.say(&producer, Event::Ordered(order)).await;
    let mut ids = vec![];
    for stream in &mut streams {
        let (id, view) = stream.view().await;
        assert_eq!((&view["status"], &view["version"]), (&"COOKING".into(), &1.into()));
        ids.push(id);
    }
    assert_eq!(ids[0], ids[1]);

    // Who comes back with the last id is told nothing twice, and nothing less than the newest.
    let mut back = Stream::open(&url(&replicas[1], "/mypages/o-1/events"), Some(&ids[0])).await;
    world.say(&producer, Event::DeliveryCompleted(delivery)).await;
    for stream in streams.iter_mut().chain([&mut back]) {
        let (id, view) = stream.view().await;
        assert_eq!(view["status"], "DELIVERED");
        assert!(id.parse::<i64>().unwrap() > ids[0].parse().unwrap());
    }
    let list = until(&url(&replicas[0], "/mypages?customerId=ann"), |status, _| status == 200).await;
    assert_eq!((&list["items"][0]["deliveryStatus"], &list["next"]), (&"DELIVERED".into(), &Value::Null));

    // Open streams do not hold up a stop, and end as a stream does.
    for replica in &mut replicas {
        let began = Instant::now();
        assert!(Command::new("kill").arg(replica.process.id().to_string()).status().unwrap().success());
        assert!(replica.process.wait().unwrap().success());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    assert_eq!(streams[0].next().await, None);
    world.delete().await;
}
