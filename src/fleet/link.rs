//! A link as it is in the field: slow, far away, and cut now and then.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::control::Control;

/// A slow link is written to in so many pieces a second.
const PIECES: u64 = 20;

/// How good a link is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Bytes a second towards the server; as fast as it goes where there is none.
    pub rate: Option<u64>,
    /// There and back.
    pub latency: Duration,
    /// The probability that an upload's connection is cut.
    pub cut: f64,
}

/// A stream over such a link.
pub(super) struct Link<S> {
    stream: S,
    quality: Quality,
    control: Arc<Control>,
    /// The other end spoke last: what is written now has the whole way before it.
    turned: bool,
    /// When what was written has gone through.
    through: Instant,
    wait: Option<Pin<Box<Sleep>>>,
}

impl<S> Link<S> {
    pub(super) fn new(stream: S, quality: Quality, control: Arc<Control>) -> Self {
        Self { stream, quality, control, turned: true, through: Instant::now(), wait: None }
    }

    /// How many bytes may be written now: none means that the link is cut.
    fn poll_budget(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let allowed = self.control.left();
        if allowed == 0 {
            return Poll::Ready(Err(self.control.cut()));
        }
        if self.turned {
            self.turned = false;
            self.wait_until(Instant::now() + self.quality.latency);
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        let piece = self.quality.rate.map_or(u64::MAX, |rate| (rate / PIECES).max(1));
        Poll::Ready(Ok(allowed.min(piece)))
    }

    fn wrote(&mut self, bytes: usize) {
        self.control.wrote(bytes);
        if let Some(rate) = self.quality.rate {
            self.through = self.through.max(Instant::now()) + Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate);
            self.wait_until(self.through);
        }
    }

    fn wait_until(&mut self, time: Instant) {
        if time > Instant::now() {
            self.wait = Some(Box::pin(sleep_until(time)));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Link<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if self.control.loses_answer() {
            buffer.set_filled(before);
            return Poll::Ready(Err(self.control.cut()));
        }
        self.turned = true;
        self.control.read(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let budget = ready!(self.poll_budget(cx))?;
        let piece = &bytes[..usize::try_from(budget).unwrap_or(usize::MAX).min(bytes.len())];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, piece))?;
        self.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let budget = ready!(self.poll_budget(cx))?;
        if budget != u64::MAX {
            let first = pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |piece| piece);
            return self.poll_write(cx, first);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, pieces))?;
        self.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::fleet::control::Cut;

    const GOOD: Quality = Quality { rate: None, latency: Duration::ZERO, cut: 0.0 };

    #[tokio::test]
    async fn a_link_is_cut_at_the_byte() {
        let (ours, mut theirs) = duplex(1000);
        let control = Control::new();
        let mut link = Link::new(ours, GOOD, Arc::clone(&control));
        control.arm(Cut::After(10));
        assert!(link.write_all(&[1; 100]).await.is_err());
        drop(link);
        let mut arrived = Vec::new();
        theirs.read_to_end(&mut arrived).await.expect("read");
        assert_eq!((arrived.len(), control.was_cut()), (10, true));
    }

    #[tokio::test]
    async fn an_answer_is_lost_behind_a_whole_upload() {
        let (ours, mut theirs) = duplex(1000);
        let control = Control::new();
        let mut link = Link::new(ours, GOOD, Arc::clone(&control));
        control.arm(Cut::Answer);
        link.write_all(&[1; 100]).await.expect("written");
        theirs.write_all(&[2]).await.expect("answered");
        assert!(link.read_u8().await.is_err() && control.was_cut());
    }

    #[tokio::test]
    async fn a_link_has_its_rate_and_each_answer_its_latency() {
        let (ours, mut theirs) = duplex(100_000);
        let mut link = Link::new(ours, Quality { rate: Some(10_000), latency: Duration::from_millis(30), ..GOOD }, Control::new());
        let begin = Instant::now();
        link.write_all(&[1; 2000]).await.expect("written");
        theirs.write_all(&[2]).await.expect("answered");
        link.read_u8().await.expect("read");
        link.write_all(&[1]).await.expect("written");
        let took = begin.elapsed().as_secs_f64();
        // Both turns cost 0.03 s, and who writes does not wait for its last piece to go through.
        assert!(took > 0.19, "{took}");
    }
}
