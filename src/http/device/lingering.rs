//! A client that is refused while it still sends must be able to read why: closing at once would reset the connection and
//! take the answer with it. What is left of its body is read and thrown away for a moment.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::header,
};
use futures_util::{Stream, StreamExt};

/// A refused client that has not read its answer by then does not read at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a request's body linger. One that waits for `100 Continue` must not be read: that would ask for it.
pub async fn linger(request: Request) -> Request {
    if request.headers().contains_key(header::EXPECT) {
        return request;
    }
    request.map(|body| Body::from_stream(Lingering { rest: Some(body.into_data_stream()) }))
}

/// A body that is read to its end by somebody else when its reader lets it go.
struct Lingering {
    rest: Option<BodyDataStream>,
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let chunk = rest.poll_next_unpin(context);
        if matches!(chunk, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        chunk
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let (Some(rest), Ok(runtime)) = (self.rest.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(PATIENCE, rest.for_each(|_| std::future::ready(()))));
        }
    }
}
