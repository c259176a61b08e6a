//! Whatever goes wrong between the operator, the API server and Kafka, the cluster ends in the same state as when nothing
//! does.

use std::{sync::Arc, time::Duration};

use foodplatform_operator::api::condition::READY;
use futures::{StreamExt as _, future::join_all, stream};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::json;
use tokio::{sync::OnceCell, time::sleep};

use crate::{
    calls::{Call, Calls},
    interference::{Failure, Interference, Moment, Plan},
    life::{Life, live},
    world::{World, is, message},
};

/// Platforms that are disturbed at the same time.
const AT_ONCE: usize = 8;

/// What happens when nothing goes wrong.
pub(crate) async fn undisturbed() -> &'static Life {
    static LIFE: OnceCell<Life> = OnceCell::const_new();
    LIFE.get_or_init(|| async { live(&Plan::Nothing, &json!({}), None).await }).await
}

/// Disturbs each of the `calls` of the calm life in each of these ways. With each of them comes the number of lives that
/// share the calls. What one disturbance keeps from happening in one life is left for another.
async fn disturb<W: Copy>(
    calls: impl Fn(&Call) -> bool,
    ways: impl IntoIterator<Item = (W, usize)>,
    at_once: usize,
    plan: impl Fn(W, Arc<Calls>) -> Plan,
) {
    /// Lives after one another until each call was met.
    const ATTEMPTS: usize = 3;
    let calm = undisturbed().await;
    let calls: Calls = calm.calls.iter().filter(|call| calls(call)).cloned().collect();
    let shared = |(way, shares): (W, usize)| {
        let share = |first| (way, calls.iter().skip(first).step_by(shares).cloned().collect::<Calls>());
        (0..shares).map(share).collect::<Vec<_>>()
    };
    let mut left: Vec<_> = ways.into_iter().flat_map(shared).collect();
    for _ in 0..ATTEMPTS {
        let lives = left.into_iter().map(|(way, calls)| {
            let (calls, plan) = (Arc::new(calls), &plan);
            async move {
                let met = live(&plan(way, Arc::clone(&calls)), &json!({}), Some(calm)).await.met;
                (way, calls.difference(&met).filter(|call| !call.is_by_chance()).cloned().collect::<Calls>())
            }
        });
        left = stream::iter(lives).buffer_unordered(at_once).collect().await;
        left.retain(|(_, calls)| !calls.is_empty());
    }
    let left: Vec<_> = left.iter().flat_map(|(_, calls)| calls).map(Call::to_string).collect();
    assert!(left.is_empty(), "never disturbed: {left:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_end_before_and_after_each_of_its_writes() {
    /// Few enough lives, and enough work in each of them between one end and the next.
    const SHARES: usize = 6;
    let ways = [Moment::Before, Moment::After].map(|moment| (moment, SHARES));
    disturb(Call::is_write, ways, AT_ONCE, |moment, at| Plan::End { at, moment }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_may_fail_in_every_way() {
    let ways = [
        // Of these the operator learns at once of several.
        (Failure::Status(429), 2),
        (Failure::Status(500), 2),
        (Failure::Status(504), 2),
        // At each of these it begins anew.
        (Failure::Status(409), 5),
        (Failure::Reset, 5),
        (Failure::AnswerLost, 5),
    ];
    disturb(Call::is_to_api_server, ways, AT_ONCE, |how, at| Plan::FailOnce { at, how }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_to_a_call_is_waited_for_long() {
    /// Each of their calls takes a whole time-out.
    const SHARES: usize = 12;
    let ways = [(Failure::Silence, SHARES)];
    disturb(Call::is_to_api_server, ways, SHARES, |how, at| Plan::FailOnce { at, how }).await;
}

/// What the test above rests on.
#[tokio::test]
async fn a_calm_life_has_all_that_is_to_be_disturbed() {
    let calls: Vec<_> = undisturbed().await.calls.iter().map(Call::to_string).collect();
    for call in [
        "create: PATCH deployments shop-order",
        "create: PATCH networkpolicies shop-order-serve",
        "create: PATCH foodplatforms/status shop",
        "create: PATCH foodplatforms shop",
        "create: POST secrets ",
        "create: CreateTopics topics menu",
        "create: WATCH secrets ",
        "change: PATCH deployments shop-delivery after 1",
        "change: PATCH jobs shop-order-migrate",
        "change: DELETE horizontalpodautoscalers shop-order",
        "change: DELETE ingresses shop-gateway",
        "change: CreatePartitions topics menu",
        "change: IncrementalAlterConfigs topics menu",
        "delete: DELETE deployments shop-order",
        "delete: DeleteTopics topics ",
        "delete: PATCH foodplatforms shop",
    ] {
        assert!(calls.iter().any(|known| known == call), "no {call} in {calls:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_every_watch_may_be_lost() {
    const SHARES: usize = 6;
    let calm = undisturbed().await;
    let lives = (0..SHARES).map(|share| async move {
        let plan = Plan::Lose { share, of: SHARES };
        let lost = live(&plan, &json!({}), Some(calm)).await.lost;
        assert!(lost > 10, "{plan:?}: {lost}");
    });
    join_all(lives).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_always_fails_is_told_and_holds_up_no_other() {
    let call = "PATCH services";
    for code in [409, 500] {
        let world = World::disturbed("refused", &Interference::new(Plan::Refuse { call, code })).await;
        world.shop(json!({})).await;
        let shop = world.shop_when("told", |shop| is(shop, READY, "False", "ApplyFailed")).await;
        let told = message(&shop, READY);
        assert!(told.contains("applying Service ") && told.contains("made up by a test; retrying"), "{code}: {told}");
        if code == 500 {
            for service in ["order", "cook", "delivery", "mypage", "gateway"] {
                assert!(world.get::<PodDisruptionBudget>(&format!("shop-{service}")).await.is_some(), "{service}");
            }
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_ever_other_words_is_repeated_as_seldom_as_any() {
    /// One for each service.
    const CALLS: usize = 5;
    let refusals = [403, 500].map(|code| async move {
        let interference = Interference::new(Plan::Refuse { call: "PATCH services", code });
        let world = World::disturbed("varying", &interference).await;
        world.shop(json!({})).await;
        world.shop_when("told", |shop| is(shop, READY, "False", "ApplyFailed")).await;
        // News of its other children, of Kafka and of the database wake it, too.
        sleep(Duration::from_secs(5)).await;
        let before = interference.refused();
        assert!(before >= 2 * CALLS, "{code}: {before} calls");
        sleep(Duration::from_secs(10)).await;
        // By now seconds lie between one attempt and the next.
        let calls = interference.refused() - before;
        assert!(calls <= 8 * CALLS, "{code}: {calls} calls in 10 s");
        world.end().await;
    });
    join_all(refusals).await;
}

/// An API server that lags behind shows the past to those who are content with it: an operator that starts anew would go
/// back there.
#[tokio::test]
async fn no_list_is_content_with_the_past() {
    let calm = undisturbed().await;
    assert!(calm.lists.iter().any(|query| query.contains("labelSelector")), "{:?}", calm.lists);
    assert!(!calm.lists.iter().any(|query| query.contains("resourceVersion")), "{:?}", calm.lists);
}
