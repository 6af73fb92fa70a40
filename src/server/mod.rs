//! Build, serve, drain, await the workers. The program and the tests enter here.

mod connections;
mod ground;
mod handles;
mod places;
pub mod supervisor;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::handles::raise_handle_limit;
use self::{connections::Door, ground::Ground};
use crate::{
    catalog::{Catalog, CatalogError},
    config::Settings,
    handshake::ShutOutError,
    http::{self, App},
    ledger::{self, Ledger},
    recordings::ReceiveError,
    storage::{Disk, HouseLock, Layout, OpenError, RealDisk, Storage},
};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folders cannot be used.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The catalog cannot be used.
    #[error("{0}; the catalog is uploads/.house/catalog.sqlite")]
    Catalog(#[from] CatalogError),
    /// The ledger cannot be read: what was erased might come back.
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    /// Who is shut out cannot be made sure of.
    #[error("cannot make sure who is shut out: {0}")]
    ShutOut(#[from] ShutOutError),
    /// What the last process left cannot be cleared up.
    #[error("cannot clear up after the last process: {0}")]
    Recover(#[from] ReceiveError),
}

/// Connections to the metrics at once.
const MOST_SCRAPES: u32 = 16;

/// Where the server can be reached.
pub struct Listeners {
    /// By watches, researchers and nginx.
    pub public: TcpListener,
    /// By whoever gathers metrics.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(public: TcpListener) -> Self {
        Self { public, metrics: None }
    }
}

/// Serves on `listeners` until `shutdown`, then lets what is under way end. `settings` may be replaced meanwhile.
///
/// # Errors
/// [`ServeError`] where it does not come to serving.
pub async fn run(settings: Settings, listeners: impl Into<Listeners>, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    run_on(Arc::new(RealDisk), settings, listeners, shutdown).await
}

/// The same on another disk: one that a test watches, slows down or breaks.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    disk: Arc<dyn Disk>,
    settings: Settings,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Listeners { public, metrics } = listeners.into();
    let house = House::open(disk, settings).await?;
    if let Some(metrics) = metrics {
        house.show_metrics(metrics);
    }
    supervisor::ready();
    house.serve(public, shutdown).await;
    house.close().await;
    Ok(())
}

/// The house, with its workers running.
struct House {
    app: App,
    catalog: Catalog,
    /// As many as may be open at once.
    connections: u32,
    tasks: TaskTracker,
    stop: CancellationToken,
    _lock: HouseLock,
}

impl House {
    async fn open(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, ServeError> {
        let carried = handles::carried(&settings.now().limits);
        let storage = Storage::open(Layout::new(&settings.now().storage.uploads), disk)?.with_handles(carried.files);
        let lock = storage.lock()?;
        let ledger = Ledger::open_as_it_is(Arc::clone(storage.disk()), &storage.layout().ledger())?;
        let catalog = Catalog::open(&storage.layout().catalog()).await?;
        let ground = Ground { catalog, storage, ledger, settings, tasks: TaskTracker::new(), stop: CancellationToken::new() };
        ground.clear_up().await?;
        let rooms = ground.rooms(carried.at_once).await?;
        ground.agree(&rooms).await?;
        ground.start_workers(&rooms);
        let Ground { catalog, tasks, stop, .. } = ground;
        Ok(Self { app: App::from(rooms), catalog, connections: carried.connections, tasks, stop, _lock: lock })
    }

    /// Serves metrics until the workers end: a stop can be watched, too.
    fn show_metrics(&self, listener: TcpListener) {
        let (router, stop) = (http::metrics_router(self.app.clone()), self.stop.clone());
        let mut door = Door::new(listener, MOST_SCRAPES, self.app.settings.clone());
        self.tasks.spawn(async move {
            // A scrape that is under way then ends with the program.
            let _under_way = door.serve(router, stop.cancelled()).await;
        });
    }

    /// Serves until `shutdown`. Then what is under way may end, and whoever comes new is told to come again.
    async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let settings = &self.app.settings;
        let mut door = Door::new(listener, self.connections, settings.clone());
        let under_way = door.serve(http::router(self.app.clone()), shutdown).await;
        supervisor::stopping();
        self.app.stopping.cancel();
        let patience = settings.now().server.stop_time();
        if tokio::time::timeout(patience, door.turn_away(http::closed_router(), under_way)).await.is_err() {
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
