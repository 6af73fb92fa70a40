//! One line in the log for each request, an id that ties it to other lines, and its count.
//!
//! This stands outside of the router and boxes nothing: ten thousand slow uploads wait here at once.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Instant};

use axum::{
    BoxError, Extension, Router,
    body::{Bytes, HttpBody},
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower::Service;
use tracing::Instrument;
use uuid::Uuid;

use super::error::Problem;
use crate::metrics::{METRICS, RequestLabels};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request, logs and counts it. By its route, never by its address: that may hold what names a watch. The id is ours,
/// whatever the client sends, and the client gets it back to ask about.
pub fn observed<B>(router: &mut Router, request: hyper::Request<B>) -> impl Future<Output = Result<Response, Infallible>> + use<B>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (id, began, method) = (Uuid::new_v4(), Instant::now(), known(request.method()));
    let span = tracing::info_span!("request", id = %id.simple());
    let answer = AssertUnwindSafe(router.call(request)).catch_unwind();
    async move {
        // A fault of ours that nobody foresaw is an answer, too: a watch must be told that its file is not safe.
        let mut response = match answer.await {
            Ok(answer) => answer?,
            Err(_) => Problem::internal(&"a handler panicked").into_response(),
        };
        note(method, &response, began);
        response.headers_mut().extend(HeaderValue::try_from(id.simple().to_string()).ok().map(|id| (REQUEST_ID, id)));
        Ok(response)
    }
    .instrument(span)
}

fn note(method: &'static str, response: &Response, began: Instant) {
    let route = response.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    let (status, took) = (response.status().as_u16(), began.elapsed());
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if is_a_probe(route) {
        tracing::debug!(method, route, status, ms, "answered");
    } else {
        tracing::info!(method, route, status, ms, "answered");
    }
    METRICS.requests.get_or_create(&RequestLabels { method, route: route.to_owned(), status }).inc();
    METRICS.request_seconds.observe(took.as_secs_f64());
}

/// Notes on an answer which route it came from.
pub(super) async fn with_its_route(request: Request, next: Next) -> impl IntoResponse {
    let route = route_of(&request);
    (route, next.run(request).await)
}

/// The route that a request has taken, to be noted on its answer.
pub(super) fn route_of(request: &Request) -> Option<Extension<MatchedPath>> {
    request.extensions().get().cloned().map(Extension)
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

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};

    use super::*;

    async fn breaks() {
        panic!("on purpose");
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_with_an_id() {
        let mut router = Router::new().route("/breaks", get(breaks));
        let request = hyper::Request::get("/breaks").body(Body::empty()).expect("a request");
        let Ok(answer) = observed(&mut router, request).await;
        assert_eq!(answer.status(), 500);
        assert!(answer.headers().contains_key(REQUEST_ID));
    }
}
