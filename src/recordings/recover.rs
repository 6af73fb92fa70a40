//! After a start: what the last process left half done is finished, or taken back. Only the rows that say so are looked at,
//! so that starting is fast with a million files.

use std::{collections::HashSet, io};

use super::{ReceiveError, Recordings, receive::is_there};
use crate::{
    catalog::{FileRow, FileState, Whereabouts},
    ids::FileId,
    storage::blocking,
};

impl Recordings {
    /// Settles every file whose way in or out was interrupted, and clears away what nobody acknowledged.
    ///
    /// # Errors
    /// [`ReceiveError`] where the catalog or a folder cannot be read. A single file that cannot be settled is logged and
    /// kept for the next start.
    pub async fn recover(&self) -> Result<(), ReceiveError> {
        let unsettled = self.catalog.unsettled().await?;
        let mut kept = HashSet::new();
        for row in &unsettled {
            if let Err(error) = self.settle(row.clone()).await {
                tracing::error!(%error, dataset = %row.dataset, file = %row.id, "could not finish an interrupted file; the next start tries again");
                kept.insert(row.id);
            }
        }
        self.catalog.flush().await?;
        let storage = self.storage.clone();
        let removed = blocking(move || {
            storage.clear_rolling()?;
            storage.clear_incoming(|id: FileId| kept.contains(&id))
        })
        .await??;
        if !unsettled.is_empty() || removed > 0 {
            tracing::info!(settled = unsettled.len(), removed, "cleared up after the last process");
        }
        Ok(())
    }

    async fn settle(&self, row: FileRow) -> Result<(), ReceiveError> {
        if row.state == FileState::Discarding {
            return self.finish_discard(row.id).await;
        }
        let id = row.id;
        if self.bring_home(row).await? {
            self.catalog.placed(vec![id]).await?;
        } else {
            self.catalog.forget(&[id]).await?;
        }
        Ok(())
    }

    /// Puts the bytes of a recorded file into its place, from wherever they lie. `false` if they are nowhere.
    pub(super) async fn bring_home(&self, mut row: FileRow) -> Result<bool, ReceiveError> {
        loop {
            let storage = self.storage.clone();
            let target = self.path_of(&row);
            let (id, size) = (row.id, row.size);
            let moved = blocking(move || {
                let layout = storage.layout();
                let waiting = [layout.incoming(id), layout.quarantine(id)].into_iter().find(|path| *path != target && path.exists());
                match waiting {
                    Some(path) => storage.move_into_place(&path, &target).map(|()| true),
                    None if is_there(&target, size) => storage.sync_name(&target).map(|()| true),
                    None => Ok(false),
                }
            })
            .await?;
            match moved {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    row.whereabouts = Whereabouts::Dataset(self.catalog.rename(&row).await?);
                }
                result => return Ok(result?),
            }
        }
    }
}
