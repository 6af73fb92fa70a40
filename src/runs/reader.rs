//! The reader: reads off the files of datasets what they say of their runs, behind the uploads' back, and looks what is missing.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Missing, MissingKind, burst::Burst, describe::describe};
use crate::{
    catalog::{Catalog, CatalogError, ToDescribe, now},
    config::Settings,
    ids::DatasetId,
    storage::{Storage, blocking},
};

/// How often somebody looks what is missing while nothing comes.
const LOOK: Duration = Duration::from_secs(60);
/// So many datasets are asked for at once.
const AT_ONCE: u32 = 100;
/// No rest between two datasets is longer.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Why a dataset is not described.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Keeps the descriptions of datasets up to date. Cheap to clone; one worker stands behind all clones.
#[derive(Clone)]
pub struct Reader {
    catalog: Catalog,
    storage: Storage,
    settings: Settings,
    burst: Arc<Burst>,
    missing: Arc<ArcSwap<Missing>>,
    /// One look at a time: an older one must not overwrite a newer one.
    looking: Arc<tokio::sync::Mutex<()>>,
}

impl Reader {
    /// Starts the worker in `tasks`. It begins with what the last process left behind, and runs until `stop`.
    #[must_use]
    pub fn start(catalog: Catalog, storage: Storage, settings: Settings, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (burst, missing, looking) = Default::default();
        let reader = Self { catalog, storage, settings, burst, missing, looking };
        tasks.spawn(reader.clone().work(stop));
        reader
    }

    /// Says that files have come or gone, or that people said something new of a dataset.
    pub fn mark(&self) {
        self.burst.mark();
    }

    /// What was missing at the last look.
    #[must_use]
    pub fn missing(&self) -> Arc<Missing> {
        self.missing.load_full()
    }

    /// Says that something is known to be missing: it is told no more.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn settle(&self, kind: MissingKind, subject: &str, who: &str) -> Result<(), CatalogError> {
        self.catalog.settle(kind.as_str(), subject, who).await?;
        self.look().await
    }

    /// Looks what is missing. When this returns, [`Reader::missing`] knows everything that was said before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn look(&self) -> Result<(), CatalogError> {
        let _alone = self.looking.lock().await;
        let missing = Missing::look(&self.catalog, &self.settings.now().missing, now()).await?;
        self.missing.store(Arc::new(missing));
        Ok(())
    }

    /// The worker: describes what is behind, looks what is missing, waits for the next burst.
    async fn work(self, stop: CancellationToken) {
        let mut passed_over = HashMap::new();
        while !stop.is_cancelled() {
            self.burst.take();
            let caught_up = self.catch_up(&mut passed_over, &stop).await;
            let looked = if stop.is_cancelled() { Ok(()) } else { self.look().await };
            if let Err(error) = caught_up.and(looked) {
                tracing::warn!(%error, "recordings could not be described; this is tried again within a minute");
            }
            tokio::select! {
                () = self.burst.wait(Instant::now() + LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Describes every dataset that is behind, one at a time. One that failed is passed over until it changes.
    async fn catch_up(&self, passed_over: &mut HashMap<DatasetId, i64>, stop: &CancellationToken) -> Result<(), CatalogError> {
        // Acknowledged files may wait to be marked as placed; behind this they are.
        self.catalog.flush().await?;
        let mut behind = 0;
        loop {
            let batch = self.catalog.to_describe(behind, AT_ONCE).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            behind = last.number;
            for dataset in batch {
                if stop.is_cancelled() {
                    return Ok(());
                }
                if passed_over.get(&dataset.uuid) == Some(&dataset.changes) {
                    continue;
                }
                let began = Instant::now();
                self.describe_or_pass_over(&dataset, passed_over).await?;
                // Uploads write into the same catalog: they have it for as long.
                tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
            }
        }
    }

    async fn describe_or_pass_over(&self, dataset: &ToDescribe, passed_over: &mut HashMap<DatasetId, i64>) -> Result<(), CatalogError> {
        match self.describe(dataset).await {
            Ok(()) => {
                passed_over.remove(&dataset.uuid);
            }
            // That concerns all of them.
            Err(ReadError::Catalog(error @ (CatalogError::Busy | CatalogError::Full | CatalogError::Closed))) => return Err(error),
            Err(error) => {
                tracing::warn!(dataset = %dataset.uuid, %error, "a recording could not be described; it is passed over until it changes");
                passed_over.insert(dataset.uuid, dataset.changes);
            }
        }
        Ok(())
    }

    async fn describe(&self, dataset: &ToDescribe) -> Result<(), ReadError> {
        let files = self.catalog.files_to_read(dataset.uuid).await?;
        let (storage, to, settings) = (self.storage.clone(), *dataset, self.settings.now());
        let description = blocking(move || describe(storage.layout(), &to, &files, &settings.privacy)).await??;
        Ok(self.catalog.describe(dataset.uuid, &description).await?)
    }
}
