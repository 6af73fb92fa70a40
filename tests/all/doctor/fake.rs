//! What a real server on this machine never says: a fake that speaks the wire's voice, with a clock and a health of its own.

use std::time::{Duration, SystemTime};

use axum::{
    Router,
    http::{Method, StatusCode, header},
    routing::{any, get},
};
use tokio::net::TcpListener;

use super::run::Said;

const REFUSAL: &str = r#"{"status":"error","msg":"no"}"#;

/// A server whose clock is so many seconds off, that answers `/readyz` so, and a HEAD with this status.
struct Fake {
    ahead: i64,
    ready: (StatusCode, &'static str),
    head: StatusCode,
}

impl Default for Fake {
    fn default() -> Self {
        Self { ahead: 0, ready: (StatusCode::OK, r#"{"catalog":"ok","disk":"ok"}"#), head: StatusCode::METHOD_NOT_ALLOWED }
    }
}

impl Fake {
    fn router(self) -> Router {
        let (ahead, head) = (self.ahead, self.head);
        let handshake = move |method: Method| async move {
            let date = httpdate::fmt_http_date(apart(ahead));
            let status = if method == Method::HEAD { head } else { StatusCode::BAD_REQUEST };
            (status, [(header::DATE, date), (header::CACHE_CONTROL, "no-store".to_owned())], REFUSAL)
        };
        Router::new()
            .route("/tokenauth/request/", any(handshake))
            .route("/recording/new/", any(|| async { (StatusCode::UNAUTHORIZED, REFUSAL) }))
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(move || async move { self.ready }))
    }

    async fn examined(self) -> Said {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move { axum::serve(listener, self.router()).await });
        let said = Said::by(&[&format!("http://{address}")]).await;
        serving.abort();
        said
    }
}

fn apart(seconds: i64) -> SystemTime {
    let apart = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::now() - apart } else { SystemTime::now() + apart }
}

#[tokio::test]
async fn a_server_in_health_has_nothing_to_say() {
    let said = Fake::default().examined().await;
    assert_eq!((said.all("warn"), said.all("fail")), (vec![], vec![]));
    said.is_fine("readyz", &["well"]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_with_how_far() {
    Fake { ahead: -1000, ..Fake::default() }.examined().await.fails_only("clock", &["s behind", "timedatectl"]);
    Fake { ahead: 300, ..Fake::default() }.examined().await.warns("clock", &["s ahead of"]);
}

#[tokio::test]
async fn what_ails_a_server_is_named() {
    let ready = (StatusCode::SERVICE_UNAVAILABLE, r#"{"catalog":"ok","disk":"no room"}"#);
    let said = Fake { ready, ..Fake::default() }.examined().await;
    said.fails_only("readyz", &[r#"(disk: "no room")"#]);
    let ready = (StatusCode::NOT_FOUND, "");
    Fake { ready, ..Fake::default() }.examined().await.warns("readyz", &["older"]);
}

#[tokio::test]
async fn a_cache_that_asks_on_its_own_is_a_warning() {
    Fake { head: StatusCode::BAD_REQUEST, ..Fake::default() }.examined().await.warns("caching", &["proxy_cache"]);
}
