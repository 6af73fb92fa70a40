//! The rolling zip: marked by uploads, rolled off their path, waited for at the gate.

mod generation;
mod policy;
mod schedule;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::generation::Generation;
use crate::{
    archive::ArchiveError,
    catalog::{Catalog, CatalogError},
    config::Settings,
    ids::DatasetId,
    ledger::Ledger,
    metrics::{METRICS, RollLabels, RollOutcome},
    storage::{OpenedFile, Storage, blocking, open_beneath},
};

/// Why a zip does not hold everything. Cheap to clone: one roll answers everyone who waits for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RollError {
    /// A file is damaged or unreadable, or the zip cannot be written.
    #[error("{0}")]
    Archive(Arc<ArchiveError>),
    /// There is no room for the next generation.
    #[error("there is no room on the disk for the next zip; free some, the recordings are safe")]
    Full,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(Arc<io::Error>),
    /// The published zip is a symbolic link, which is never followed.
    #[error("a symbolic link has the name of the zip; delete it")]
    Link,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl From<io::Error> for RollError {
    fn from(error: io::Error) -> Self {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full
        } else {
            Self::Disk(Arc::new(error))
        }
    }
}

impl From<ArchiveError> for RollError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Zip(zip::result::ZipError::Io(error)) => error.into(),
            error => Self::Archive(Arc::new(error)),
        }
    }
}

/// Keeps the zips fresh. Cheap to clone; one worker stands behind all clones.
#[derive(Clone)]
pub struct Roller {
    catalog: Catalog,
    storage: Storage,
    ledger: Ledger,
    schedule: Arc<schedule::Schedule>,
}

/// The response to a request for the zip of a dataset.
#[derive(Debug)]
pub enum ZipResponse {
    /// The published generation. It holds every file acknowledged before the request and may be sent, as of the moment at which it was
    /// opened; [`Roller::may_send`] says so for a later one.
    Ready(OpenedFile),
    /// There is no such dataset, it is in the trash, or it has no files.
    NotFound,
    /// It has files, and zips leave out every one of them.
    AllLeftOut,
    /// The time is up; the build goes on.
    NotYet,
}

/// How a build that was waited for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildOutcome {
    /// A generation is published, or the one that was published held everything already.
    Published,
    /// The dataset has no file that its zip may hold, so it has no zip; `has_files` says whether it has others.
    Empty { has_files: bool },
    /// The dataset is in the trash, was erased, or never was: there is nothing to build.
    Gone,
    /// The policy puts it off: until it has been quiet for so long, or until more arrives.
    PutOff(Option<Duration>),
}

/// A time as the catalog keeps it of a zip. Generations differ by a second at least.
fn nanoseconds(modified: SystemTime) -> i64 {
    let since_1970 = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}

impl Roller {
    /// Starts the worker in `tasks`. It runs until `stop`.
    #[must_use]
    pub fn start(
        catalog: Catalog,
        storage: Storage,
        ledger: Ledger,
        settings: Settings,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let roller = Self { catalog, storage, ledger, schedule: Arc::new(schedule::Schedule::new(settings, stop)) };
        tasks.spawn(roller.clone().work(tasks.clone()));
        roller
    }

    /// Says that `bytes` of new files lie in a dataset, acknowledged.
    pub fn mark(&self, dataset: DatasetId, bytes: u64) {
        self.schedule.mark(dataset, bytes);
    }

    /// Marks every dataset whose zip was left behind by the last process.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn mark_left_behind(&self) -> Result<(), CatalogError> {
        for dataset in self.catalog.datasets_to_roll().await? {
            self.schedule.mark(dataset, 0);
        }
        Ok(())
    }

    /// Whether a dataset has waited for its roll so long that nobody seems to roll.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.schedule.is_stalled(Instant::now())
    }

    /// Opens the zip of a dataset once it holds every file acknowledged before this call; waits for that at most for `limit`.
    ///
    /// # Errors
    /// [`RollError`] if the zip cannot be made.
    pub async fn open_fresh(&self, dataset: DatasetId, limit: Duration) -> Result<ZipResponse, RollError> {
        match tokio::time::timeout(limit, self.wait_until_fresh(dataset)).await {
            Ok(result) => result,
            Err(_elapsed) => Ok(ZipResponse::NotYet),
        }
    }

    /// Opens the published zip of a dataset, fresh or not. `None` where there is none that may be sent.
    ///
    /// # Errors
    /// [`RollError`] where the catalog or the disk fails.
    pub async fn open_published(&self, dataset: DatasetId) -> Result<Option<OpenedFile>, RollError> {
        self.open_with(dataset, 0).await
    }

    /// Whether a zip that was opened may be sent now: it is the last one that was built, was made under the privacy rule in force, and its
    /// dataset is not in the trash.
    ///
    /// # Errors
    /// [`RollError`] where the catalog or the disk fails.
    pub async fn may_send(&self, dataset: DatasetId, zip: &OpenedFile) -> Result<bool, RollError> {
        self.is_published_with(dataset, zip, 0).await
    }

    /// Whether nothing of a dataset is to be sent: it lies in the trash, or was erased.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_withdrawn(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        Ok(self.ledger.is_erased(dataset) || self.catalog.is_in_trash(dataset).await?)
    }

    /// Waits until the zip of a dataset that was erased is gone: where one is being rolled, behind its end.
    ///
    /// # Errors
    /// [`RollError`].
    pub async fn withdraw(&self, dataset: DatasetId) -> Result<(), RollError> {
        self.schedule.ask(dataset).await.map(drop)
    }

    async fn wait_until_fresh(&self, dataset: DatasetId) -> Result<ZipResponse, RollError> {
        // Acknowledged files may wait to be marked as placed; after this they are.
        self.catalog.flush().await?;
        let Some(asked) = self.catalog.zip_state(dataset).await? else { return Ok(ZipResponse::NotFound) };
        loop {
            if let Some(zip) = self.open_with(dataset, asked.changes).await? {
                return Ok(ZipResponse::Ready(zip));
            }
            // A build that begins now holds everything acknowledged until now, and nothing that the settings leave out now. What changes
            // while it runs is seen by the next turn of this loop.
            match self.schedule.ask(dataset).await? {
                BuildOutcome::Published | BuildOutcome::PutOff(_) => {}
                BuildOutcome::Empty { has_files: true } => return Ok(ZipResponse::AllLeftOut),
                BuildOutcome::Empty { has_files: false } | BuildOutcome::Gone => return Ok(ZipResponse::NotFound),
            }
        }
    }

    /// Opens the published zip where it holds at least the first `changes` changes of the dataset and may be sent.
    async fn open_with(&self, dataset: DatasetId, changes: i64) -> Result<Option<OpenedFile>, RollError> {
        let (root, path) = (self.storage.layout().root().to_owned(), self.storage.layout().zip(dataset));
        let beneath = path.strip_prefix(&root).map_err(io::Error::other)?.to_owned();
        let zip = match blocking(move || open_beneath(&root, &beneath)).await? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(RollError::Link),
            zip => zip?,
        };
        Ok(self.is_published_with(dataset, &zip, changes).await?.then_some(zip))
    }

    /// Whether a zip that was opened is the one that the catalog knows, and what the catalog says of it lets it be sent. A zip that was
    /// published and not recorded, or that an older catalog does not know, is another one: nothing is known of what it holds.
    async fn is_published_with(&self, dataset: DatasetId, zip: &OpenedFile, changes: i64) -> Result<bool, RollError> {
        let Some(state) = self.catalog.zip_state(dataset).await? else { return Ok(false) };
        let is_known = state.modified == Some(nanoseconds(zip.modified));
        Ok(is_known && state.zipped >= changes && state.rule == self.rule() && !self.ledger.is_erased(dataset))
    }

    fn rule(&self) -> String {
        self.schedule.settings.now().privacy.rule()
    }

    /// The worker: rolls what is due, a few at once, until it is told to stop.
    async fn work(self, tasks: TaskTracker) {
        while let Some(turn) = self.schedule.next().await {
            let roller = self.clone();
            tasks.spawn(async move {
                let result = roller.look_at(&turn).await;
                roller.schedule.done(turn, &result);
            });
        }
    }

    /// Builds a dataset's zip if it is asked for or the policy says so. Of one that was erased, the zip is removed.
    async fn look_at(&self, turn: &schedule::Turn) -> Result<BuildOutcome, RollError> {
        let dataset = turn.dataset;
        if self.ledger.is_erased(dataset) {
            let storage = self.storage.clone();
            blocking(move || storage.erase_zip(dataset)).await??;
            return Ok(BuildOutcome::Gone);
        }
        self.catalog.flush().await?;
        let Some(state) = self.catalog.zip_state(dataset).await? else { return Ok(BuildOutcome::Gone) };
        let size = tokio::fs::metadata(self.storage.layout().zip(dataset)).await.map_or(0, |found| found.len());
        let verdict = if turn.asked { policy::Verdict::Roll } else { self.schedule.policy(turn, &state, size) };
        match verdict {
            policy::Verdict::Roll => {}
            policy::Verdict::WhenQuiet(quiet) => return Ok(BuildOutcome::PutOff(Some(quiet))),
            policy::Verdict::Wait => return Ok(BuildOutcome::PutOff(None)),
        }
        // Read once: the settings may change while it builds.
        let privacy = self.schedule.settings.now().privacy.clone();
        let rolled = self.roll(dataset, &state, &privacy).await;
        let outcome = if rolled.is_ok() { RollOutcome::Published } else { RollOutcome::Failed };
        METRICS.rolls.get_or_create(&RollLabels { outcome }).inc();
        self.report(dataset, &privacy.rule(), &rolled).await?;
        match rolled? {
            Generation { modified: Some(_), .. } => Ok(BuildOutcome::Published),
            Generation { modified: None, .. } => Ok(BuildOutcome::Empty { has_files: state.files > 0 }),
        }
    }

    /// Says why a roll failed: in the log, and, where a file is at fault, on the recording's page in full, for the log names no file,
    /// whose name bears the watch's.
    async fn report(&self, dataset: DatasetId, rule: &str, rolled: &Result<Generation, RollError>) -> Result<(), RollError> {
        match rolled {
            Ok(_) | Err(RollError::Stopping) => {}
            Err(error @ RollError::Archive(_)) => {
                tracing::error!(%dataset, "a zip could not be rolled; the recording's page says why");
                self.catalog.zip_failed(dataset, rule, &error.to_string()).await?;
            }
            // A disk that is full, or a catalog that is busy, says nothing of the recording.
            Err(error) => tracing::error!(%dataset, %error, "a zip could not be rolled"),
        }
        Ok(())
    }
}
