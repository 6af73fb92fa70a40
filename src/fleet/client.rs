//! One connection to the server, kept alive, and made anew after it broke.

use std::{error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{
    control::{Control, Cut},
    link::{Link, Quality},
    parcel::Parcel,
};
use crate::outside::{Encryption, Server, Stream, WATCH, encrypt};

/// How a server is reached.
#[derive(Clone)]
pub(super) struct Road {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
    pub(super) encryption: Option<Encryption>,
    pub(super) quality: Quality,
    /// How long nothing may move.
    pub(super) patience: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("no answer in time")]
    Silent,
    #[error("the link was cut")]
    Cut,
    #[error("{0}")]
    Broken(String),
}

impl Unanswered {
    fn broken(error: &dyn Error) -> Self {
        Self::Broken(error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Answer {
    /// What the server says of it, where it says something.
    pub(super) fn says(&self) -> String {
        let told: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let says = ["msg", "detail", "title"].iter().find_map(|key| told[*key].as_str()).unwrap_or_default();
        format!("{} {says}", self.status.as_u16()).trim_end().replace(char::is_control, " ")
    }
}

pub(super) struct Client {
    road: Road,
    host: Option<HeaderValue>,
    talk: Option<Talk>,
    cut: Option<Cut>,
}

/// A connection that is open.
struct Talk {
    sender: SendRequest<Parcel>,
    control: Arc<Control>,
    _connection: AbortOnDropHandle<()>,
}

impl Client {
    pub(super) fn new(road: Road) -> Self {
        let host = HeaderValue::try_from(road.server.host()).ok();
        Self { road, host, talk: None, cut: None }
    }

    /// Has the link cut during the next request.
    pub(super) fn cut_next(&mut self, cut: Option<Cut>) {
        self.cut = cut;
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&mut self, request: Request<Parcel>) -> Result<Answer, Unanswered> {
        let (head, body) = self.send(request).await?.into_parts();
        let body = match timeout(self.road.patience, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(self.lose(&error)),
            Err(_) => return Err(self.give_up()),
        };
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer { status: head.status, retry_after: retry_after.map(Duration::from_secs), body })
    }

    /// Asks. The answer's body is for the caller to read.
    pub(super) async fn send(&mut self, mut request: Request<Parcel>) -> Result<Response<Incoming>, Unanswered> {
        let headers = request.headers_mut();
        headers.extend(self.host.clone().map(|host| (HOST, host)));
        headers.insert(USER_AGENT, WATCH);
        let cut = self.cut.take();
        let patience = self.road.patience;
        let talk = self.talk().await?;
        if let Some(cut) = cut {
            talk.control.arm(cut);
        }
        let (control, mut answer) = (Arc::clone(&talk.control), pin!(talk.sender.send_request(request)));
        let answered = loop {
            let before = control.moved();
            match timeout(patience, &mut answer).await {
                Ok(answered) => break Some(answered),
                Err(_) if control.moved() != before => {}
                Err(_) => break None,
            }
        };
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(self.lose(&error)),
            None => Err(self.give_up()),
        }
    }

    fn give_up(&mut self) -> Unanswered {
        self.talk = None;
        Unanswered::Silent
    }

    fn lose(&mut self, error: &dyn Error) -> Unanswered {
        let cut = self.talk.take().is_some_and(|talk| talk.control.was_cut());
        if cut { Unanswered::Cut } else { Unanswered::broken(error) }
    }

    async fn talk(&mut self) -> Result<&mut Talk, Unanswered> {
        let open = match self.talk.take() {
            Some(mut talk) => talk.sender.ready().await.is_ok().then_some(talk),
            None => None,
        };
        let talk = match open {
            Some(talk) => talk,
            None => self.connect().await?,
        };
        Ok(self.talk.insert(talk))
    }

    async fn connect(&self) -> Result<Talk, Unanswered> {
        let control = Control::new();
        let stream = timeout(self.road.patience, self.road.open(Arc::clone(&control))).await.map_err(|_| Unanswered::Silent)?;
        let stream = stream.map_err(|error| Unanswered::Broken(format!("no connection: {error}")))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| Unanswered::broken(&error))?;
        let connection = async {
            // Whoever has asked is told.
            let _ = connection.await;
        };
        Ok(Talk { sender, control, _connection: AbortOnDropHandle::new(tokio::spawn(connection)) })
    }
}

impl Road {
    async fn open(&self, control: Arc<Control>) -> io::Result<Box<dyn Stream>> {
        tokio::time::sleep(self.quality.latency).await;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let link = Link::new(stream, self.quality, control);
        Ok(match &self.encryption {
            None => Box::new(link),
            Some(encryption) => Box::new(encrypt(link, &self.server, Arc::clone(encryption)).await?),
        })
    }
}
