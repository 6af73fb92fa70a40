//! Erasing: everything of a dataset leaves the disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Storage;
use crate::ids::{DatasetId, FileId, Kind};

impl Storage {
    /// Whether anything lies on the disk under a dataset's uuid: a folder, or its zip. Blocks.
    #[must_use]
    pub fn holds(&self, dataset: DatasetId) -> bool {
        let [recordings, models] = self.folders_of(dataset);
        [recordings, models, self.layout.zip(dataset)].iter().any(|path| fs::symlink_metadata(path).is_ok())
    }

    /// Removes both folders of a dataset with whatever lies in them, and these files wherever else they lie. What this removed stays
    /// away through a power cut. The zip is the roller's. Blocks.
    ///
    /// # Errors
    /// What the operating system says. Done again, it goes on.
    pub fn erase(&self, dataset: DatasetId, files: &[FileId]) -> io::Result<()> {
        for folder in self.folders_of(dataset) {
            if fs::symlink_metadata(&folder).is_ok() {
                self.disk.remove_folder(&folder)?;
                self.disk.sync_folder(folder.parent().unwrap_or(self.layout.root()))?;
            }
            self.forget_durable(&folder);
        }
        let mut elsewhere = files.iter().flat_map(|id| [self.layout.quarantine(*id), self.layout.incoming(*id)]);
        elsewhere.try_for_each(|path| self.erase_file(&path))
    }

    /// Removes the zip of a dataset, and what was begun of the next one. Blocks.
    ///
    /// # Errors
    /// As [`Storage::erase`].
    pub fn erase_zip(&self, dataset: DatasetId) -> io::Result<()> {
        [self.layout.rolling(dataset), self.layout.zip(dataset)].into_iter().try_for_each(|path| self.erase_file(&path))
    }

    fn erase_file(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        self.disk.remove(path)?;
        self.disk.sync_folder(path.parent().unwrap_or(self.layout.root()))
    }

    fn folders_of(&self, dataset: DatasetId) -> [PathBuf; 2] {
        [Kind::Recording, Kind::Model].map(|kind| self.layout.dataset_folder(kind, dataset))
    }
}
