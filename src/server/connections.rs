//! Connections: accepted while there is a place, bounded in what their heads may cost, and let go in order at the end.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

use super::places::{Place, Places};
use crate::{
    config::{LimitsConfig, Settings},
    http,
};

/// Where connections come in.
pub(super) struct Door {
    listener: TcpListener,
    places: Places,
    settings: Settings,
}

/// A connection that was let in.
struct Guest {
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
}

impl Door {
    /// A door for `most` connections at once.
    pub(super) fn new(listener: TcpListener, most: u32, settings: Settings) -> Self {
        Self { listener, places: Places::new(most, settings.clone()), settings }
    }

    /// Serves `router` until `until`. What is under way then goes on; idle connections end.
    pub(super) async fn serve(&mut self, router: Router, until: impl Future<Output = ()>) -> GracefulShutdown {
        let under_way = GracefulShutdown::new();
        tokio::pin!(until);
        loop {
            tokio::select! {
                guest = self.accept() => if let Some(guest) = guest { self.look_after(guest, &router, &under_way, true); },
                () = &mut until => return under_way,
            }
        }
    }

    /// Serves `router`, one request a connection, until everything that is `under_way` has ended.
    pub(super) async fn turn_away(mut self, router: Router, under_way: GracefulShutdown) {
        let turned_away = GracefulShutdown::new();
        let under_way = under_way.shutdown();
        tokio::pin!(under_way);
        loop {
            tokio::select! {
                guest = self.accept() => if let Some(guest) = guest { self.look_after(guest, &router, &turned_away, false); },
                () = &mut under_way => break,
            }
        }
        drop(self.listener);
        turned_away.shutdown().await;
    }

    /// The next connection, when a place is free; none where its address has all places that it may have. A kernel that is out of
    /// handles is given a moment.
    async fn accept(&mut self) -> Option<Guest> {
        let place = self.places.wait().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, address)) => {
                // Closed at once: an answer would cost what this is to save.
                let place = self.places.take(address.ip(), place)?;
                stream.set_nodelay(true).ok()?;
                Some(Guest { stream, address, place })
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }

    fn look_after(&self, guest: Guest, router: &Router, watcher: &GracefulShutdown, keep_alive: bool) {
        let Guest { stream, address, place } = guest;
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            http::observed(&mut router.clone(), request)
        });
        let limits = &self.settings.now().limits;
        let stream = ending_when_unread(stream, limits.stall_time());
        let connection = watcher.watch(connection_builder(limits, keep_alive).serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that goes away, or does not speak HTTP, is its own affair.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}

/// A connection that ends when its client takes nothing of an answer for so long. It would hold its place for ever.
fn ending_when_unread(stream: TcpStream, patience: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    Box::pin(stream)
}

/// HTTP/1.1 with bounds on the head: `axum::serve` has none, and hyper-util's `auto` never ends a silent connection.
fn connection_builder(limits: &LimitsConfig, keep_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A client that has sent everything may close its side and still wants the answer.
    builder.half_close(true).keep_alive(keep_alive);
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time()).max_buf_size(limits.max_header());
    builder
}
