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
    load::{EVERYTHING, Load, Rate},
};

/// Customers who begin to follow an order ahead of each rollout.
const FOLLOWERS: i64 = 8;
/// What an order goes through.
const WAY: [&str; 4] = ["PLACED", "COOKING", "DELIVERING", "DELIVERED"];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 10, reads: 40 }, Rate { orders: 40, reads: 160 });
    let least = stage.length.pick(300, 20_000);
    // Long enough that an order is under way while everything is replaced.
    let cooking_time = stage.length.pick("12s..18s", "20s..30s");
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": cooking_time } } } })).await;
    stage.until_settled().await;
    let spec = stage.platform.get().await["spec"].take();
    let before = spec["image"]["tag"].as_str().ok_or("the platform's spec has no image.tag")?;
    let next = servers::next_image_tag();
    // In the short form what undoes the change is the way back.
    let both = [next.as_str(), before];
    let tags = &both[..stage.length.pick(1, 2)];

    let load = Load::start(stage, rate, EVERYTHING, &Service::ALL).await;
    load.answers(100).await;
    let (mut followers, mut shown) = (vec![], vec![]);
    // All of the requests have to fall into rollouts: while there are too few, there are others.
    loop {
        for tag in tags {
            followers.extend(roll_out(stage, &load, tag).await);
            shown.push(stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await);
        }
        let (answered, failed) = load.totals();
        if answered + failed >= least {
            break;
        }
    }
    let traffic = load.stop().await;
    let heard = join_all(followers.iter().map(|follower| follower.until_status("DELIVERED"))).await;
    heard.iter().try_for_each(followed)?;
    let resumed = heard.iter().filter(|heard| has_resumed(heard)).count();
    let answered = traffic.without_deferral()?;
    let held = stage.delivered(traffic.told).await?;
    Ok(Outcome {
        done: format!(
            "all five services from tag {before} to {} under load, {} rollouts in all",
            tags.join(" and then to "),
            shown.len()
        ),
        seen: format!(
            "{answered} requests and none failed; {} customers followed their orders to DELIVERED, {resumed} of them over a broken \
             stream, and heard of no state twice; {held}",
            heard.len()
        ),
        figure: format!("0 of {answered} failed"),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// Replaces all pods by such of another tag, and gives those who have begun to follow an order ahead of it.
async fn roll_out(stage: &Stage, load: &Load, tag: &str) -> Vec<Follower> {
    let menu = stage.gateway.menu_with_stock(FOLLOWERS).await;
    let mut followers = vec![];
    for _ in 0..FOLLOWERS {
        let order = stage.gateway.place_one(&menu, 1).await;
        // Until MyPage knows of it the answer is 404, after which nobody comes back.
        stage.gateway.follow(&order, "COOKING").await;
        let follower = Follower::start(stage.gateway.url(&format!("/mypages/{order}/events")));
        follower.until("an open stream", |heard| heard.opened > 0).await;
        followers.push(follower);
    }
    load.mark(format!("tag {tag}"));
    stage.change(json!({ "image": { "tag": tag } })).await;
    for service in Service::ALL {
        stage.until_image(service, |image| image.ends_with(tag)).await;
    }
    stage.platform.until_ready().await;
    load.mark("all pods new");
    // No pod of MyPage or the gateway is left that they heard it from.
    wait::until("a customer who follows over a broken stream", wait::SOON, async || {
        let heard: Vec<_> = followers.iter().map(Follower::heard).collect();
        if heard.iter().any(has_resumed) { Ok(()) } else { Err(format!("{heard:?}")) }
    })
    .await;
    followers
}

fn has_resumed(heard: &Heard) -> bool {
    heard.opened > 1
}

/// Whether a follower was told of the states in their order and of none twice, and of nothing that makes a browser give up.
fn followed(heard: &Heard) -> Result<(), String> {
    let place = |status: &str| WAY.iter().position(|known| *known == status);
    let places: Option<Vec<_>> = heard.statuses().into_iter().map(place).collect();
    if !places.is_some_and(|places| places.is_sorted()) {
        return Err(format!("a customer who followed an order heard {:?}", heard.statuses()));
    }
    if heard.events.windows(2).any(|pair| pair[0].id == pair[1].id) {
        return Err(format!("a customer who followed an order heard the same twice: {:?}", heard.events));
    }
    match heard.refusals.first() {
        Some(answer) => Err(format!("a customer who followed an order, and came back, was answered {answer}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ::tests::sse::Event;
    use serde_json::json;

    use super::*;

    fn heard(events: &[(&str, &str)]) -> Heard {
        let event = |(id, status): &(&str, &str)| Event { id: (*id).to_owned(), data: json!({ "status": status }) };
        Heard { events: events.iter().map(event).collect(), ..Heard::default() }
    }

    #[test]
    fn states_have_an_order_and_come_once() {
        // A state may change in another way than by its name.
        followed(&heard(&[("1", "PLACED"), ("2", "COOKING"), ("3", "COOKING"), ("5", "DELIVERED")])).unwrap();
        followed(&heard(&[("1", "COOKING"), ("2", "PLACED")])).unwrap_err();
        followed(&heard(&[("1", "CANCELLED")])).unwrap_err();
        followed(&heard(&[("1", "PLACED"), ("2", "COOKING"), ("2", "COOKING")])).unwrap_err();
    }

    #[test]
    fn a_browser_gives_up_after_an_answer_that_is_no_stream() {
        let calm = heard(&[("1", "COOKING"), ("2", "DELIVERED")]);
        followed(&Heard { failures: vec!["the stream has ended".to_owned()], ..calm.clone() }).unwrap();
        followed(&Heard { refusals: vec!["503 Service Unavailable".to_owned()], ..calm }).unwrap_err();
    }
}
