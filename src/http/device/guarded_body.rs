//! A request body that cannot hurt: bounded in length, in silence, and in what may come before the bytes of a file.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use futures_util::{Stream, StreamExt, stream};

use crate::{config::LimitsConfig, http::error::Problem};

/// A 408 without this makes OkHttp send the whole body again at once.
const RETRY_AFTER_STALL: u32 = 60;

/// What has been read, and what may be read still.
struct State {
    /// Bytes of the body that may still come.
    body_left: u64,
    /// Bytes that may still come while part headers are being read: the multipart parser keeps them in memory.
    headers_left: usize,
    /// Whether part headers are being read now.
    in_headers: bool,
    last_chunk: usize,
    refusal: Option<Problem>,
}

/// The handle to a guarded body: tells it what is being read, and knows why it ended.
#[derive(Clone)]
pub(super) struct Guard {
    state: Arc<Mutex<State>>,
    stall: Duration,
}

impl Guard {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        let state =
            State { body_left: limits.max_upload(), headers_left: limits.max_header(), in_headers: true, last_chunk: 0, refusal: None };
        Self { state: Arc::new(Mutex::new(state)), stall: limits.stall_time() }
    }

    /// The same body, under guard. It ends with an error where the guard refuses more.
    pub(super) fn watch(&self, body: Body) -> Body {
        Body::from_stream(self.clone().chunks(body))
    }

    /// Says that part headers come next.
    pub(super) fn expect_headers(&self) {
        self.with(|state| state.in_headers = true);
    }

    /// Says that the bytes of a part come next. The headers ended within the last chunk: what follows them in it is content
    /// and is not held against them.
    pub(super) fn expect_content(&self) {
        self.with(|state| {
            state.in_headers = false;
            state.headers_left += std::mem::take(&mut state.last_chunk);
        });
    }

    /// Why the guard ended the body, if it did.
    pub(super) fn refusal(&self) -> Option<Problem> {
        self.with(|state| state.refusal.take())
    }

    fn chunks(self, body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
        stream::unfold((self, body.into_data_stream()), |(guard, mut chunks)| async move {
            // The parser reads until there is nothing to read. A pause behind each chunk makes it look at what it has first.
            tokio::task::yield_now().await;
            if let Err(error) = guard.may_go_on() {
                return Some((Err(error), (guard, chunks)));
            }
            let chunk = match tokio::time::timeout(guard.stall, chunks.next()).await {
                Ok(chunk) => chunk?.and_then(|chunk| guard.count(chunk)),
                Err(_elapsed) => Err(guard.refuse(
                    Problem::new(StatusCode::REQUEST_TIMEOUT, "the upload stood still for too long; keep the file and send it again")
                        .retry_after(RETRY_AFTER_STALL),
                )),
            };
            Some((chunk, (guard, chunks)))
        })
    }

    /// Ends the body before more part headers than allowed are in memory.
    fn may_go_on(&self) -> Result<(), axum::Error> {
        if self.with(|state| state.in_headers && state.headers_left == 0) {
            return Err(self.refuse(Problem::malformed("the headers of the parts are too long; send the file's name and little else")));
        }
        Ok(())
    }

    fn count(&self, chunk: Bytes) -> Result<Bytes, axum::Error> {
        let size = chunk.len();
        let fits = self.with(|state| {
            if state.in_headers {
                state.last_chunk = size.min(state.headers_left);
                state.headers_left -= state.last_chunk;
            }
            let left = state.body_left.checked_sub(size as u64);
            state.body_left = left.unwrap_or(0);
            left.is_some()
        });
        if fits { Ok(chunk) } else { Err(self.refuse(too_large())) }
    }

    fn refuse(&self, problem: Problem) -> axum::Error {
        self.with(|state| state.refusal = Some(problem));
        axum::Error::new("refused by the guard")
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// 413, also said before the body is read where its length is announced.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the file is larger than this server takes; the operator can raise limits.max_upload_mib")
}
