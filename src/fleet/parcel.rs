//! The body of a request: a few pieces that are there already, and are not put together.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Pieces in a body: what comes before a file, what it shares with others, its own, and what comes behind.
const PIECES: usize = 4;

/// A body. Making one copies nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Parcel([Bytes; PIECES]);

impl Parcel {
    pub(super) fn new(pieces: [Bytes; PIECES]) -> Self {
        Self(pieces)
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // What has been sent is empty from then on.
        let piece = self.0.iter_mut().find(|piece| !piece.is_empty());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(std::mem::take(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}
