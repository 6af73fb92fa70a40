//! Quarantine: files that a watch brought in good order and that a person must look at.

use std::io;

use super::{ReceiveError, Recordings, turns};
use crate::{
    catalog::{CatalogError, FileRow, Held, HeldKey, Whereabouts},
    config::Role,
    ids::FileId,
};

/// The quarantine, as somebody may see it.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Files of one page, the newest first.
    pub files: Vec<FileRow>,
    /// How many there are in all.
    pub total: u64,
    /// How many of the newest are kept from whoever asks, since they may hold a voice or a picture.
    pub kept_back: u64,
}

/// Why a decision over a file in quarantine is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The file is not in quarantine (any more).
    #[error("this file is not in quarantine any more: it was released or discarded already")]
    Gone,
    /// There is nothing to release it into.
    #[error("{}", Held::Erased.explain())]
    Erased,
    /// It is kept from whoever would decide.
    #[error("this file may hold a voice or a picture and is kept from researchers; ask an operator to decide")]
    KeptBack,
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
    /// The files in quarantine that somebody of this role may see, newest first, behind `after`, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn quarantined(&self, role: Role, after: Option<HeldKey>, most: u32) -> Result<Quarantined, CatalogError> {
        self.catalog.flush().await?;
        let sight = self.settings.now().privacy.sight(role);
        let (files, kept_back) = self.catalog.held(after, most, &sight).await?;
        Ok(Quarantined { files, total: self.catalog.count_held().await?, kept_back })
    }

    /// Puts a file from quarantine into its dataset, under its own name or the next one that is free.
    ///
    /// Dropping the future half way would leave work for the next start: run it on a task of its own.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn release(&self, role: Role, id: FileId) -> Result<(), DecideError> {
        let (held, _turn) = self.turn_of(role, id).await?;
        let Whereabouts::Quarantine(reason) = held.whereabouts else { return Err(DecideError::Gone) };
        let _open = self.gates.enter(held.dataset).await;
        if self.shelves.ledger.is_erased(held.dataset) {
            return Err(DecideError::Erased);
        }
        let row = self.catalog.release(id).await?.ok_or(DecideError::Gone)?;
        let (dataset, size) = (row.dataset, row.size);
        let moved = self.shelves.bring_home(row).await;
        if !matches!(moved, Ok(true)) {
            self.catalog.hold(id, reason).await?;
            moved?;
            return Err(ReceiveError::Disk(io::ErrorKind::NotFound.into()).into());
        }
        self.catalog.placed(vec![id]).await?;
        self.roller.mark(dataset, size);
        self.reader.mark();
        tracing::info!(%dataset, file = %id, "a file was released from quarantine");
        Ok(())
    }

    /// Deletes a file that is in quarantine.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn discard(&self, role: Role, id: FileId) -> Result<(), DecideError> {
        let (_, _turn) = self.turn_of(role, id).await?;
        if !self.catalog.discard(id).await? {
            return Err(DecideError::Gone);
        }
        self.shelves.finish_discard(id).await?;
        tracing::info!(file = %id, "a file in quarantine was discarded");
        Ok(())
    }

    /// The turn of a file that is recorded and that somebody of this role may see: nobody uploads the same one meanwhile.
    async fn turn_of(&self, role: Role, id: FileId) -> Result<(FileRow, turns::Turn), DecideError> {
        // What was acknowledged a moment ago may not be marked yet.
        self.catalog.flush().await?;
        let row = self.catalog.file(id).await?.ok_or(DecideError::Gone)?;
        if !self.settings.now().privacy.sight(role).sees(&row.sent_name.stored()) {
            return Err(DecideError::KeptBack);
        }
        let turn = self.turns.take(vec![(row.dataset, row.sent_name.clone(), row.sha256.clone())]).await;
        Ok((row, turn))
    }
}
