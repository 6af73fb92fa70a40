//! Connections: accepted while there is a place, bounded in what their heads may cost, and let go in order at the end.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::config::{LimitsConfig, Settings};

/// Where connections come in.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    settings: Settings,
}

/// A connection that was let in.
struct Guest {
    stream: TcpStream,
    address: SocketAddr,
    /// Its place among the connections that may be open.
    place: OwnedSemaphorePermit,
}

impl Door {
    pub(super) fn new(listener: TcpListener, settings: Settings) -> Self {
        let places = Arc::new(Semaphore::new(settings.now().limits.connections as usize));
        Self { listener, places, settings }
    }

    /// Serves `router` until `until`. What is under way then goes on; idle connections end.
    pub(super) async fn serve(&mut self, router: Router, until: impl Future<Output = ()>) -> GracefulShutdown {
        let under_way = GracefulShutdown::new();
        tokio::pin!(until);
        loop {
            tokio::select! {
                guest = self.accept() => if let Ok(guest) = guest { self.look_after(guest, &router, &under_way, true); },
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
                guest = self.accept() => if let Ok(guest) = guest { self.look_after(guest, &router, &turned_away, false); },
                () = &mut under_way => break,
            }
        }
        drop(self.listener);
        turned_away.shutdown().await;
    }

    /// The next connection, when a place is free. A kernel that is out of handles is given a moment.
    async fn accept(&mut self) -> io::Result<Guest> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        match self.listener.accept().await {
            Ok((stream, address)) => {
                stream.set_nodelay(true)?;
                Ok(Guest { stream, address, place })
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(error)
            }
        }
    }

    fn look_after(&self, guest: Guest, router: &Router, watcher: &GracefulShutdown, keep_alive: bool) {
        let Guest { stream, address, place } = guest;
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
        });
        let builder = connection_builder(&self.settings.now().limits, keep_alive);
        let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that goes away, or does not speak HTTP, is its own affair.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}

/// HTTP/1.1 with bounds on the head: `axum::serve` has none, and hyper-util's `auto` never ends a silent connection.
fn connection_builder(limits: &LimitsConfig, keep_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A client that has sent everything may close its side and still wants the answer.
    builder.half_close(true).keep_alive(keep_alive);
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time()).max_buf_size(limits.max_header());
    builder
}

/// Takes as many file handles as this user may have: each connection and each upload needs some.
pub fn raise_handle_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}
