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
    storage::{Storage, apart, blocking, wait},
};

/// As many files of the quarantine folder are compared with the catalog together.
const LOOK_AT: usize = 1000;

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

    /// Puts the bytes of a recorded file into its place, from wherever they lie. `false` if they are nowhere. Uploads of the same
    /// file wait meanwhile, each on a thread that may block.
    pub(super) async fn bring_home(&self, mut row: FileRow) -> Result<bool, ReceiveError> {
        loop {
            let storage = self.storage.clone();
            let target = self.path_of(&row);
            let (id, size) = (row.id, row.size);
            let moved = apart(move || {
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
                    row = apart(move || shelves.make_way(&mut row).map(|()| row)).await??;
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

    /// What lies in quarantine and no row speaks of, such as what somebody put back from a backup that is older than the catalog:
    /// nothing shows it, and nothing removes it.
    pub(super) async fn unknown_in_quarantine(&self) -> Result<Vec<PathBuf>, ReceiveError> {
        let storage = self.storage.clone();
        let (mut unknown, mut paths) = (Vec::new(), blocking(move || storage.quarantined()).await??);
        loop {
            // A device can send a million such files: only some of them are looked at together.
            let (some, rest) = blocking(move || (paths.by_ref().take(LOOK_AT).collect::<io::Result<Vec<_>>>(), paths)).await?;
            let some = some?;
            paths = rest;
            if some.is_empty() {
                return Ok(unknown);
            }
            let known = self.catalog.quarantined_among(&some.iter().filter_map(|path| id_of(path)).collect::<Vec<_>>()).await?;
            unknown.extend(some.into_iter().filter(|path| id_of(path).is_none_or(|id| !known.contains(&id))));
        }
    }

    /// Says in the log, and so on the front page, where there is something of that kind. It is left alone: who knows what it is.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub async fn look_into_quarantine(&self) -> Result<(), ReceiveError> {
        let unknown = self.unknown_in_quarantine().await?.len();
        if unknown > 0 {
            let error = format!("{unknown} in all; `wearhouse reindex` lists them, delete those that should not be here");
            tracing::error!(%error, "files lie in uploads/.house/quarantine that are not in the catalog, and may have been discarded or erased");
        }
        Ok(())
    }

    /// Deletes a discarded file, then its row.
    pub(super) async fn finish_discard(&self, id: FileId) -> Result<(), ReceiveError> {
        let storage = self.storage.clone();
        apart(move || storage.discard(id)).await??;
        Ok(self.catalog.forget(&[id]).await?)
    }
}

/// The id that a file in quarantine has as its name.
fn id_of(path: &Path) -> Option<FileId> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Whether a file of this size lies there.
pub(super) fn is_there(path: &Path, size: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
}
