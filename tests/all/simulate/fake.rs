//! A server that says of every file that it is safe, and does with it what a test wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::sha256;

/// What becomes of a file that was called safe.
#[derive(Clone, Copy, PartialEq)]
pub enum Lie {
    Lose,
    Damage,
    Double,
    /// It is there, and not in the zip.
    LeaveOutOfZip,
    /// It is not called safe at all.
    Refuse,
}

type Held = Arc<Mutex<Vec<Value>>>;

/// Listens until it is dropped.
pub struct Fake {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Fake {
    pub async fn that_will(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move { axum::serve(listener, router(lie)).await.expect("served") });
        Self { address, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(lie: Lie) -> Router {
    let upload = async move |State(held): State<Held>, mut form: Multipart| {
        if lie == Lie::Refuse {
            return (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Json(json!({"status": "error", "msg": "no time"})));
        }
        let field = form.next_field().await.expect("a form").expect("a part");
        let name = field.file_name().expect("a name").to_owned();
        keep(lie, &held, &name, &field.bytes().await.expect("whole"));
        (StatusCode::OK, HeaderMap::new(), Json(json!({"status": format!("success, uploaded {name}")})))
    };
    Router::new()
        .route("/tokenauth/request/", get(|| async { Json(json!({"status": "grant", "token": "token"})) }))
        .route("/recording/new/", get(|| async { Json(json!({"status": "success", "uuid": "some-uuid"})) }).post(upload))
        .route("/api/v1/requests", get(|| async { Json(json!([])) }))
        .route("/api/v1/requests/{id}/grant", post(|| async { StatusCode::NO_CONTENT }))
        .route(
            "/api/v1/datasets/{uuid}",
            get(|State(held): State<Held>| async move { Json(json!({"file_list": *held.lock().expect("held")})) }),
        )
        .layer(DefaultBodyLimit::disable())
        .with_state(Held::default())
}

fn keep(lie: Lie, held: &Held, name: &str, bytes: &[u8]) {
    let file = |bytes: &[u8]| json!({"name": name, "sent_name": name, "size": bytes.len(), "sha256": sha256(bytes)});
    let kept = match lie {
        Lie::Lose | Lie::Refuse => vec![],
        Lie::Damage => vec![file(&bytes[1..])],
        Lie::Double => vec![file(bytes), file(bytes)],
        Lie::LeaveOutOfZip => vec![file(bytes)],
    };
    held.lock().expect("held").extend(kept);
}
