//! One question and its answer, over a connection of its own, with the patience of the app in the field.

use std::{error::Error, net::SocketAddr, sync::Arc};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{question::Sent, tls};
use crate::outside::{PATIENCE, Server, Stream, WATCH, encrypt};

/// What is read of an answer: more than any of ours, and enough to tell whose it is.
const ENOUGH: usize = 64 << 10;

/// Where a server is asked.
pub(super) struct Door {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("{0}")]
    Broken(String),
}

impl Unanswered {
    fn broken(error: &dyn Error) -> Self {
        Self::Broken(error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
    }
}

impl Door {
    pub(super) fn new(server: &Server, address: SocketAddr) -> Self {
        Self { server: server.clone(), address }
    }

    /// The same machine, over plain HTTP.
    pub(super) fn unencrypted(&self, port: u16) -> Self {
        Self { server: self.server.unencrypted(port), address: SocketAddr::new(self.address.ip(), port) }
    }

    /// Asks, and reads the answer. It may come before the question has ended.
    pub(super) async fn ask(&self, question: Request<Sent>) -> Result<Answer, Unanswered> {
        timeout(PATIENCE, self.converse(question)).await.unwrap_or(Err(Unanswered::Silent))
    }

    async fn converse(&self, mut question: Request<Sent>) -> Result<Answer, Unanswered> {
        let host = HeaderValue::try_from(self.server.host()).map_err(|error| Unanswered::broken(&error))?;
        question.headers_mut().insert(HOST, host);
        question.headers_mut().insert(USER_AGENT, WATCH);
        let stream = self.open().await.map_err(|error| Unanswered::broken(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| Unanswered::broken(&error))?;
        let _talking = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(question).await.map_err(|error| Unanswered::broken(&error))?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: beginning(body).await })
    }

    async fn open(&self) -> std::io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        if !self.server.encrypted {
            return Ok(Box::new(stream));
        }
        let settings = tls::settings(tls::ALL, &[b"http/1.1"]).map_err(std::io::Error::other)?;
        Ok(Box::new(encrypt(stream, &self.server, Arc::new(settings)).await?))
    }
}

async fn beginning(mut body: Incoming) -> String {
    let mut read = Vec::new();
    while read.len() < ENOUGH
        && let Some(Ok(frame)) = body.frame().await
    {
        read.extend(frame.into_data().unwrap_or_default());
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// What somebody answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A refusal in the wire's voice.
#[derive(Deserialize)]
struct Refusal {
    status: String,
    msg: String,
}

impl Answer {
    /// What Wearhouse says to a watch that it refuses. Nobody else speaks so.
    pub(super) fn refusal(&self) -> Option<String> {
        let refusal: Refusal = serde_json::from_str(&self.body).ok()?;
        (refusal.status == "error" && !self.status.is_success()).then_some(refusal.msg)
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
