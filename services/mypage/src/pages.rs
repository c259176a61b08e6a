//! The web pages: static files in the binary. All data comes from the API, fetched by the pages' scripts.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};

/// Nothing but this origin's own files, and no inline script: what customers write can't run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The routes: `/` and `/ui/…`.
pub(crate) fn routes() -> Router {
    const HTML: &str = "text/html; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", file(HTML, include_str!("../web/index.html")))
        .route("/ui/orders/{orderId}", file(HTML, include_str!("../web/order.html")))
        .route("/ui/app.css", file("text/css; charset=utf-8", include_str!("../web/app.css")))
        .route("/ui/common.js", file(SCRIPT, include_str!("../web/common.js")))
        .route("/ui/home.js", file(SCRIPT, include_str!("../web/home.js")))
        .route("/ui/order.js", file(SCRIPT, include_str!("../web/order.js")))
        .route("/ui/icon.svg", file("image/svg+xml", include_str!("../web/icon.svg")))
}

fn file(kind: &'static str, content: &'static str) -> MethodRouter {
    get(move || async move { answer(kind, content) })
}

fn answer(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // The files are small and change with the release: always the running one's.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str) -> (Response, String) {
        let mut response = routes().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let body = axum::body::to_bytes(std::mem::take(response.body_mut()), 1 << 20).await.unwrap();
        (response, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whatever_a_page_names_is_served_from_here() {
        let mut paths = vec!["/".to_owned(), "/ui/orders/o-1".to_owned()];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(path) = paths.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let (response, text) = fetch(&path).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY, "{path}");
            let named = text.split('"').filter(|word| word.starts_with("/ui/") && word.contains('.'));
            paths.extend(named.map(str::to_owned));
            assert!(!text.contains("style=\"") && !text.contains("onclick=\""), "{path} breaks its own policy");
        }
        assert!(seen.len() > 5, "{seen:?}");
    }
}
