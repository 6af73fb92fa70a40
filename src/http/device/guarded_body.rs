//! A request body that cannot hurt: bounded in length, in silence, and in what may come before the bytes of a file.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::StatusCode,
};
use futures_util::{Stream, StreamExt, stream};

use crate::{config::LimitsConfig, http::error::Problem};

/// A 408 without this makes OkHttp send the whole body again at once.
const RETRY_AFTER_STALL: u32 = 60;

/// While part headers are being read, the parser is fed in pieces of this size, since it may read two of them ahead before it
/// looks at what it has.
const PIECE: usize = 4 << 10;

/// What may be read still.
struct State {
    /// Bytes of the body that may still come.
    body_left: u64,
    /// Bytes that may still come while part headers are being read, for the parser keeps them in memory; none while the bytes
    /// of a part are.
    headers_left: Option<usize>,
    refusal: Option<Problem>,
}

/// The handle to a guarded body: tells it what is being read, and knows why it ended.
#[derive(Clone)]
pub(super) struct Guard {
    state: Arc<Mutex<State>>,
    max_header: usize,
    stall: Duration,
}

impl Guard {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        let state = State { body_left: limits.max_upload(), headers_left: Some(limits.max_header()), refusal: None };
        Self { state: Arc::new(Mutex::new(state)), max_header: limits.max_header(), stall: limits.stall_time() }
    }

    /// The same body, under guard. It ends with an error where the guard refuses more.
    pub(super) fn watch(&self, body: Body) -> Body {
        Body::from_stream(self.clone().pieces(body))
    }

    /// Says that the headers of a part come next.
    pub(super) fn expect_headers(&self) {
        self.state().headers_left = Some(self.max_header);
    }

    /// Says that the bytes of a part come next.
    pub(super) fn expect_content(&self) {
        self.state().headers_left = None;
    }

    /// Why the guard ended the body, if it did.
    pub(super) fn refusal(&self) -> Option<Problem> {
        self.state().refusal.take()
    }

    fn pieces(self, body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
        stream::unfold((self, body.into_data_stream(), Bytes::new()), |(guard, mut chunks, mut rest)| async move {
            // The parser reads until there is nothing to read. A pause before each piece makes it look at what it has.
            tokio::task::yield_now().await;
            if rest.is_empty() {
                match guard.next(&mut chunks).await? {
                    Ok(chunk) => rest = chunk,
                    Err(error) => return Some((Err(error), (guard, chunks, rest))),
                }
            }
            let piece = guard.cut(&mut rest);
            Some((piece, (guard, chunks, rest)))
        })
    }

    /// The next chunk of the body, unless it stands still or is longer than allowed.
    async fn next(&self, chunks: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
        let Ok(chunk) = tokio::time::timeout(self.stall, chunks.next()).await else {
            let stalled = "the upload stood still for too long; keep the file and send it again";
            return Some(Err(self.refuse(Problem::new(StatusCode::REQUEST_TIMEOUT, stalled).retry_after(RETRY_AFTER_STALL))));
        };
        Some(chunk?.and_then(|chunk| self.count(chunk)))
    }

    fn count(&self, chunk: Bytes) -> Result<Bytes, axum::Error> {
        let left = self.state().body_left.checked_sub(chunk.len() as u64);
        self.state().body_left = left.unwrap_or(0);
        if left.is_some() { Ok(chunk) } else { Err(self.refuse(too_large())) }
    }

    /// What the parser gets of a chunk: all of it, or a small piece while it looks for the end of part headers.
    fn cut(&self, chunk: &mut Bytes) -> Result<Bytes, axum::Error> {
        let mut state = self.state();
        let Some(left) = state.headers_left else { return Ok(std::mem::take(chunk)) };
        if left == 0 {
            drop(state);
            return Err(self.refuse(Problem::malformed("the headers of the parts are too long; send the file's name and little else")));
        }
        let piece = chunk.split_to(chunk.len().min(PIECE).min(left));
        state.headers_left = Some(left - piece.len());
        Ok(piece)
    }

    fn refuse(&self, problem: Problem) -> axum::Error {
        self.state().refusal = Some(problem);
        axum::Error::new("refused by the guard")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 413, also said before the body is read where its length is announced.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the file is larger than this server takes; the operator can raise limits.max_upload_mib")
}
