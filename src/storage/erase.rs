//! Erasing: everything of a dataset leaves the disk.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::Storage;
use crate::ids::{DatasetId, FileId, Kind, ModelId};

/// As many files are removed before their folders are synced: their paths take ten times the memory of their ids.
const AT_ONCE: usize = 1000;

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
        self.folders_of(dataset).iter().try_for_each(|folder| self.erase_folder(folder))?;
        files.chunks(AT_ONCE).try_for_each(|files| {
            let elsewhere = files.iter().flat_map(|id| [self.layout.quarantine(*id), self.layout.incoming(*id)]);
            self.erase_files(&elsewhere.collect::<Vec<_>>())
        })
    }

    /// Removes a file that is in quarantine. Blocks.
    ///
    /// # Errors
    /// As [`Storage::erase`].
    pub fn discard(&self, id: FileId) -> io::Result<()> {
        self.erase_files(&[self.layout.quarantine(id)])
    }

    /// Removes the zip of a dataset, and what was begun of the next one. Blocks.
    ///
    /// # Errors
    /// As [`Storage::erase`].
    pub fn erase_zip(&self, dataset: DatasetId) -> io::Result<()> {
        self.erase_files(&[self.layout.rolling(dataset), self.layout.zip(dataset)])
    }

    /// Removes the folder of a published model. Blocks.
    ///
    /// # Errors
    /// As [`Storage::erase`].
    pub fn remove_model(&self, model: ModelId) -> io::Result<()> {
        self.erase_folder(&self.layout.model_folder(model))
    }

    fn erase_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.remove_folder(folder)?;
        self.disk.sync_folder(folder.parent().unwrap_or(self.layout.root()))?;
        self.forget_durable(folder);
        Ok(())
    }

    /// Each folder is synced once, also where nothing lies there: an earlier call may have removed it, and failed to sync.
    fn erase_files(&self, paths: &[PathBuf]) -> io::Result<()> {
        paths.iter().try_for_each(|path| self.disk.remove(path))?;
        let folders: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        folders.into_iter().try_for_each(|folder| self.disk.sync_folder(folder))
    }

    fn folders_of(&self, dataset: DatasetId) -> [PathBuf; 2] {
        [Kind::Recording, Kind::Model].map(|kind| self.layout.dataset_folder(kind, dataset))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
    };

    use super::*;
    use crate::storage::{Disk, Layout};

    /// A disk on which no folder can be synced while it is sick.
    #[derive(Default)]
    struct Sick {
        is_sick: std::sync::atomic::AtomicBool,
        synced: AtomicU32,
    }

    impl Disk for Sick {
        fn sync_folder(&self, _: &Path) -> io::Result<()> {
            self.synced.fetch_add(1, SeqCst);
            if self.is_sick.load(SeqCst) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn what_was_removed_and_not_synced_is_synced_when_it_is_done_again() {
        let (folder, disk) = (tempfile::TempDir::new().expect("a folder"), Arc::new(Sick::default()));
        let storage = Storage::open(Layout::new(folder.path()), Arc::clone(&disk) as Arc<dyn Disk>).expect("folders");
        let (dataset, file) = (DatasetId::random(), FileId::generate());
        let [recordings, _] = storage.folders_of(dataset);
        let erase = || storage.erase(dataset, &[file]);
        let erase_zip = || storage.erase_zip(dataset);
        let discard = || storage.discard(file);
        let removals: [(PathBuf, &dyn Fn() -> io::Result<()>); 4] = [
            (recordings.join("acc.csv"), &erase),
            (storage.layout().quarantine(file), &erase),
            (storage.layout().zip(dataset), &erase_zip),
            (storage.layout().quarantine(file), &discard),
        ];
        for (path, remove) in removals {
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, "1").expect("written");
            disk.is_sick.store(true, SeqCst);
            for _ in 0..2 {
                remove().expect_err("not synced");
            }
            disk.is_sick.store(false, SeqCst);
            let before = disk.synced.load(SeqCst);
            remove().expect("done again");
            assert!(disk.synced.load(SeqCst) > before && !path.exists(), "{}", path.display());
        }
    }
}
