//! Into place: a whole file takes its final name, and the name survives a power cut.

use std::{
    fs::File,
    io,
    os::unix::fs::{MetadataExt, fchown},
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
        keep_owner(&file, path)?;
        disk.write(&mut file, bytes)?;
        publish(disk, &file, &temporary, path)
    });
    if written.is_err() {
        disk.remove(&temporary)?;
    }
    written
}

/// Run by root, the program must not take a file away from the user whose it is. Anybody else cannot give one away.
fn keep_owner(file: &File, old: &Path) -> io::Result<()> {
    let (Ok(old), new) = (std::fs::metadata(old), file.metadata()?) else { return Ok(()) };
    if (old.uid(), old.gid()) == (new.uid(), new.gid()) {
        return Ok(());
    }
    match fchown(file, Some(old.uid()), Some(old.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        kept => kept,
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::storage::RealDisk;

    /// Notes what is done, and fails at one step.
    #[derive(Default)]
    struct Noting {
        steps: Mutex<Vec<String>>,
        fails: &'static str,
    }

    impl Noting {
        fn step<T>(&self, step: &str, path: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.steps.lock().expect("steps").push(format!("{step} {}", path.file_name().unwrap_or_default().display()));
            if self.fails == step { Err(io::Error::from_raw_os_error(5)) } else { work() }
        }
    }

    impl Disk for Noting {
        fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
            self.step("sync", path, || RealDisk.sync_file(file, path))
        }

        fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename", to, || RealDisk.rename_over(from, to))
        }

        fn sync_folder(&self, path: &Path) -> io::Result<()> {
            self.step("sync folder", path, || RealDisk.sync_folder(path))
        }
    }

    fn folder_with_old() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::TempDir::with_prefix("folder").expect("a folder");
        let path = folder.path().join("config.yml");
        std::fs::write(&path, "old").expect("written");
        (folder, path)
    }

    #[test]
    fn a_file_is_replaced_by_one_that_is_synced_already_and_then_its_folder_is() {
        let (folder, path) = folder_with_old();
        let disk = Noting::default();
        write_over(&disk, &path, b"new", 0o600).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"new");
        let name = folder.path().file_name().expect("a name").display().to_string();
        assert_eq!(
            *disk.steps.lock().expect("steps"),
            ["sync config.yml.new".to_owned(), "rename config.yml".to_owned(), format!("sync folder {name}")]
        );
    }

    #[test]
    fn where_a_step_fails_the_old_file_stays_and_nothing_lies_beside_it() {
        for fails in ["sync", "rename"] {
            let (folder, path) = folder_with_old();
            let disk = Noting { fails, ..Noting::default() };
            assert!(write_over(&disk, &path, b"new", 0o600).is_err(), "{fails}");
            assert_eq!(std::fs::read(&path).expect("there"), b"old", "{fails}");
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "{fails}");
        }
    }
}
