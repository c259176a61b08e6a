//! What the API server is asked for, and what becomes of its answers.

use std::{future::pending, time::Duration};

use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams, client::Body, core::Status};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tower::BoxError;

use super::{
    follow,
    history::{self, Seen},
    pods::Source,
    print::Printer,
};

/// For what takes the one second between two attempts.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pod whose service's container runs beside another's.
fn pod() -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{name}"), "state": { "running": {} },
        })
    };
    json!({
        "metadata": { "name": "shop-order-1", "resourceVersion": "1", "labels": { "app.kubernetes.io/name": "order" } },
        "status": { "containerStatuses": [container("istio-proxy"), container("order")] },
    })
}

/// An API server with that pod: `log` answers whoever asks for its log. With the queries that asked.
fn server(
    log: impl Fn() -> Result<Response<Body>, BoxError> + Clone + Send + Sync + 'static,
) -> (Api<Pod>, mpsc::UnboundedReceiver<String>) {
    let (tell, asked) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (log, tell) = (log.clone(), tell.clone());
        async move {
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default().to_owned());
            if path.ends_with("/log") {
                tell.send(query)?;
                return log();
            }
            if query.contains("watch=true") {
                return pending().await;
            }
            let list = json!({ "metadata": { "resourceVersion": "1" }, "items": [pod()] });
            let answer = if path.ends_with("/pods") { list } else { pod() };
            Ok(Response::new(Body::from(answer.to_string().into_bytes())))
        }
    });
    (Api::namespaced(Client::new(service, "food"), "food"), asked)
}

/// The first `count` queries for logs of one who follows them with `window`.
async fn followed(
    pods: &Api<Pod>,
    asked: &mut mpsc::UnboundedReceiver<String>,
    window: &LogParams,
    count: usize,
    printer: &mut Printer<Vec<u8>>,
) -> Vec<String> {
    let mut queries = Vec::new();
    let enough = async {
        while queries.len() < count {
            queries.extend(asked.recv().await);
        }
    };
    tokio::select! {
        ended = follow::print(pods, "a=b", window, Instant::now(), Seen::new(), printer) => panic!("{ended:?}"),
        in_time = tokio::time::timeout(PATIENCE, enough) => in_time.unwrap(),
    }
    queries
}

#[tokio::test]
async fn the_service_s_container_is_asked_for() {
    let line = b"2026-01-02T03:04:06Z one\n";
    let (pods, mut asked) = server(|| Ok(Response::new(Body::from(line.to_vec()))));
    let source = Source::new(&serde_json::from_value(pod()).unwrap()).unwrap();
    assert_eq!(source.container, "containerd://order");
    let mut printer = Printer::to_memory(true);
    history::print(&pods, vec![source], &LogParams::default(), &mut printer).await.unwrap();
    assert_eq!(printer.printed(), "one\n");
    let mut queries = vec![asked.recv().await.unwrap()];
    queries.extend(followed(&pods, &mut asked, &LogParams::default(), 1, &mut printer).await);
    assert!(queries.iter().all(|query| query.contains("container=order")), "{queries:?}");
}

#[tokio::test]
async fn a_log_that_stays_quiet_is_asked_for_again_from_the_beginning_on_and_without_a_tail() {
    // As the client gives up on an answer that doesn't begin.
    let (pods, mut asked) = server(|| Err("request timed out".into()));
    let window = LogParams { tail_lines: Some(0), timestamps: true, ..Default::default() };
    let mut printer = Printer::to_memory(true);
    let queries = followed(&pods, &mut asked, &window, 2, &mut printer).await;
    for query in &queries {
        assert!(query.contains("follow=true") && !query.contains("tailLines"), "{query}");
    }
    let since = |query: &String| {
        let seconds = query.split('&').find_map(|pair| pair.strip_prefix("sinceSeconds="));
        seconds.unwrap_or_else(|| panic!("{query}")).parse::<u64>().unwrap()
    };
    let since: Vec<u64> = queries.iter().map(since).collect();
    assert!(since[0] >= 1 && since[1] > since[0], "by the second that it takes to ask again: {since:?}");
    assert!(printer.refusals.is_empty(), "{:?}", printer.refusals);
}

#[tokio::test]
async fn a_log_that_is_refused_is_told() {
    for code in [400, 403] {
        let (pods, mut asked) = server(move || {
            let refusal = Status::failure("no", "Reason").with_code(code);
            let answer = Response::builder().status(code);
            Ok(answer.body(Body::from(serde_json::to_vec(&refusal)?))?)
        });
        let mut printer = Printer::to_memory(true);
        let queries = followed(&pods, &mut asked, &LogParams::default(), 2, &mut printer).await;
        assert_eq!(queries.len(), 2, "it is tried again");
        assert_eq!(printer.refusals.into_iter().collect::<Vec<_>>(), ["the log of pod shop-order-1: no"]);
    }
}
