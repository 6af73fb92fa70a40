//! Build, serve, drain, await the workers. `main` and the tests enter here.

mod handles;
mod places;

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::extract::ConnectInfo;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

pub use self::handles::raise_handle_limit;
use self::places::Places;
use crate::{
    catalog::{Catalog, CatalogError},
    config::{Config, LimitsConfig},
    handshake::Handshake,
    http::{self, App, Limits, Passwords},
    recordings::{ReceiveError, Recordings, Shelves},
    roller::Roller,
    storage::{Disk, HouseLock, Layout, OpenError, RealDisk, Storage},
};

/// How long requests under way may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folders cannot be used.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The catalog cannot be used.
    #[error("{0}; the catalog is uploads/.house/catalog.sqlite")]
    Catalog(#[from] CatalogError),
    /// What the last process left cannot be cleared up.
    #[error("cannot clear up after the last process: {0}")]
    Recover(#[from] ReceiveError),
}

/// Serves on `listener` until `shutdown`, then lets what is under way end.
///
/// # Errors
/// [`ServeError`] where it does not come to serving.
pub async fn run(config: Config, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    run_on(Arc::new(RealDisk), config, listener, shutdown).await
}

/// The same on another disk: one that a test watches, slows down or breaks.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    disk: Arc<dyn Disk>,
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let house = House::open(disk, config).await?;
    house.serve(listener, shutdown).await;
    house.close().await;
    Ok(())
}

/// The house, with its workers running.
struct House {
    app: App,
    catalog: Catalog,
    tasks: TaskTracker,
    stop: CancellationToken,
    _lock: HouseLock,
}

impl House {
    async fn open(disk: Arc<dyn Disk>, mut config: Config) -> Result<Self, ServeError> {
        let handles = handles::fit(&mut config.limits);
        let storage = Storage::open(Layout::new(&config.storage.uploads), disk, config.storage.reserve())?.with_handles(handles);
        let lock = storage.lock()?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let catalog = Catalog::open(&storage.layout().catalog(), config.limits.quota()).await?;
        let roller = Roller::start(catalog.clone(), storage.clone(), &config.zip, &tasks, stop.clone());
        let shelves = Shelves::new(catalog.clone(), storage.clone());
        shelves.recover().await?;
        let recordings = Recordings::new(shelves, roller.clone(), &config);
        roller.mark_left_behind().await?;
        let handshake = Handshake::new(catalog.clone(), &config);
        warn_of_lockouts(&handshake).await?;
        let app = App {
            handshake,
            recordings,
            roller,
            storage,
            limits: Arc::new(Limits::new(&config)),
            passwords: Arc::new(Passwords::new(config.users.clone())),
            config: Arc::new(config),
            tasks: tasks.clone(),
        };
        Ok(Self { app, catalog, tasks, stop, _lock: lock })
    }

    /// Accepts connections until `shutdown`, then waits for the requests under way.
    async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let limits = &self.app.config.limits;
        let places = Places::new(limits, self.app.limits.trusted_proxies());
        let (router, builder, graceful) = (http::router(self.app.clone()), connection_builder(limits), GracefulShutdown::new());
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = &mut shutdown => break,
            };
            let Ok((stream, peer, place)) = accepted else { continue };
            // Closed at once: an answer would cost what this is to save.
            let Some(place) = places.take(peer.ip(), place) else { continue };
            let stream = ending_when_unread(stream, limits.stall_time());
            let router = router.clone();
            let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                let mut router = router.clone();
                router.call(request)
            });
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // A client that goes away, or does not speak HTTP, is its own affair.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
        drop(listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way and have been cut; the watches send them again");
        }
    }

    /// Ends the workers, then the catalog under them.
    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.catalog.close().await;
    }
}

/// The next connection, when a place is free. A kernel that is out of handles is given a moment.
async fn accept(listener: &TcpListener, places: &Places) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.wait().await.map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            stream.set_nodelay(true)?;
            Ok((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(error)
        }
    }
}

/// A connection that ends when its client takes nothing of an answer for so long. It would hold its place for ever.
fn ending_when_unread(stream: TcpStream, patience: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    Box::pin(stream)
}

/// HTTP/1.1 with bounds on the head: `axum::serve` has none, and hyper-util's `auto` never ends a silent connection.
fn connection_builder(limits: &LimitsConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A client that has sent everything may close its side and still wants the answer.
    builder.half_close(true);
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time()).max_buf_size(limits.max_header());
    builder
}

async fn warn_of_lockouts(handshake: &Handshake) -> Result<(), CatalogError> {
    let devices = handshake.locked_out().await?;
    if devices > 0 {
        tracing::warn!(
            devices,
            "the tokens of these devices were signed with a secret that is not in the config: they are locked out until it stands in security.previous_secrets"
        );
    }
    Ok(())
}
