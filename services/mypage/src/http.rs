//! `GET /mypages…`: lists, single orders, and event streams.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use chassis::http::{Json, Limit, Page, Path, Problem, Query};
use chrono::DateTime;
use contract::Identifier;
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    live::{Live, State as LiveState},
    store::{self, Place},
    view::View,
};

/// How often a silent stream says that it is alive: well below what proxies on the way take for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a follower waits before it comes back after its stream broke.
const RETRY: Duration = Duration::from_secs(1);

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Pages {
    /// The database.
    pub(crate) pool: PgPool,
    /// The followed orders.
    pub(crate) live: Live,
    /// Cancelled when the process stops: streams end then.
    pub(crate) stopping: CancellationToken,
}

/// The routes, with their description.
pub(crate) fn api() -> OpenApiRouter<Pages> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one)).routes(routes!(events))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Whose orders
    #[param(inline)]
    customer_id: Identifier,
    /// The `next` of the page before
    #[param(pattern = "^[0-9]{1,16}~[A-Za-z0-9._-]{1,64}$")]
    cursor: Option<String>,
    /// The most items of a page
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
}

/// A customer's orders, the newest first
#[utoipa::path(
    get,
    path = "/mypages",
    operation_id = "listPages",
    tag = "mypages",
    params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<View>)),
)]
async fn list(State(pages): State<Pages>, Query(query): Query<ListQuery>) -> Result<Json<Page<View>>, Problem> {
    let after = query.cursor.as_deref().map(Place::parse).transpose();
    let after = after.map_err(|()| Problem::bad_parameter("cursor", "is not one that a list has given as next"))?;
    let known = store::of_customer(&pages.pool, &query.customer_id, after.as_ref(), query.limit.rows()).await?;
    let page = Page::new(known, query.limit, |last| {
        Place { seen: last.first_seen, order_id: last.order_id.clone() }.to_string()
    });
    Ok(Json(Page { items: page.items.into_iter().filter_map(View::of).collect(), next: page.next }))
}

impl std::fmt::Display for Place {
    /// The cursor: an order's id may hold anything but "~".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}", self.seen.timestamp_micros(), self.order_id)
    }
}

impl Place {
    fn parse(cursor: &str) -> Result<Self, ()> {
        let (micros, order_id) = cursor.split_once('~').ok_or(())?;
        let seen = DateTime::from_timestamp_micros(micros.parse().map_err(|_| ())?).ok_or(())?;
        // PostgreSQL's calendar is narrower than chrono's.
        if !(0..=9999).contains(&chrono::Datelike::year(&seen)) {
            return Err(());
        }
        Ok(Self { seen, order_id: order_id.parse().map_err(|_| ())? })
    }
}

/// An order with its cooking and its delivery
#[utoipa::path(
    get,
    path = "/mypages/{orderId}",
    operation_id = "getPage",
    tag = "mypages",
    params(("orderId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The order", body = View),
        (status = 404, description = "No such order is known here (yet)."),
    ),
)]
async fn one(State(pages): State<Pages>, Path(order_id): Path<Identifier>) -> Result<Json<View>, Problem> {
    let state = state_of(&pages, &order_id).await?;
    Ok(Json(View::clone(&state.view)))
}

async fn state_of(pages: &Pages, order_id: &Identifier) -> Result<LiveState, Problem> {
    let state = store::get(&pages.pool, order_id).await?.and_then(LiveState::of);
    state.ok_or_else(|| Problem::not_found(format!("no order {order_id} is known here (yet)")))
}

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: axum writes events field by field")]
struct OrderEvent {
    /// `order`
    #[schema(pattern = "^order$")]
    event: String,
    /// The state's version: what a follower sends as `Last-Event-ID` when it comes back.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
    /// The order, as `GET /mypages/{orderId}` gives it.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Follow an order
///
/// The order as it is, and then each time that it changes. A stream is of states, so one that breaks loses nothing:
/// the next begins with the state, unless the follower has it already (`Last-Event-ID`).
#[utoipa::path(
    get,
    path = "/mypages/{orderId}/events",
    operation_id = "followPage",
    tag = "mypages",
    params(
        ("orderId" = inline(Identifier), Path),
        ("Last-Event-ID" = inline(Option<String>), Header, description = "The last event that the follower has"),
    ),
    responses(
        (status = 200, description = "Events without end", body = OrderEvent, content_type = "text/event-stream"),
        (status = 404, description = "No such order is known here (yet)."),
    ),
)]
async fn events(
    State(pages): State<Pages>,
    Path(order_id): Path<Identifier>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = state_of(&pages, &order_id).await?;
    let has = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<i64>().ok());
    let states = follow(&pages.live, state, has);
    // The hint comes first and by itself: it also opens the stream when there is nothing to tell.
    let opening = stream::once(async { Event::default().retry(RETRY) });
    let states = states.map(|state| {
        let event = Event::default().event("order").id(state.version.to_string());
        // A view is plain data with string keys, which always serialises.
        event.json_data(&*state.view).unwrap_or_default()
    });
    let events = opening.chain(states).map(Ok::<_, Infallible>).take_until(pages.stopping.cancelled_owned());
    let no_buffering: [(HeaderName, HeaderValue); 2] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx and its like hold a response back until there is a lot of it.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok((no_buffering, sse).into_response())
}

/// The states of an order from `state` on, without the one that the follower `has`.
fn follow(live: &Live, state: LiveState, has: Option<i64>) -> impl Stream<Item = LiveState> + use<> {
    let mut states = live.follow(state);
    states.mark_changed();
    stream::unfold((states, has), |(mut states, has)| async move {
        loop {
            states.changed().await.ok()?;
            let state = states.borrow_and_update().clone();
            // Another id, not a higher one: an id from before a rebuild must not silence the stream.
            if has != Some(state.version) {
                let has = Some(state.version);
                return Some((state, (states, has)));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let place = Place {
            seen: DateTime::from_timestamp_micros(1_767_323_045_678_901).unwrap(),
            order_id: "o_1".parse().unwrap(),
        };
        assert_eq!(Place::parse(&place.to_string()), Ok(place));
        for bad in ["", "~", "1", "x~o", "1~", "1~a b", "9223372036854775807~o", "99999999999999999999~o"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
