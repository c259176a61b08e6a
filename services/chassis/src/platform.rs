//! What a service builds itself on.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use contract::Topic;
use futures::future::BoxFuture;
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::ServeSettings,
    consumer::{self, Handler, Inbox},
    db::Database,
    publisher::Publisher,
    tasks::Tasks,
};

/// Gives a service what it is built with, and takes the parts that it is made of.
#[derive(Debug)]
pub struct Platform {
    service: &'static str,
    settings: ServeSettings,
    migrations: Option<&'static Migrator>,
    stopping: CancellationToken,
    pub(crate) parts: Parts,
}

/// What [`crate::run`] starts once a service is built.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) routes: Router,
    pub(crate) database: Option<Database>,
    pub(crate) relays: bool,
    pub(crate) keeps_inbox: bool,
    tasks: Vec<(&'static str, Task)>,
}

type Task = Box<dyn Fn(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

impl Platform {
    pub(crate) fn new(
        service: &'static str,
        settings: ServeSettings,
        migrations: Option<&'static Migrator>,
        stopping: CancellationToken,
    ) -> Self {
        Self { service, settings, migrations, stopping, parts: Parts::default() }
    }

    /// The `source` of the events that this service publishes.
    pub fn source(&self) -> String {
        format!("/foodplatform/{}", self.service)
    }

    /// This pod's name.
    pub fn pod_name(&self) -> String {
        self.settings.logs.pod_name()
    }

    /// Who this process is among the holders of leases. A restarted pod has its predecessor's name but is another
    /// holder: the leases of the dead one run out.
    pub(crate) fn holder(&self) -> String {
        format!("{}/{}", self.pod_name(), Uuid::new_v4().simple())
    }

    /// Where Kafka is, the topics' prefix and the group.
    pub fn kafka(&self) -> &crate::config::KafkaSettings {
        &self.settings.kafka
    }

    /// The service's database; each call gives the same one. It connects when first used.
    ///
    /// # Errors
    /// When `DATABASE_URL` or `DATABASE_SCHEMA` is missing or wrong, or the service has no migrations.
    pub fn database(&mut self) -> anyhow::Result<Database> {
        if let Some(database) = &self.parts.database {
            return Ok(database.clone());
        }
        let migrations = self.migrations.context("a service with a database has migrations")?;
        let database = Database::connect_lazily(self.service, &self.settings.database, migrations)?;
        Ok(self.parts.database.insert(database).clone())
    }

    /// Publishes what [`crate::outbox`] holds: for every service that writes events.
    pub fn relay_outbox(&mut self) {
        self.parts.relays = true;
    }

    /// Publishes events straight to Kafka: for a service without a database.
    ///
    /// # Errors
    /// When the settings of Kafka don't make sense.
    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        Publisher::new(&self.settings.kafka).context("cannot make a Kafka producer")
    }

    /// Serves `routes` on the public port, with the chassis' limits, errors, traces and metrics around them.
    pub fn serve(&mut self, routes: Router) {
        self.parts.routes = std::mem::take(&mut self.parts.routes).merge(routes);
    }

    /// Reads `topics` in the service's group and gives their events to `handler`, in batches.
    ///
    /// # Errors
    /// When no consumer group is set.
    pub fn consume<H: Handler>(&mut self, topics: &[Topic], handler: H) -> anyhow::Result<()> {
        let consumer = Arc::new(consumer::Consumer::new(&self.settings.kafka, topics, handler)?);
        self.spawn("consumer", move |stop| {
            let consumer = Arc::clone(&consumer);
            async move { consumer.run(stop).await }
        });
        Ok(())
    }

    /// The service's inbox, in its database.
    ///
    /// # Errors
    /// When no consumer group is set.
    pub fn inbox(&mut self) -> anyhow::Result<Inbox> {
        self.parts.keeps_inbox = true;
        Ok(Inbox::new(self.settings.kafka.reader()?.to_owned()))
    }

    /// Runs `task` in the background, again after an error (see [`Tasks::spawn`]), from when the service is ready.
    pub fn spawn<F, Fut>(&mut self, name: &'static str, task: F)
    where
        F: Fn(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.parts.tasks.push((name, Box::new(move |stop| Box::pin(task(stop)))));
    }

    /// Cancelled when the process is told to stop: for responses that would otherwise never end, such as SSE.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

impl Parts {
    /// Starts the background tasks.
    pub(crate) fn start_tasks(&mut self, tasks: &Tasks) {
        for (name, task) in self.tasks.drain(..) {
            tasks.spawn(name, task);
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tasks: Vec<_> = self.tasks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Parts").field("relays", &self.relays).field("tasks", &tasks).finish_non_exhaustive()
    }
}
