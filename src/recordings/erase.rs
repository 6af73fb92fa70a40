//! Erasing: what has lain in the trash for its time goes for good. The order is the promise: the ledger (synced), then the disk, then
//! the catalog; whatever is cut short is found by the ledger and finished.

use std::{io, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Recordings, TrashError};
use crate::{
    audit::{Action, Audit},
    catalog::{CatalogError, Dataset},
    ids::DatasetId,
    ledger::{Entry, Evidence},
    roller::RollError,
    storage::{apart, blocking},
};

/// How often somebody looks whose time is over.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// So many are asked for at once.
const AT_ONCE: u32 = 100;

/// Why a recording is not erased, or not yet as a whole: the next look goes on.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Only what lies in the trash is erased.
    #[error("this recording does not lie in the trash (any more); delete it first")]
    NotInTrash,
    /// Nothing was erased, since that could not be written down.
    #[error("the ledger cannot be written, so nothing was erased: {0}")]
    Ledger(io::Error),
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    /// Its zip is still there.
    #[error(transparent)]
    Roll(#[from] RollError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Recordings {
    /// Hides at once what the ledger says is erased and the catalog knows all the same, since it is an older one; the worker
    /// removes it then.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn hide_erased(&self) -> Result<(), CatalogError> {
        let again = self.catalog.known_among(&self.shelves.ledger.erased()).await?;
        if !again.is_empty() {
            tracing::warn!(datasets = again.len(), "recordings that were erased are in the catalog again; they are erased again");
            self.catalog.delete(&again, "").await?;
        }
        Ok(())
    }

    /// The worker: erases what is to go, at once and then each hour, until it is told to stop.
    pub async fn keep_erasing(self, audit: Audit, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        while stop.run_until_cancelled(look.tick()).await.is_some() {
            if let Err(error) = self.erase_all_due(&audit, &stop).await {
                tracing::error!(%error, "the trash could not be emptied; this is tried again within an hour");
            }
        }
    }

    /// Erases what a person wants gone before its time. It must lie in the trash.
    ///
    /// Dropping the future half way would leave work for the next look: run it on a task of its own.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn erase_now(&self, dataset: DatasetId, by: &str, audit: &Audit) -> Result<(), EraseError> {
        self.write_down(dataset, |_, _| Some(by.to_owned())).await?;
        self.finish_erasing(dataset, by, audit).await?;
        Ok(self.catalog.finish_forgetting().await?)
    }

    async fn erase_all_due(&self, audit: &Audit, stop: &CancellationToken) -> Result<(), EraseError> {
        for dataset in self.left_behind().await? {
            if stop.is_cancelled() {
                return Ok(());
            }
            report(dataset, &self.finish_erasing(dataset, "", audit).await);
        }
        let mut goes_on = true;
        while goes_on {
            let expired = self.catalog.expired(self.catalog.proven_now() - self.trash_time(), AT_ONCE).await?;
            goes_on = !expired.is_empty();
            for dataset in expired {
                if stop.is_cancelled() {
                    return Ok(());
                }
                // One that is still there would only be listed again.
                let erased = self.erase_if_due(dataset, audit).await;
                report(dataset, &erased);
                goes_on &= erased.is_ok();
            }
        }
        Ok(self.catalog.finish_forgetting().await?)
    }

    /// What the ledger says is erased, and the catalog or the disk has.
    async fn left_behind(&self) -> Result<Vec<DatasetId>, EraseError> {
        let erased = self.shelves.ledger.erased();
        let mut left = self.catalog.known_among(&erased).await?;
        let storage = self.shelves.storage.clone();
        left.extend(blocking(move || erased.into_iter().filter(|dataset| storage.holds(*dataset)).collect::<Vec<_>>()).await?);
        left.sort_unstable();
        left.dedup();
        Ok(left)
    }

    async fn erase_if_due(&self, dataset: DatasetId, audit: &Audit) -> Result<(), EraseError> {
        // Somebody may have restored it since it was listed, or a watch brought something.
        let due = |found: &Dataset, by: &str| self.goes_at(found).is_some_and(|at| at <= self.catalog.proven_now()).then(|| by.to_owned());
        self.write_down(dataset, due).await?;
        self.finish_erasing(dataset, "", audit).await
    }

    /// Writes into the ledger that a dataset in the trash is erased, and which files it had. Nobody brings it a file meanwhile, and
    /// who comes behind it is told by the ledger. `who` says in whose name, and that it is time.
    async fn write_down(&self, dataset: DatasetId, who: impl Fn(&Dataset, &str) -> Option<String>) -> Result<(), EraseError> {
        let _shut = self.gates.shut(dataset).await;
        self.catalog.flush().await?;
        let found = match self.known(dataset).await {
            Err(TrashError::Erased) => return Ok(()),
            Err(TrashError::Gone) => return Err(EraseError::NotInTrash),
            Err(TrashError::Catalog(error)) => return Err(error.into()),
            Ok(found) => found,
        };
        let by = found.deleted.as_ref().and_then(|(_, by)| who(&found, by)).ok_or(EraseError::NotInTrash)?;
        let mut evidence = Evidence::default();
        self.catalog.visit_evidence(dataset, |sha256, size, name| evidence.add(sha256, size, name)).await?;
        let (ledger, entry) = (self.shelves.ledger.clone(), Entry { at: self.catalog.now(), by, what: evidence.of_erased(dataset) });
        // Uploads wait at the gate meanwhile, each on a thread that may block.
        apart(move || ledger.append(&entry)).await?.map_err(EraseError::Ledger)
    }

    /// Removes from disk and catalog what the ledger says is erased. It may be done again, and goes on then.
    async fn finish_erasing(&self, dataset: DatasetId, by: &str, audit: &Audit) -> Result<(), EraseError> {
        self.roller.withdraw(dataset).await?;
        let files = self.catalog.files_to_erase(dataset).await?;
        let (storage, count) = (self.shelves.storage.clone(), files.len());
        blocking(move || storage.erase(dataset, &files)).await??;
        if self.reader.erase(dataset).await? {
            tracing::info!(%dataset, files = count, "a recording was erased");
            audit.note(by, Action::Erased, dataset, "").await;
        }
        Ok(())
    }
}

/// Says in the log what failed. That somebody was quicker is no failure.
fn report(dataset: DatasetId, erased: &Result<(), EraseError>) {
    if let Err(error) = erased
        && !matches!(error, EraseError::NotInTrash)
    {
        tracing::error!(%dataset, %error, "a recording could not be erased; this is tried again within an hour");
    }
}
