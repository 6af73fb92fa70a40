//! Into place: a whole file takes its final name, and the name survives a power cut.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{Disk, ReceivedFile, Storage};

impl Storage {
    /// Gives a received file its name in a folder of the house. The folder, and the folder above where that is new, are
    /// synced before this returns.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if a file of that name is there, else what the operating system says. The file is
    /// then still where it was; after a failed sync that is no promise of anything, so whoever received it drops it.
    pub fn place(&self, file: &mut ReceivedFile, to: &Path) -> io::Result<()> {
        self.move_into_place(&file.guard.path.clone(), to)?;
        file.guard.armed = false;
        Ok(())
    }

    /// The same for a file that lies somewhere in the house already: after a restart, or out of quarantine.
    ///
    /// # Errors
    /// As [`Storage::place`].
    pub fn move_into_place(&self, from: &Path, to: &Path) -> io::Result<()> {
        let folder = to.parent().unwrap_or(self.layout.root());
        self.ensure_folder(folder)?;
        self.disk.rename_new(from, to)?;
        self.disk.sync_folder(folder).inspect_err(|_| {
            // Whether the name is durable is unknown, and asking again may lie: take the step back.
            if let Err(error) = self.disk.rename_new(to, from) {
                tracing::error!(%error, "could not take back a file whose folder failed to sync");
            }
        })
    }

    /// Makes the name of a file that lies in its place survive a power cut.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn sync_name(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(self.layout.root());
        self.ensure_folder(folder)?;
        self.disk.sync_folder(folder)
    }

    /// Makes a dataset's folder, and syncs the folder above it unless this process has done so: another upload may have
    /// made the folder a moment ago and not have synced it yet.
    fn ensure_folder(&self, folder: &Path) -> io::Result<()> {
        if self.is_known_durable(folder) && folder.is_dir() {
            return Ok(());
        }
        self.disk.create_folder(folder, 0o755)?;
        self.disk.sync_folder(folder.parent().unwrap_or(self.layout.root()))?;
        self.remember_durable(folder);
        Ok(())
    }
}

/// Replaces a small file as a whole: a reader sees the old one or the new one. `mode` is that of the new file.
///
/// # Errors
/// What the operating system says; the old file is then still there.
pub fn write_over(disk: &dyn Disk, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = PathBuf::from(format!("{}.new", path.display()));
    disk.remove(&temporary)?;
    let written = disk.create(&temporary, mode).and_then(|mut file| {
        disk.write(&mut file, bytes)?;
        publish(disk, &file, &temporary, path)
    });
    if written.is_err() {
        disk.remove(&temporary)?;
    }
    written
}

/// Gives a finished file a name, in place of the file that had it. Both the bytes and the name survive a power cut then.
///
/// # Errors
/// What the operating system says; the old file is then still there, unless it was the folder that failed to sync.
pub fn publish(disk: &dyn Disk, file: &File, from: &Path, to: &Path) -> io::Result<()> {
    disk.sync_file(file, from)?;
    disk.rename_over(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    disk.sync_folder(folder.unwrap_or(Path::new(".")))
}
