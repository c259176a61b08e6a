//! A service that is away takes no other one with it, and neither do Kafka and the database: what was accepted meanwhile is done
//! once it is back.

use ::tests::{invariants::Told, process::Service, wait};
use local::Part;
use reqwest::Method;
use serde_json::json;

use crate::{
    Length, Outcome, Shown, Stage, Timeline,
    load::{EVERYTHING, Load, Rate, Traffic, list_of},
    meanwhile::{Meanwhile, until_well},
    node::Away,
};

/// Whose pods the plot shows.
const OWNERS: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];
/// The platform's conditions, as kubectl prints them a line each.
const CONDITIONS: &str = r#"{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}"#;

/// Services that are away, and whose data is read meanwhile.
struct Absence {
    services: &'static [Service],
    others: &'static [Service],
}

const ORDER: Absence =
    Absence { services: &[Service::Order], others: &[Service::Cook, Service::Delivery, Service::Mypage] };
const COOK: Absence =
    Absence { services: &[Service::Cook], others: &[Service::Order, Service::Delivery, Service::Mypage] };
const DELIVERY: Absence =
    Absence { services: &[Service::Delivery], others: &[Service::Order, Service::Cook, Service::Mypage] };
const COOK_AND_DELIVERY: Absence =
    Absence { services: &[Service::Cook, Service::Delivery], others: &[Service::Order, Service::Mypage] };

/// What was seen, one absence after the other.
#[derive(Default)]
struct Seen {
    timeline: Timeline,
    told: Told,
    shown: Vec<Shown>,
}

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 10, reads: 20 }, Rate { orders: 20, reads: 40 });
    let wanted = stage.length.pick(10, 200);
    let absences: &[Absence] = stage.length.pick(&[ORDER, COOK_AND_DELIVERY], &[ORDER, COOK, DELIVERY]);
    let (mut seen, mut answered, mut placed, mut deferred) = (Seen::default(), 0, 0, 0);
    for absence in absences {
        let (answers, meanwhile) = without_services(stage, rate, wanted, absence, &mut seen).await?;
        (answered, placed, deferred) = (answered + answers, placed + meanwhile.placed, deferred + meanwhile.deferred);
    }
    let (answers, meanwhile) = without_kafka(stage, rate, wanted, &mut seen).await?;
    (answered, placed) = (answered + answers, placed + meanwhile.placed);
    let refused = without_database(stage, rate, 5 * wanted, &mut seen).await?;
    let accepted = seen.told.accepted.len();
    let held = stage.delivered(seen.told).await?;
    let names: Vec<_> = absences.iter().map(Absence::name).collect();
    Ok(Outcome {
        done: format!(
            "{} at replicas: 0 one after the other, then Kafka stopped, then PostgreSQL, under load",
            names.join(", ")
        ),
        seen: format!(
            "while order was away {deferred} orders got 202 and none 201, while cook, delivery or Kafka was {placed} got 201 and \
             none 202; {answered} requests, reads of all services that were there among them, and none failed; without PostgreSQL \
             {refused} got 503 and nobody another error; {accepted} orders accepted in all, {held}"
        ),
        figure: format!("{deferred} deferred, {placed} placed, 0 failed"),
        shown: seen.shown,
        timeline: Some(seen.timeline),
    })
}

/// Takes services away under load, and brings them back.
async fn without_services(
    stage: &Stage,
    rate: Rate,
    wanted: usize,
    absence: &Absence,
    seen: &mut Seen,
) -> Result<(usize, Meanwhile), String> {
    let name = absence.name();
    let load = Load::start(stage, rate, absence.others, &OWNERS).await;
    load.answers(50).await;
    load.mark(format!("{name} away"));
    scale(stage, absence, 0).await;
    let meanwhile = meanwhile(&load, wanted).await;
    seen.look(stage).await;
    load.mark(format!("{name} back"));
    scale(stage, absence, 1).await;
    stage.platform.until_ready().await;
    // The gateway learns of new pods by DNS, a moment after Kubernetes does.
    for path in absence.services.iter().copied().map(list_of) {
        wait::until(&format!("GET {path} once it is back"), wait::SOON, async || {
            let answer = stage.gateway.try_send(stage.gateway.request(Method::GET, path)).await?;
            wait::equals(answer.status, 200)
        })
        .await;
    }
    until_well(&load, rate).await;
    let traffic = load.stop().await;
    let answered = if absence.services.contains(&Service::Order) {
        meanwhile.only_deferred(&name)?;
        traffic.without_failure()?
    } else {
        meanwhile.only_placed(&name)?;
        traffic.without_deferral()?
    };
    seen.add(traffic);
    Ok((answered, meanwhile))
}

/// Stops Kafka under load: nobody but those who wait for events notices, for these wait in the outboxes.
async fn without_kafka(
    stage: &Stage,
    rate: Rate,
    wanted: usize,
    seen: &mut Seen,
) -> Result<(usize, Meanwhile), String> {
    let load = Load::start(stage, rate, EVERYTHING, &OWNERS).await;
    load.answers(50).await;
    load.mark("Kafka away");
    let kafka = Away::stop(&stage.node, Part::Kafka)?;
    let meanwhile = meanwhile(&load, wanted).await;
    seen.look(stage).await;
    load.mark("Kafka back");
    kafka.back()?;
    load.answers(50).await;
    stage.platform.until_ready().await;
    let traffic = load.stop().await;
    meanwhile.only_placed("Kafka")?;
    let answered = traffic.without_deferral()?;
    seen.add(traffic);
    Ok((answered, meanwhile))
}

/// Stops the database under load: nobody gets anything but what is confirmed, what is taken for later, and 503. Gives how often
/// that was.
async fn without_database(stage: &Stage, rate: Rate, more: usize, seen: &mut Seen) -> Result<usize, String> {
    let load = Load::start(stage, rate, EVERYTHING, &OWNERS).await;
    load.answers(50).await;
    load.mark("PostgreSQL away");
    let database = Away::stop(&stage.node, Part::Postgresql)?;
    load.requests(more).await;
    if stage.length == Length::Full {
        // The operator asks a few times a minute.
        stage.platform.until_condition("DatabaseReachable", |condition| condition.status == "False").await;
    }
    seen.look(stage).await;
    load.mark("PostgreSQL back");
    database.back()?;
    until_well(&load, rate).await;
    stage.platform.until_ready().await;
    let traffic = load.stop().await;
    let refused = traffic.failed_with(503)?;
    seen.add(traffic);
    Ok(refused)
}

impl Absence {
    fn name(&self) -> String {
        self.services.iter().map(|service| service.name()).collect::<Vec<_>>().join(" and ")
    }
}

/// Gives services so many pods each, and waits until they have them.
async fn scale(stage: &Stage, absence: &Absence, replicas: usize) {
    for service in absence.services {
        let change = json!({ "services": { service.name(): { "replicas": replicas, "autoscaling": null } } });
        stage.change(change).await;
    }
    for &service in absence.services {
        stage.until_pods(service, replicas).await;
    }
}

impl Seen {
    fn add(&mut self, traffic: Traffic) {
        self.timeline.append(traffic.timeline);
        self.told.accepted.extend(traffic.told.accepted);
    }

    /// Keeps what the operator says of the platform now.
    async fn look(&mut self, stage: &Stage) {
        let name = &stage.platform.name;
        self.shown.push(stage.kubectl(&["get", "foodplatform", name, "-o", "wide"]).await);
        let mut conditions =
            stage.kubectl(&["get", "foodplatform", name, "-o", &format!("jsonpath={CONDITIONS}")]).await;
        conditions.command =
            format!("kubectl -n {} get foodplatform {name} -o jsonpath='{CONDITIONS}'", stage.platform.namespace);
        self.shown.push(conditions);
    }
}

/// Waits for so many accepted orders, and gives what came of them.
async fn meanwhile(load: &Load, wanted: usize) -> Meanwhile {
    // What was under way when somebody went away is not meant.
    load.answers(20).await;
    let before = load.traffic();
    wait::until(&format!("{wanted} accepted orders"), wait::SOON, async || {
        let now = Meanwhile::between(&before, &load.traffic());
        if now.placed + now.deferred >= wanted { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await
}
