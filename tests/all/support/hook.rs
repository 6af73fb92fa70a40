//! A webhook's other end, that keeps what is posted to it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Connection, TestCertificate};

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Posted {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What it answers: a status and where to go; nothing at all for status 0.
type Answer = (u16, String);

#[derive(Default)]
struct State {
    posted: Vec<Posted>,
    answers: VecDeque<Answer>,
}

/// The other end.
pub struct Hook {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

impl Hook {
    /// Answers with 200, and before that with these.
    pub async fn start(answers: &[(u16, &str)]) -> Self {
        Self::start_with(answers, None).await
    }

    pub async fn start_with(answers: &[(u16, &str)], certificate: Option<TestCertificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = answers.iter().map(|(status, location)| (*status, (*location).to_owned())).collect();
        let state = Arc::new(Mutex::new(State { answers, ..State::default() }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, certificate) = (Arc::clone(&shared), certificate.clone());
                tokio::spawn(async move {
                    let stream: Box<dyn Connection> = match certificate {
                        None => Box::new(stream),
                        Some(certificate) => {
                            let Ok(stream) = certificate.acceptor.accept(stream).await else { return };
                            Box::new(stream)
                        }
                    };
                    let service = service_fn(move |request| keep(request, Arc::clone(&state)));
                    // Whoever hangs up has its answer.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, state, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.state.lock().expect("no panic").posted.clone()
    }
}

async fn keep(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let path = head.uri.to_string();
    let answer = {
        let mut state = state.lock().expect("no panic");
        state.posted.push(Posted { path, headers: head.headers, body });
        state.answers.pop_front()
    };
    let (status, location) = answer.unwrap_or((200, String::new()));
    if status == 0 {
        std::future::pending::<()>().await;
    }
    Ok(Response::builder().status(status).header("location", location).body(Full::default()).expect("an answer"))
}
