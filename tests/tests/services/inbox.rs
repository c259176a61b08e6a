//! What was applied, and no state tells of, is remembered by day, and forgotten when it can't come again.

use chrono::Utc;
use tests::{
    api::{fresh, order_of, text},
    platform::{Platform, Setup},
    process::Service,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_has_a_partition_for_each_day_and_forgets_old_ones() {
    let setup = Setup { environment: vec![("INBOX_RETENTION", "5days".to_owned())], ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    let today = Utc::now().format("inbox_%Y%m%d").to_string();
    wait::until("a partition for today", wait::SOON, async || platform.rows(Service::Order, &today).await.map(drop))
        .await;
    let menu = platform.api.menu_with_stock(1).await;
    platform.kill(Service::Order).await;
    let taken = platform.api.place(&order_of(&menu, 1), Some(&fresh())).await.expect(202);
    platform.restart(Service::Order).await;
    platform.api.follow(text(&taken, "orderId"), "DELIVERED").await;
    // What cook and delivery said has versions instead.
    assert_eq!(platform.rows(Service::Order, &today).await, Ok(1), "what the gateway took");
    assert_eq!(platform.rows(Service::Order, "inbox_default").await, Ok(0));

    platform.kill(Service::Order).await;
    let schema = platform.schema(Service::Order).to_owned();
    for statement in [
        format!("DROP TABLE {schema}.{today}"),
        format!(
            "CREATE TABLE {schema}.inbox_20200101 PARTITION OF {schema}.inbox FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')"
        ),
        // Of a day that has a partition, of one that had none, and of today.
        format!(
            "INSERT INTO {schema}.inbox SELECT day, gen_random_uuid(), 'r' FROM unnest(ARRAY['2020-01-01', '2020-02-02', (now() AT TIME ZONE 'UTC')::date::text]::date[]) AS day"
        ),
    ] {
        platform.database.execute(&statement).await.expect("a statement");
    }
    assert_eq!(platform.rows(Service::Order, "inbox").await, Ok(3));
    platform.restart(Service::Order).await;
    wait::until("the old days to be forgotten", wait::SOON, async || {
        let left =
            (platform.rows(Service::Order, "inbox").await?, platform.rows(Service::Order, "inbox_default").await?);
        wait::equals((left, platform.rows(Service::Order, &today).await?), ((1, 0), 1))
    })
    .await;
    let gone = platform.rows(Service::Order, "inbox_20200101").await;
    assert!(gone.as_ref().is_err_and(|error| error.contains("does not exist")), "{gone:?}");
}
