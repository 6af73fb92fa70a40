//! Where catalog and disk meet: where a recorded file lies, and how it gets there.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::ReceiveError;
use crate::{
    catalog::{Catalog, FileRow, Whereabouts},
    ids::FileId,
    ledger::Ledger,
    storage::{Storage, blocking, wait},
};

/// The shelves of the house: rows in the catalog, the files that they speak of, and the ledger of what is there no more.
#[derive(Clone)]
pub struct Shelves {
    pub(super) catalog: Catalog,
    pub(super) storage: Storage,
    pub(super) ledger: Ledger,
}

impl Shelves {
    /// The shelves of a house.
    #[must_use]
    pub fn new(catalog: Catalog, storage: Storage, ledger: Ledger) -> Self {
        Self { catalog, storage, ledger }
    }

    /// Where a file lies, or is to lie.
    pub(super) fn path_of(&self, row: &FileRow) -> PathBuf {
        match &row.whereabouts {
            Whereabouts::Dataset(name) => self.storage.layout().file(row.dataset, name),
            Whereabouts::Quarantine(_) => self.storage.layout().quarantine(row.id),
        }
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
                    let shelves = self.clone();
                    row = blocking(move || shelves.make_way(&mut row).map(|()| row)).await??;
                }
                result => return Ok(result?),
            }
        }
    }

    /// Something lies where a file is to lie. In a dataset somebody laid it there by hand: the file gets the next name. In
    /// quarantine nobody but us uses its id: what lies there is a damaged copy of its own. It blocks.
    pub(super) fn make_way(&self, row: &mut FileRow) -> Result<(), ReceiveError> {
        match &row.whereabouts {
            Whereabouts::Dataset(_) => row.whereabouts = Whereabouts::Dataset(wait(self.catalog.rename(row))?),
            Whereabouts::Quarantine(_) => self.storage.disk().remove(&self.path_of(row))?,
        }
        Ok(())
    }

    /// Deletes a discarded file, then its row.
    pub(super) async fn finish_discard(&self, id: FileId) -> Result<(), ReceiveError> {
        let storage = self.storage.clone();
        blocking(move || storage.discard(id)).await??;
        Ok(self.catalog.forget(&[id]).await?)
    }
}

/// Whether a file of this size lies there.
pub(super) fn is_there(path: &Path, size: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
}
