//! What can come between an operator and the API server: every request goes through here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use foodplatform_operator::client;
use futures::future::pending;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{
    Client,
    client::{Body, ClientBuilder},
    core::{Status, response::StatusSummary},
};
use tokio::sync::watch;
use tower::BoxError;

use crate::{
    calls::{Call, Calls},
    news::{self, News},
};

/// What goes wrong with requests.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Nothing.
    Nothing,
    /// The operator ends at each of these writes.
    End { at: Arc<Calls>, moment: Moment },
    /// Each of these calls fails once.
    FailOnce { at: Arc<Calls>, how: Failure },
    /// One kind of call (verb and resource) always fails with this status, each time in other words.
    Refuse { call: &'static str, code: u16 },
    /// Each event of each watch that falls to this `share` of so many is lost, and with it whatever comes until the watch
    /// is begun anew.
    Lose { share: usize, of: usize },
    /// Whatever is told of FoodPlatforms has a text of another in the place of one, of the same length.
    Garble { from: &'static str, to: &'static str },
    /// While [`Interference::hold_back`] says so, the watch of this resource stands still, and lists of it tell of the past.
    Delay { resource: String },
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
    /// What the platform goes through.
    stage: Mutex<&'static str>,
    /// How many calls of each name got through.
    through: Mutex<BTreeMap<Call, usize>>,
    /// Those that the plan is about and that were met.
    met: Mutex<Calls>,
    /// How many calls were answered with a failure.
    refused: AtomicUsize,
    /// How many events there were, by watch.
    events: Arc<Mutex<HashMap<String, usize>>>,
    /// How many of them were lost.
    lost: Arc<AtomicUsize>,
    delayed: watch::Sender<bool>,
    /// The last list of what the plan delays, and what it was answered a while ago.
    past: Mutex<(Option<Request<()>>, Option<Bytes>)>,
    /// How many lists told of the past.
    late: AtomicUsize,
    /// The queries of lists.
    lists: Mutex<HashSet<String>>,
    /// How many operators have ended.
    ended: watch::Sender<usize>,
}

impl Interference {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            plan,
            stage: Mutex::new("create"),
            through: Mutex::default(),
            met: Mutex::default(),
            refused: AtomicUsize::new(0),
            events: Arc::default(),
            lost: Arc::default(),
            delayed: watch::Sender::new(false),
            past: Mutex::default(),
            late: AtomicUsize::new(0),
            lists: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// From now on the platform goes through this.
    pub(crate) fn enter(&self, stage: &'static str) {
        *self.stage.lock().unwrap() = stage;
    }

    /// The calls that got through.
    pub(crate) fn calls(&self) -> Calls {
        let through = self.through.lock().unwrap();
        through.iter().flat_map(|(call, count)| (0..*count).map(|after| Call { after, ..call.clone() })).collect()
    }

    /// The calls at which the operator ended, or that failed.
    pub(crate) fn met(&self) -> Calls {
        self.met.lock().unwrap().clone()
    }

    /// How many calls were answered with a failure.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// How many events were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// The queries of all lists.
    pub(crate) fn lists(&self) -> HashSet<String> {
        self.lists.lock().unwrap().clone()
    }

    /// How many lists told of the past.
    pub(crate) fn late(&self) -> usize {
        self.late.load(Ordering::SeqCst)
    }

    /// Keeps the present for those who are to be told of the past. `None`: nobody has asked for it so far.
    pub(crate) async fn keep(&self, client: &Client) -> Option<()> {
        let list = self.past.lock().unwrap().0.clone()?;
        let answer = client.send(list.map(|()| Body::empty())).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        self.past.lock().unwrap().1 = Some(answer);
        Some(())
    }

    /// Holds the news that the plan delays back for so long.
    pub(crate) async fn delay(&self, time: Duration) {
        self.hold_back(true);
        tokio::time::sleep(time).await;
        self.hold_back(false);
    }

    /// Begins to hold the news back that the plan delays, or ends it.
    pub(crate) fn hold_back(&self, is_delayed: bool) {
        self.delayed.send_replace(is_delayed);
    }

    /// Ends the operator.
    pub(crate) fn end(&self) {
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// How many operators have ended so far, and news of it.
    pub(crate) fn ended(&self) -> watch::Receiver<usize> {
        self.ended.subscribe()
    }

    /// The call with its place among those of its name.
    pub(crate) fn numbered(&self, call: Call) -> Call {
        let call = Call { stage: *self.stage.lock().unwrap(), ..call };
        let after = self.through.lock().unwrap().get(&call).copied().unwrap_or_default();
        Call { after, ..call }
    }

    /// The call got through.
    pub(crate) fn went_through(&self, call: &Call) {
        *self.through.lock().unwrap().entry(Call { after: 0, ..call.clone() }).or_default() += 1;
    }

    /// When the operator is to end by this write.
    pub(crate) fn end_at(&self, write: &Call) -> Option<Moment> {
        match &self.plan {
            Plan::End { at, moment } if at.contains(write) && !self.met.lock().unwrap().contains(write) => {
                Some(*moment)
            }
            _ => None,
        }
    }

    /// The operator ends by this write, and does no more.
    pub(crate) fn end_by(&self, write: Call) {
        self.met.lock().unwrap().insert(write);
        self.end();
    }

    /// How a call is to fail.
    fn fail(&self, call: &Call) -> Option<Failure> {
        match &self.plan {
            Plan::FailOnce { at, how } if at.contains(call) => {
                self.met.lock().unwrap().insert(call.clone()).then_some(*how)
            }
            Plan::Refuse { call: refused, code } if call.kind() == *refused => {
                self.met.lock().unwrap().insert(call.clone());
                Some(Failure::Status(*code))
            }
            _ => None,
        }
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
        if *self.ended.borrow() != life {
            // This operator is no more.
            return pending().await;
        }
        let call = self.numbered(Call::new(&request));
        if call.is_read() && !call.is_watch() {
            self.lists.lock().unwrap().insert(request.uri().query().unwrap_or_default().to_owned());
        }
        let end = self.end_at(&call);
        if end == Some(Moment::Before) {
            self.end_by(call);
            return pending().await;
        }
        let failure = self.fail(&call);
        match failure {
            Some(Failure::Status(code)) => {
                let before = self.refused.fetch_add(1, Ordering::SeqCst);
                return Ok(refusal(code, before).map(news::untouched));
            }
            Some(Failure::Reset) => return Err("connection reset".into()),
            Some(Failure::Silence) => return pending().await,
            Some(Failure::AnswerLost) | None => {}
        }
        if let Some(past) = self.of_the_past(&call, &request) {
            return Ok(Response::new(news::untouched(Body::from(past.to_vec()))));
        }
        let answer = client.send(request).await?;
        let is_done = answer.status().is_success();
        if call.is_read() || is_done {
            self.went_through(&call);
        }
        if end == Some(Moment::After) && is_done {
            self.end_by(call);
            return pending().await;
        }
        if failure.is_some() {
            return Err("connection closed before the answer".into());
        }
        Ok(answer.map(|answer| self.told(&call, answer)))
    }

    /// What a list is answered that is to tell of the past.
    fn of_the_past(&self, call: &Call, request: &Request<Body>) -> Option<Bytes> {
        match &self.plan {
            Plan::Delay { resource } if call.is_list() && call.is_to(resource) => {
                let mut past = self.past.lock().unwrap();
                let mut list = Request::new(());
                (*list.method_mut(), *list.uri_mut()) = (request.method().clone(), request.uri().clone());
                *list.headers_mut() = request.headers().clone();
                past.0 = Some(list);
                let told = past.1.clone().filter(|_| *self.delayed.borrow());
                self.late.fetch_add(usize::from(told.is_some()), Ordering::SeqCst);
                told
            }
            _ => None,
        }
    }

    /// What is told of an answer.
    fn told(&self, call: &Call, answer: Body) -> News {
        match &self.plan {
            Plan::Lose { share, of } if call.is_watch() => {
                let (share, of, watch) = (*share, *of, call.kind());
                let (events, lost) = (Arc::clone(&self.events), Arc::clone(&self.lost));
                news::losing(answer, move || {
                    let mut events = events.lock().unwrap();
                    let event = events.entry(watch.clone()).or_default();
                    *event += 1;
                    let is_lost = *event % of == share;
                    lost.fetch_add(usize::from(is_lost), Ordering::SeqCst);
                    is_lost
                })
            }
            Plan::Garble { from, to } if call.is_read() && call.is_to("foodplatforms") => {
                news::garbling(answer, from, to)
            }
            Plan::Delay { resource } if call.is_watch() && call.is_to(resource) => {
                news::freezing(answer, self.delayed.subscribe())
            }
            _ => news::untouched(answer),
        }
    }
}

/// A refusal after so many others.
fn refusal(code: u16, before: usize) -> Response<Body> {
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
        message: format!("answer {before} made up by a test"),
        reason: reason.to_owned(),
        metadata: None,
        details: None,
    };
    let mut answer = Response::new(Body::from(serde_json::to_vec(&status).unwrap()));
    *answer.status_mut() = code.try_into().unwrap();
    answer
}
