//! What can come between an operator and the API server: every request goes through here.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use foodplatform_operator::client;
use futures::future::pending;
use http::{Method, Request, Response};
use kube::{
    Client,
    client::{Body, ClientBuilder},
    core::{Status, response::StatusSummary},
};
use tokio::sync::watch;
use tower::BoxError;

use crate::news::{self, News};

/// What goes wrong with requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// Nothing.
    Nothing,
    /// The operator ends at every `stride`th write, counted from `first` over all its lives.
    End { first: usize, stride: usize, moment: Moment },
    /// Each kind of call (verb and resource) that falls to this `share` of so many fails once.
    FailOnce { how: Failure, share: u64, of: u64 },
    /// One kind of call (verb and resource) always fails with this status.
    Refuse { call: &'static str, code: u16 },
    /// Each event of each watch that falls to this `share` of so many is lost, and with it whatever comes until the watch
    /// is begun anew.
    Lose { share: usize, of: usize },
    /// Whatever is told of FoodPlatforms has a text of another in the place of one, of the same length.
    Garble { from: &'static str, to: &'static str },
    /// The watches of these resources stand still while the platform is changed.
    Freeze { resources: &'static [&'static str] },
}

/// When an operator ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    /// Its write doesn't reach the API server.
    Before,
    /// Its write was carried out, and it doesn't hear of it.
    After,
}

/// How a request fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// The API server says no with this status.
    Status(u16),
    /// The connection breaks before the request is read.
    Reset,
    /// The request is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// The API server never answers.
    Silence,
}

/// Stands between an operator and the API server.
#[derive(Debug)]
pub(crate) struct Interference {
    plan: Plan,
    writes: AtomicUsize,
    failed: Mutex<HashSet<String>>,
    /// How many events there were, by watch.
    events: Arc<Mutex<HashMap<String, usize>>>,
    /// How many of them were lost.
    lost: Arc<AtomicUsize>,
    frozen: watch::Sender<bool>,
    /// The queries of lists.
    lists: Mutex<HashSet<String>>,
    /// How many operators have ended.
    ended: watch::Sender<usize>,
}

impl Interference {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            plan,
            writes: AtomicUsize::new(0),
            failed: Mutex::default(),
            events: Arc::default(),
            lost: Arc::default(),
            frozen: watch::Sender::new(false),
            lists: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// How many events were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// The queries of all lists.
    pub(crate) fn lists(&self) -> HashSet<String> {
        self.lists.lock().unwrap().clone()
    }

    /// Begins to freeze what the plan names, or ends it.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.frozen.send_replace(is_frozen);
    }

    /// The calls that failed.
    pub(crate) fn failed(&self) -> HashSet<String> {
        self.failed.lock().unwrap().clone()
    }

    /// How many operators have ended so far, and news of it.
    pub(crate) fn ended(&self) -> watch::Receiver<usize> {
        self.ended.subscribe()
    }

    /// A client for one life of an operator.
    pub(crate) fn client(self: &Arc<Self>, client: &Client) -> Client {
        let (here, client) = (Arc::clone(self), client.clone());
        let life = *here.ended.borrow();
        let service = tower::service_fn(move |request| {
            let (here, client) = (Arc::clone(&here), client.clone());
            async move { here.pass(&client, life, request).await }
        });
        client::patient(ClientBuilder::new(service, "default")).unwrap()
    }

    async fn pass(&self, client: &Client, life: usize, request: Request<Body>) -> Result<Response<News>, BoxError> {
        let ask = async |request| client.send(request).await.map_err(BoxError::from);
        let send = async |request| Ok(ask(request).await?.map(news::untouched));
        if *self.ended.borrow() != life {
            // This operator is no more.
            return pending().await;
        }
        let call = call(&request);
        if request.method() == Method::GET && !call.starts_with("WATCH") {
            self.lists.lock().unwrap().insert(request.uri().query().unwrap_or_default().to_owned());
        }
        match self.plan {
            Plan::End { first, stride, moment } if is_write(&request) => {
                let write = self.writes.fetch_add(1, Ordering::SeqCst);
                if write < first || !(write - first).is_multiple_of(stride) {
                    return send(request).await;
                }
                if moment == Moment::After {
                    send(request).await?;
                }
                self.ended.send_modify(|ended| *ended += 1);
                pending().await
            }
            Plan::FailOnce { how, share, of }
                if hash(&call) % of == share && self.failed.lock().unwrap().insert(call.clone()) =>
            {
                match how {
                    Failure::Status(code) => Ok(refusal(code).map(news::untouched)),
                    Failure::Reset => Err("connection reset".into()),
                    Failure::AnswerLost => {
                        send(request).await?;
                        Err("connection closed before the answer".into())
                    }
                    Failure::Silence => pending().await,
                }
            }
            Plan::Refuse { call: refused, code } if call == refused => {
                self.failed.lock().unwrap().insert(call);
                Ok(refusal(code).map(news::untouched))
            }
            Plan::Lose { share, of } if call.starts_with("WATCH") => {
                let (events, lost) = (Arc::clone(&self.events), Arc::clone(&self.lost));
                let is_lost = move || {
                    let mut events = events.lock().unwrap();
                    let event = events.entry(call.clone()).or_default();
                    *event += 1;
                    let is_lost = *event % of == share;
                    lost.fetch_add(usize::from(is_lost), Ordering::SeqCst);
                    is_lost
                };
                Ok(ask(request).await?.map(|watch| news::losing(watch, is_lost)))
            }
            Plan::Garble { from, to } if call.ends_with(" foodplatforms") && !is_write(&request) => {
                Ok(ask(request).await?.map(|answer| news::garbling(answer, from, to)))
            }
            Plan::Freeze { resources }
                if call.strip_prefix("WATCH ").is_some_and(|resource| resources.contains(&resource)) =>
            {
                Ok(ask(request).await?.map(|watch| news::freezing(watch, self.frozen.subscribe())))
            }
            _ => {
                self.writes.fetch_add(usize::from(is_write(&request)), Ordering::SeqCst);
                send(request).await
            }
        }
    }
}

/// Verb and resource, such as `PATCH deployments`.
fn call(request: &Request<Body>) -> String {
    let mut parts = request.uri().path().split('/').skip_while(|part| *part != "namespaces").skip(2);
    let (resource, _, subresource) = (parts.next().unwrap_or("other"), parts.next(), parts.next());
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = if watches { "WATCH" } else { request.method().as_str() };
    format!("{verb} {resource}{}", subresource.map(|sub| format!("/{sub}")).unwrap_or_default())
}

/// Whether it changes anything that matters: an event tells of it only.
fn is_write(request: &Request<Body>) -> bool {
    request.method() != Method::GET && !call(request).contains("events")
}

fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        504 => "Timeout",
        _ => "InternalError",
    };
    let status = Status {
        status: Some(StatusSummary::Failure),
        code,
        message: "made up by a test".to_owned(),
        reason: reason.to_owned(),
        metadata: None,
        details: None,
    };
    let mut answer = Response::new(Body::from(serde_json::to_vec(&status).unwrap()));
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
