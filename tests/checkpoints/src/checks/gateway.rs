//! One way in: everything that customers, kitchens and couriers do goes by one address, and nothing else does.

use k8s_openapi::api::core::v1::{Pod, Service as KubeService};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    api::{Answer, Api, RESTAURANT, fresh, text},
    process::Service,
    servers,
    sse::Follower,
    wait,
};
use uuid::Uuid;

use crate::{
    Outcome, Shown, Stage,
    load::{EVERYTHING, GENTLE, Load},
    stage::PORT,
};

/// The way from order to cook, and nobody else's.
const CANCELLATIONS: &str = "/cancellations";

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    one_way_in(stage).await?;
    let load = Load::start(stage, GENTLE, EVERYTHING, &[]).await;
    let menu = api.menu_with_stock(10).await;
    let order = api.place_one(&menu, 1).await;
    let page = api.follow(&order, "DELIVERED").await;
    let (cook, delivery) = (text(&page, "cookId"), text(&page, "deliveryId"));
    let paths = [
        format!("/orders/{order}"),
        "/orders?limit=1".to_owned(),
        format!("/menus/{menu}"),
        "/menus?limit=1".to_owned(),
        format!("/menus/{menu}/movements"),
        format!("/cooks/{cook}"),
        "/cooks?limit=1".to_owned(),
        format!("/deliveries/{delivery}"),
        "/deliveries?limit=1".to_owned(),
        format!("/mypages/{order}"),
        "/mypages?customerId=ann".to_owned(),
        "/".to_owned(),
    ];
    for path in &paths {
        let answer = api.get(path).await;
        if answer.status != 200 {
            return Err(format!("GET {path}: {}: {}", answer.status, answer.text));
        }
    }
    // What changes something: whoever answers that this can't be done knows the way.
    let actions = [
        (Method::POST, format!("/orders/{order}/cancel")),
        (Method::DELETE, format!("/orders/{order}")),
        (Method::POST, format!("/cooks/{cook}/complete")),
        (Method::POST, format!("/cooks/{cook}/reject")),
        (Method::POST, format!("/deliveries/{delivery}/pick-up")),
        (Method::POST, format!("/deliveries/{delivery}/complete")),
        (Method::POST, format!("/deliveries/{delivery}/fail")),
    ];
    for (method, path) in &actions {
        let answer = api.send(api.request(method.clone(), path)).await;
        if ![200, 409].contains(&answer.status) {
            return Err(format!("{method} {path}: {}: {}", answer.status, answer.text));
        }
    }
    let heard = Follower::start(api.url(&format!("/mypages/{order}/events"))).until_status("DELIVERED").await;
    load.mark("/cancellations");
    let closed = cancellation(api, &menu).await;
    if closed.status != 404 {
        return Err(format!("POST /cancellations through the gateway: {}: {}", closed.status, closed.text));
    }
    // A stranger who has found the way past the gateway.
    let stranger = stranger(stage, &menu).await?;
    if !stranger.output.starts_with("HTTP/1.1 401 ") {
        return Err(format!("POST /cancellations to cook by a stranger: {}", stranger.output));
    }
    load.mark("the stranger's answer");
    load.answers(50).await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    let held = stage.delivered(traffic.told).await?;
    let service = format!("{}-gateway", stage.platform.name);
    let shown = vec![
        stranger,
        stage.kubectl(&["get", "services", "-l", &stage.platform.selector()]).await,
        stage.kubectl(&["get", "networkpolicies", "-l", &stage.platform.selector()]).await,
        stage.kubectl(&["describe", "service", &service]).await,
    ];
    Ok(Outcome {
        done: format!(
            "{} pages and lists, {} actions and a stream through {}, and /cancellations there and, from a pod, at cook itself",
            paths.len(),
            actions.len(),
            api.url("")
        ),
        seen: format!(
            "all were answered, the stream with {} events; the gateway's is the one Service with an address for others; \
             /cancellations is 404 at the gateway, and cook answers a stranger's pod 401; {answered} other requests and none failed; \
             {held}",
            heard.events.len()
        ),
        figure: format!("{} ways in, one address", paths.len() + actions.len() + 1),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// Whether the gateway's Service is the only one of the platform that the outside can reach, and by the address that is used.
async fn one_way_in(stage: &Stage) -> Result<(), String> {
    let services: Vec<KubeService> =
        stage.cluster().labelled(&stage.platform.namespace, &stage.platform.selector()).await;
    let open = |service: &&KubeService| {
        service.spec.as_ref().and_then(|spec| spec.type_.as_deref()).is_some_and(|type_| type_ != "ClusterIP")
    };
    let names: Vec<_> = services.iter().filter(open).map(ResourceExt::name_any).collect();
    let ports = services.iter().filter(open).filter_map(|service| service.spec.as_ref()?.ports.as_ref());
    let ports: Vec<_> = ports.flatten().filter_map(|port| port.node_port).collect();
    let address = stage.gateway.url("");
    let is_used = ports.iter().any(|port| address.trim_end_matches('/').ends_with(&format!(":{port}")));
    if names == [format!("{}-gateway", stage.platform.name)] && is_used {
        return Ok(());
    }
    Err(format!("the outside reaches {names:?} at ports {ports:?}, and {address} is what is asked"))
}

async fn cancellation(api: &Api, menu: &str) -> Answer {
    api.send(api.request(Method::POST, CANCELLATIONS).json(&cancellation_of(menu))).await
}

fn cancellation_of(menu: &str) -> Value {
    json!({
        "orderId": fresh(), "attemptId": Uuid::new_v4(), "customerId": "ann", "restaurantId": RESTAURANT, "menuId": menu,
        "quantity": 1,
    })
}

/// What a pod that doesn't belong to the platform, though it is in its namespace, is told by cook.
async fn stranger(stage: &Stage, menu: &str) -> Result<Shown, String> {
    let (namespace, name) = (&stage.platform.namespace, format!("stranger-{}", &fresh()[..8]));
    let cook = format!("{}.{namespace}.svc.cluster.local:{PORT}", stage.platform.child(Service::Cook));
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "stranger",
                "image": servers::stranger_image(),
                // It is on the node already.
                "imagePullPolicy": "Never",
                "args": [cook, CANCELLATIONS, cancellation_of(menu).to_string()],
            }],
        },
    });
    let pod: Pod = serde_json::from_value(pod).map_err(|error| error.to_string())?;
    let pods = stage.cluster().namespaced::<Pod>(namespace);
    pods.create(&PostParams::default(), &pod).await.map_err(|error| error.to_string())?;
    let ended = wait::until(&format!("the end of pod {name}"), wait::SOON, async || {
        let pod = pods.get(&name).await.map_err(|error| error.to_string())?;
        let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
        if ["Succeeded", "Failed"].contains(&phase.as_str()) { Ok(phase) } else { Err(phase) }
    })
    .await;
    let logs = stage.kubectl(&["logs", &name]).await;
    pods.delete(&name, &DeleteParams::default()).await.map_err(|error| error.to_string())?;
    if ended == "Succeeded" { Ok(logs) } else { Err(format!("pod {name} has not been answered: {}", logs.output)) }
}
