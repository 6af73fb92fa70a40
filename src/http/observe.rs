//! One line in the log for each request, an id that ties it to other lines, and its count.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::{METRICS, RequestLabels};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs and counts a request by its route, never by its address: that may hold what names a watch. The id is ours, whatever
/// the client sends, and the client gets it back to ask about.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let method = known(request.method());
    let id = Uuid::new_v4().simple().to_string();
    let span = tracing::info_span!("request", id);
    async {
        // Boxed: ten thousand slow uploads wait here at once.
        let mut response = Box::pin(next.run(request)).await;
        let (status, took) = (response.status().as_u16(), began.elapsed());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if is_a_probe(&route) {
            tracing::debug!(method, route, status, ms, "answered");
        } else {
            tracing::info!(method, route, status, ms, "answered");
        }
        METRICS.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        METRICS.request_seconds.observe(took.as_secs_f64());
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
    .instrument(span)
    .await
}

/// Asked every few seconds, and nothing that anybody would look for.
fn is_a_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics")
}

/// A client may call its method anything.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
