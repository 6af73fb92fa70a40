//! The rolling zip: marked by uploads, rolled off their path, waited for at the gate.

mod generation;
mod policy;
mod schedule;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    archive::ArchiveError,
    catalog::{Catalog, CatalogError},
    config::Settings,
    ids::DatasetId,
    ledger::Ledger,
    metrics::{METRICS, RollLabels, RollOutcome},
    storage::{Storage, blocking},
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

/// What a question at the gate found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The published zip holds every file acknowledged before the question.
    Fresh,
    /// There is no such dataset, it lies in the trash, or it has no files.
    Nothing,
    /// It has files, and zips leave out every one of them.
    AllLeftOut,
    /// The time is up; the roll goes on.
    NotYet,
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

    /// Waits until the zip of a dataset holds every file acknowledged before this call, at most for `patience`.
    ///
    /// # Errors
    /// [`RollError`] if the zip cannot be made.
    pub async fn barrier(&self, dataset: DatasetId, patience: Duration) -> Result<Freshness, RollError> {
        match tokio::time::timeout(patience, self.wait_until_fresh(dataset)).await {
            Ok(result) => result,
            Err(_elapsed) => Ok(Freshness::NotYet),
        }
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
        self.schedule.ask(dataset).await
    }

    async fn wait_until_fresh(&self, dataset: DatasetId) -> Result<Freshness, RollError> {
        // Acknowledged files may wait to be marked as placed; behind this they are.
        self.catalog.flush().await?;
        let Some(state) = self.catalog.zip_state(dataset).await? else { return Ok(Freshness::Nothing) };
        if !(state.is_fresh(&self.rule()) && self.is_published(dataset).await?) {
            // A roll that begins now holds everything acknowledged until now, and nothing that the settings leave out now.
            self.schedule.ask(dataset).await?;
        }
        Ok(match self.is_published(dataset).await? {
            true => Freshness::Fresh,
            false if state.files > 0 => Freshness::AllLeftOut,
            false => Freshness::Nothing,
        })
    }

    /// Whether the published zip of a dataset, fresh or not, was made under the rule of privacy that is in force. One that was
    /// not may hold what is left out now, and nobody gets the rest of it.
    ///
    /// # Errors
    /// [`RollError`] where the catalog does not say.
    pub async fn keeps_the_rule(&self, dataset: DatasetId) -> Result<bool, RollError> {
        Ok(self.catalog.zip_state(dataset).await?.is_some_and(|state| state.rule == self.rule()))
    }

    fn rule(&self) -> String {
        self.schedule.settings.now().privacy.rule()
    }

    async fn is_published(&self, dataset: DatasetId) -> Result<bool, RollError> {
        Ok(tokio::fs::try_exists(self.storage.layout().zip(dataset)).await?)
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

    /// Rolls a dataset's zip if it is asked for or the policy says so. Of one that was erased there is to be none.
    async fn look_at(&self, turn: &schedule::Turn) -> Result<policy::Verdict, RollError> {
        let dataset = turn.dataset;
        if self.ledger.is_erased(dataset) {
            let storage = self.storage.clone();
            blocking(move || storage.erase_zip(dataset)).await??;
            return Ok(policy::Verdict::Roll);
        }
        self.catalog.flush().await?;
        let Some(state) = self.catalog.zip_state(dataset).await? else { return Ok(policy::Verdict::Wait) };
        let size = tokio::fs::metadata(self.storage.layout().zip(dataset)).await.map_or(0, |found| found.len());
        let verdict = if turn.asked { policy::Verdict::Roll } else { self.schedule.policy(turn, &state, size) };
        if verdict == policy::Verdict::Roll {
            // Read once: the settings may change while it rolls.
            let privacy = self.schedule.settings.now().privacy.clone();
            let rolled = self.roll(dataset, &state, &privacy).await;
            let outcome = if rolled.is_ok() { RollOutcome::Published } else { RollOutcome::Failed };
            METRICS.rolls.get_or_create(&RollLabels { outcome }).inc();
            self.report(dataset, &privacy.rule(), &rolled).await?;
            rolled?;
        }
        Ok(verdict)
    }

    /// Says why a roll failed: in the log, and, where a file is at fault, on the recording's page in full, for the log names no file,
    /// whose name bears the watch's.
    async fn report(&self, dataset: DatasetId, rule: &str, rolled: &Result<(), RollError>) -> Result<(), RollError> {
        match rolled {
            Ok(()) | Err(RollError::Stopping) => {}
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
