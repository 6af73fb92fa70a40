//! After a start: what the last process left half done is finished, or taken back. Only the rows that say so are looked at,
//! so that starting is fast with a million files.

use super::{ReceiveError, shelves::Shelves};
use crate::{
    catalog::{FileRow, FileState},
    storage::blocking,
};

/// So many are asked for together.
const AT_ONCE: u32 = 1000;

impl Shelves {
    /// Settles every file whose way in or out was interrupted, and clears away what nobody acknowledged.
    ///
    /// # Errors
    /// [`ReceiveError`] where one cannot be settled: it may have been acknowledged, so nobody should be told that all is well.
    pub async fn recover(&self) -> Result<(), ReceiveError> {
        let mut settled = 0;
        loop {
            // Those that are settled are not among the next ones.
            let some = self.catalog.unsettled(AT_ONCE).await?;
            if some.is_empty() {
                break;
            }
            settled += some.len();
            for row in some {
                let (dataset, file) = (row.dataset, row.id);
                self.settle(row).await.inspect_err(|error| {
                    tracing::error!(%error, %dataset, %file, "could not finish an interrupted file; mend the disk and start again");
                })?;
            }
            self.catalog.flush().await?;
        }
        let storage = self.storage.clone();
        let removed = blocking(move || {
            storage.clear_rolling()?;
            storage.clear_incoming()
        })
        .await??;
        if settled > 0 || removed > 0 {
            tracing::info!(settled, removed, "cleared up after the last process");
        }
        Ok(())
    }

    async fn settle(&self, row: FileRow) -> Result<(), ReceiveError> {
        if row.state == FileState::Discarding {
            return self.finish_discard(row.id).await;
        }
        if self.bring_home(row.clone()).await? {
            self.catalog.placed(vec![row.id]).await?;
        } else {
            tracing::warn!(dataset = %row.dataset, sha256 = row.sha256, size = row.size, "dropped a file whose bytes never came into their place");
            self.catalog.forget(&[row.id]).await?;
        }
        Ok(())
    }
}
