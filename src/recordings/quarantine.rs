//! Quarantine: files that a watch brought in good order and that a person must look at.

use std::io;

use super::{ReceiveError, Recordings};
use crate::{
    catalog::{CatalogError, FileRow, Whereabouts},
    ids::FileId,
    storage::blocking,
};

/// Why a decision over a file in quarantine is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The file is not in quarantine (any more).
    #[error("this file is not in quarantine any more: somebody else has decided")]
    Gone,
    /// It could not be moved; it is still in quarantine.
    #[error(transparent)]
    Failed(#[from] ReceiveError),
}

impl From<CatalogError> for DecideError {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.into())
    }
}

impl Recordings {
    /// The files in quarantine, newest first, at most `most`, and how many there are in all.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn quarantined(&self, most: u32) -> Result<(Vec<FileRow>, u64), CatalogError> {
        self.catalog.flush().await?;
        Ok((self.catalog.held(most).await?, self.catalog.count_held().await?))
    }

    /// Puts a file from quarantine into its dataset, under its own name or the next one that is free.
    ///
    /// Dropping the future half way would leave work for the next start: run it on a task of its own.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn release(&self, id: FileId) -> Result<(), DecideError> {
        self.catalog.flush().await?;
        let held = self.catalog.file(id).await?.ok_or(DecideError::Gone)?;
        let Whereabouts::Quarantine(reason) = held.whereabouts else { return Err(DecideError::Gone) };
        let row = self.catalog.release(id).await?.ok_or(DecideError::Gone)?;
        let (dataset, size) = (row.dataset, row.size);
        let moved = self.bring_home(row).await;
        if !matches!(moved, Ok(true)) {
            self.catalog.hold(id, reason).await?;
            moved?;
            return Err(ReceiveError::Disk(io::ErrorKind::NotFound.into()).into());
        }
        self.catalog.placed(vec![id]).await?;
        self.roller.mark(dataset, size);
        tracing::info!(%dataset, file = %id, "a file was released from quarantine");
        Ok(())
    }

    /// Deletes a file that is in quarantine.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn discard(&self, id: FileId) -> Result<(), DecideError> {
        self.catalog.flush().await?;
        if !self.catalog.discard(id).await? {
            return Err(DecideError::Gone);
        }
        self.finish_discard(id).await?;
        tracing::info!(file = %id, "a file in quarantine was discarded");
        Ok(())
    }

    pub(super) async fn finish_discard(&self, id: FileId) -> Result<(), ReceiveError> {
        let (disk, path) = (self.storage.disk().clone(), self.storage.layout().quarantine(id));
        blocking(move || disk.remove(&path)).await??;
        Ok(self.catalog.forget(&[id]).await?)
    }
}
