//! Every step of an order's life, ended before and after its commit and its publishing, and repeated by the process that
//! comes after.

use std::time::Duration;

use tests::{
    invariants::{check, read},
    platform::{Platform, Setup},
    process::Service,
    traffic::{self, Plan, Settings},
};

/// What a service may take to come to a point of its work, the time for its group to notice that its predecessor died
/// (10 s) included.
const ARRIVAL: Duration = Duration::from_secs(45);
/// What a cycle mostly takes.
const CYCLE: Duration = Duration::from_secs(12);

/// Lets the service die at each of `points` under load: at one the first time that it gets there, at the next the
/// second, at the next the third, and so on.
async fn dies_at(service: Service, points: &[&str]) {
    let setup = Setup { cooking_time: "50ms..2s", delivery_time: "50ms..500ms", ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    let lasting = CYCLE * u32::try_from(points.len()).expect("few");
    let plan = Plan::new(&Settings { seed: 7, orders_per_second: 8, lasting, ..Settings::default() });
    let gateways = platform.gateways();
    let before = traffic::stock_up(&plan, &gateways).await.expect("menu items");
    let load = tokio::spawn(traffic::run(plan, gateways, before));
    for (point, times) in points.iter().zip((0..3).cycle()) {
        platform.kill(service).await;
        let process = platform.process(service);
        let mut armed = process.plan().clone();
        armed.environment.insert("FAILPOINTS".to_owned(), format!("{point}={times}*off->return"));
        let plan = process.plan().clone();
        *process = armed.start();
        tokio::time::timeout(ARRIVAL, process.ended())
            .await
            .unwrap_or_else(|_| panic!("{service} never came to {point} for the time after {times}"));
        *process = plan.start();
    }
    platform.process(service).ready().await;
    let record = load.await.expect("the load has no bug");
    let quiet = platform.quiet();
    quiet.wait(Duration::from_secs(60)).await.expect("it comes to rest");
    let report = check(&read(&quiet.owners, record.told.clone()).await.expect("the owners answer"));
    assert!(report.holds(), "{report}");
    assert!(
        record.complaints.is_empty() && record.unknown.is_empty(),
        "{:#?} {:#?}",
        record.complaints,
        record.unknown
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn order_dies_at_each_of_its_steps() {
    let points = [
        "place.before",
        "place.after",
        "cancel.answered",
        "change.before",
        "change.after",
        "commit.before",
        "commit.after",
        "publish.before",
        "publish.after",
    ];
    dies_at(Service::Order, &points).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cook_dies_at_each_of_its_steps() {
    dies_at(Service::Cook, &["commit.before", "commit.after", "publish.before", "publish.after"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_dies_at_each_of_its_steps() {
    let points = ["change.before", "change.after", "commit.before", "commit.after", "publish.before", "publish.after"];
    dies_at(Service::Delivery, &points).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mypage_dies_at_each_of_its_steps() {
    dies_at(Service::Mypage, &["change.before", "change.after"]).await;
}
