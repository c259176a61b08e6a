//! The program that checks the invariants, on a platform that runs: it reads everything, and sees a row that is wrong.

use contract::Identifier;
use tests::{
    api::text,
    invariants::{
        Acceptance,
        Invariant::{self, I1, I3, I4, I6},
        Told, check, read,
    },
    platform::{Platform, Setup},
    process::Service,
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_at_rest_is_as_it_should_be_and_a_wrong_row_is_found() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(5).await;
    let (mut told, mut last) = (Told::default(), String::new());
    // Of these the last finds no stock.
    for quantity in [1, 3, 2] {
        last = platform.api.place_one(&menu, quantity).await;
        told.accepted.insert(last.parse().expect("an id"), Acceptance::Placed);
    }
    let cancelled = platform.api.cancel(&last).await;
    if cancelled.status == 200 {
        told.cancelled.insert(text(&cancelled.body, "orderId").parse().expect("an id"));
    }
    let quiet = platform.quiet();
    quiet.wait(wait::SOON).await.expect("a platform without work comes to rest");
    let world = read(&quiet.owners, told.clone()).await.expect("everything can be read");
    let counts = (world.orders.len(), world.cooks.len(), world.deliveries.len(), world.pages.len(), world.menus.len());
    assert_eq!(counts, (3, 3, 2, 3, 1));
    let report = check(&world);
    assert!(report.holds(), "{report}");

    let (cook, mypage) = (platform.schema(Service::Cook), platform.schema(Service::Mypage));
    let wrongs: [(String, String, &[Invariant]); 3] = [
        (
            format!("UPDATE {cook}.menus SET on_hand = on_hand + 1"),
            format!("UPDATE {cook}.menus SET on_hand = on_hand - 1"),
            &[I1],
        ),
        (
            format!("UPDATE {cook}.cooks SET version = version + 1"),
            format!("UPDATE {cook}.cooks SET version = version - 1"),
            &[I6],
        ),
        (
            format!("UPDATE {mypage}.views SET delivery_version = 0, delivery_part = NULL"),
            // What was there is gone.
            "SELECT 1".to_owned(),
            &[I4],
        ),
    ];
    for (break_it, mend_it, expected) in wrongs {
        platform.database.execute(&break_it).await.expect("a statement");
        let report = check(&read(&quiet.owners, told.clone()).await.expect("everything can be read"));
        assert_eq!(report.broken(), expected, "{break_it}:\n{report}");
        platform.database.execute(&mend_it).await.expect("a statement");
    }
    let lost: Identifier = "nobody-has-this".parse().expect("an id");
    told.accepted.insert(lost, Acceptance::Deferred);
    let report = check(&read(&quiet.owners, told).await.expect("everything can be read"));
    assert_eq!(report.broken(), [I3, I4], "{report}");
}
