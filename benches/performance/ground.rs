//! Where it is measured: a new folder for each server, and no file deleted before the end.
//!
//! ext4 without a journal avoids the inodes of files that were deleted within the last minutes, and looks for others: that search
//! would be measured, too. So a folder that is done with is emptied of bytes only.

use std::{
    cell::Cell,
    fs::{self, File},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// Removed when it is dropped, at the very end.
pub struct Ground {
    root: TempDir,
    folders: Cell<usize>,
}

/// A folder for one server. Dropped, it gives its room on the disk back, and keeps its files.
pub struct Folder(PathBuf);

impl Ground {
    pub fn new(within: &Path) -> Self {
        fs::create_dir_all(within).expect("a folder to measure in");
        let within = fs::canonicalize(within).expect("its path");
        Self { root: TempDir::new_in(within).expect("a folder"), folders: Cell::new(0) }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn folder(&self) -> Folder {
        let number = self.folders.replace(self.folders.get() + 1);
        let path = self.root.path().join(number.to_string());
        fs::create_dir(&path).expect("a folder");
        Folder(path)
    }
}

impl Folder {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        empty(&self.0);
    }
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => empty(&entry.path()),
            // Small files stay as they are: there may be a million of them.
            Ok(kind) if kind.is_file() && entry.metadata().is_ok_and(|found| found.len() > 4096) => {
                let _ = File::options().write(true).open(entry.path()).and_then(|file| file.set_len(0));
            }
            _ => {}
        }
    }
}

/// Lets nothing that was written before weigh on what is measured next.
pub fn settle() {
    rustix::fs::sync();
}
