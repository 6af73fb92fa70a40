//! The trash: what was deleted can be restored, until its time is over.

use super::Recordings;
use crate::{
    catalog::{CatalogError, Dataset, Millis, PageKey},
    ids::{DatasetId, ParticipantId},
};

/// What lies in the trash, a page of it.
#[derive(Debug, Clone)]
pub struct Trash {
    /// The datasets, the last deleted first, each with the time at which it goes for good.
    pub datasets: Vec<(Dataset, Millis)>,
    /// How many there are in all.
    pub total: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

/// Why nothing is deleted or restored.
#[derive(Debug, thiserror::Error)]
pub enum TrashError {
    /// There is no such recording.
    #[error("there is no such recording")]
    Gone,
    /// It is gone for good.
    #[error("this recording was erased; what is left of it is a line in the ledger")]
    Erased,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Recordings {
    /// Puts recordings into the trash. Returns those that did not lie there.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn delete(&self, datasets: &[DatasetId], by: &str) -> Result<Vec<DatasetId>, CatalogError> {
        self.catalog.delete(datasets, by).await
    }

    /// Takes a recording out of the trash. `false` if it did not lie there.
    ///
    /// # Errors
    /// [`TrashError`].
    pub async fn restore(&self, dataset: DatasetId) -> Result<bool, TrashError> {
        // Nobody writes into the ledger meanwhile that it is erased.
        let _open = self.gates.enter(dataset).await;
        self.known(dataset).await?;
        let restored = self.catalog.restore(dataset).await?;
        self.roller.mark(dataset, 0);
        Ok(restored)
    }

    /// Makes sure that there is such a recording, in the trash or not.
    ///
    /// # Errors
    /// [`TrashError`].
    pub async fn known(&self, dataset: DatasetId) -> Result<Dataset, TrashError> {
        if self.shelves.ledger.is_erased(dataset) {
            return Err(TrashError::Erased);
        }
        self.catalog.dataset(dataset).await?.ok_or(TrashError::Gone)
    }

    /// What lies in the trash behind `after`, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn trash(&self, after: Option<PageKey>, most: u32) -> Result<Trash, CatalogError> {
        self.catalog.flush().await?;
        let (total, bytes) = self.catalog.count_trash().await?;
        let datasets = self.catalog.trash(after, most).await?.into_iter();
        let datasets = datasets.filter_map(|dataset| self.goes_at(&dataset).map(|at| (dataset, at))).collect();
        Ok(Trash { datasets, total, bytes })
    }

    /// When a recording in the trash goes for good, if nothing comes to it.
    #[must_use]
    pub fn goes_at(&self, dataset: &Dataset) -> Option<Millis> {
        let (deleted_at, _) = dataset.deleted.as_ref()?;
        Some((*deleted_at).max(dataset.updated_at).saturating_add(self.trash_time()))
    }

    /// How long the trash keeps what lies in it.
    pub(super) fn trash_time(&self) -> Millis {
        i64::try_from(self.settings.now().trash.kept().as_millis()).unwrap_or(i64::MAX)
    }

    /// Puts all recordings of a participant into the trash and takes its spans away; its label goes with the last of them, and
    /// not before the time of the trash is over, since what comes until then is its, too. `false` if there is no such participant.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn forget_participant(&self, participant: ParticipantId, by: &str) -> Result<bool, CatalogError> {
        let known = self.catalog.forget_participant(participant, by, self.trash_time()).await?;
        self.catalog.finish_forgetting().await?;
        Ok(known)
    }
}
