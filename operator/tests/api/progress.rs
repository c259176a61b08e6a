//! What those who wait for a platform as for any other object make of it at its edges: every test holds what is between against
//! kstatus, too, see `World::end`.

use foodplatform_operator::api::FoodPlatform;
use serde_json::json;

use crate::{
    kstatus::{answers, misunderstood},
    world::World,
};

/// Without a status of any kind it would be taken for done.
#[tokio::test]
async fn what_no_operator_has_looked_at_is_in_progress() {
    let world = World::unattended("unseen").await;
    world.shop(json!({})).await;
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    let answers = answers(std::slice::from_ref(&shop));
    assert_eq!(answers[0].status, "InProgress", "{answers:?} of {:?}", shop.status);
    world.end().await;
}

#[test]
fn what_kstatus_takes_for_something_else_is_found() {
    let platform = |reason: &str, ready: &str, stalled: &str| -> FoodPlatform {
        let condition = |type_: &str, status: &str| {
            let time = "2026-01-01T00:00:00Z";
            json!({ "type": type_, "status": status, "reason": reason, "message": "so", "lastTransitionTime": time })
        };
        let mut platform = crate::world::shop(json!({ "kafka": { "bootstrapServers": "kafka:9092" } }));
        platform["metadata"]["generation"] = json!(3);
        platform["status"] = json!({
            "observedGeneration": 3,
            "conditions": [condition("Ready", ready), condition("Reconciling", "False"), condition("Stalled", stalled)],
        });
        serde_json::from_value(platform).unwrap()
    };
    assert_eq!(
        misunderstood(&[platform("Ready", "True", "False"), platform("NameConflict", "False", "True")]),
        [""; 0]
    );
    for wrong in [
        platform("NameConflict", "False", "False"),
        platform("Progressing", "False", "True"),
        platform("Progressing", "True", "False"),
    ] {
        assert_eq!(misunderstood(&[wrong]).len(), 1);
    }
}
