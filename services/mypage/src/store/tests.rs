//! The SQL against the pure functions, on a real PostgreSQL.

use contract::Event;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;
use crate::domain::{
    fold,
    tests::{an_order, histories},
};

/// A fresh schema with the service's tables, dropped at the end of `test`.
fn with_schema<T>(name: &str, test: impl AsyncFnOnce(&PgPool) -> T) -> T {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is set by `cargo xtask test`");
    let schema = format!("mypage_{name}_{}", std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut admin = PgConnection::connect(&url).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut admin).await.unwrap();
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let pool = PgPool::connect_with(options.options([("search_path", &schema)])).await.unwrap();
        crate::MIGRATIONS.run(&pool).await.unwrap();
        let outcome = test(&pool).await;
        pool.close().await;
        sqlx::query(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).execute(&mut admin).await.unwrap();
        outcome
    })
}

#[test]
fn merging_in_sql_is_merging_in_memory() {
    with_schema("merge", async |pool| {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
        for _ in 0..200 {
            let (events, arrived, size) = histories().new_tree(&mut runner).unwrap().current();
            sqlx::query("TRUNCATE views").execute(pool).await.unwrap();
            for batch in arrived.chunks(size) {
                merge(pool, &fold(batch.iter().cloned())).await.unwrap();
            }
            let expected = fold(events);
            for known in &expected {
                assert_eq!(get(pool, &known.order_id).await.unwrap().as_ref(), Some(known), "{arrived:?} by {size}");
            }
            // The database counts versions as the domain does, and what is known already is not written again.
            let seen: Vec<_> = expected.iter().map(|known| (known.order_id.clone(), known.version())).collect();
            assert_eq!(changed(pool, &seen).await.unwrap(), []);
            assert_eq!(merge(pool, &expected).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_customers_orders_come_newest_first_and_page_by_page() {
    with_schema("pages", async |pool| {
        let customer: Identifier = "ann".parse().unwrap();
        let of_ann = |order: u8| {
            let order_id = format!("order-{order}").parse().unwrap();
            // Pairs are of the same time: the id decides then.
            let created_at = DateTime::from_timestamp(1_700_000_000 + i64::from(order / 2), 0).unwrap();
            contract::OrderSnapshot { order_id, customer_id: customer.clone(), created_at, ..an_order(order, 1) }
        };
        let events = (0..10).map(of_ann).chain([an_order(99, 1)]).map(Event::Ordered);
        merge(pool, &fold(events)).await.unwrap();
        let (mut seen, mut place) = (vec![], None);
        loop {
            let page = of_customer(pool, &customer, place.as_ref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            place = Some(Place { seen: last.first_seen, order_id: last.order_id.clone() });
            seen.extend(page.into_iter().map(|known| known.order_id.to_string()));
        }
        assert_eq!(seen, (0..10).rev().map(|order| format!("order-{order}")).collect::<Vec<_>>());
    });
}
