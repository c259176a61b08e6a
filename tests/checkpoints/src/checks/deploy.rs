//! A new version, and back, while people order: nobody is turned away, and who follows an order goes on following.

use ::tests::{
    process::Service,
    servers,
    sse::{Follower, Heard},
    wait,
};
use futures::future::join_all;
use serde_json::json;

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
};

/// Long enough that an order is under way while everything is replaced.
const COOKING_TIME: &str = "20s..30s";
/// Customers who follow an order during each of the two rollouts.
const FOLLOWERS: usize = 8;
/// What an order goes through.
const WAY: [&str; 4] = ["PLACED", "COOKING", "DELIVERING", "DELIVERED"];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 10, reads: 40 }, Rate { orders: 40, reads: 160 });
    let least = stage.length.pick(1_000, 20_000);
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": COOKING_TIME } } } })).await;
    stage.platform.until_ready().await;
    let before = stage.platform.get().await["spec"]["image"]["tag"].as_str().unwrap_or_default().to_owned();
    let next = servers::next_image_tag();

    let load = Load::start(stage, rate, &Service::ALL).await;
    load.answers(100).await;
    let (mut followers, mut shown) = (vec![], vec![]);
    for tag in [&next, &before] {
        for _ in 0..FOLLOWERS {
            let menu = stage.gateway.menu_with_stock(1).await;
            let order = stage.gateway.place_one(&menu, 1).await;
            followers.push(Follower::start(stage.gateway.url(&format!("/mypages/{order}/events"))));
        }
        load.mark(format!("tag {tag}"));
        stage.change(json!({ "image": { "tag": tag } })).await;
        for service in Service::ALL {
            stage.until_image(service, |image| image.ends_with(tag.as_str())).await;
        }
        stage.platform.until_ready().await;
        load.mark("all pods new");
        shown.push(stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await);
    }
    wait::until(&format!("{least} requests"), ::tests::cluster::READY * 2, async || {
        let (answered, failed) = load.totals();
        if answered + failed >= least { Ok(()) } else { Err(format!("{answered} answered, {failed} failed")) }
    })
    .await;
    let heard = join_all(followers.iter().map(|follower| follower.until_status("DELIVERED"))).await;
    let resumed = heard.iter().filter(|heard| heard.opened > 1).count();
    heard.iter().try_for_each(in_order)?;
    if resumed == 0 {
        return Err("no stream broke though all pods of MyPage were replaced: nobody had to come back".to_owned());
    }
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let held = stage.invariants(traffic.told).await?;
    Ok(Outcome {
        done: format!("all five services to tag {next} and back to {before} under load"),
        seen: format!(
            "{answered} requests and none failed; {} customers followed their orders to DELIVERED, {resumed} of them over a broken \
             stream; {held}",
            heard.len()
        ),
        figure: format!("0 of {answered} failed"),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// Whether a follower was told of each state in its order, and of none twice.
fn in_order(heard: &Heard) -> Result<(), String> {
    let place = |status: &str| WAY.iter().position(|known| *known == status);
    let places: Option<Vec<_>> = heard.statuses().into_iter().map(place).collect();
    match places {
        Some(places) if places.is_sorted() => Ok(()),
        _ => Err(format!("a customer who followed an order heard {:?}", heard.statuses())),
    }
}

#[cfg(test)]
mod tests {
    use ::tests::sse::Event;
    use serde_json::json;

    use super::*;

    #[test]
    fn states_have_an_order() {
        let heard = |statuses: &[&str]| Heard {
            events: statuses
                .iter()
                .map(|status| Event { id: String::new(), data: json!({ "status": status }) })
                .collect(),
            ..Heard::default()
        };
        in_order(&heard(&["PLACED", "COOKING", "COOKING", "DELIVERED"])).unwrap();
        in_order(&heard(&["COOKING", "PLACED"])).unwrap_err();
        in_order(&heard(&["CANCELLED"])).unwrap_err();
    }
}
