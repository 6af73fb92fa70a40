//! The seam: every call that changes the disk goes through [`Disk`], so that a test can watch, slow down or break each.

use std::{
    fs::{self, DirBuilder, File, FileTimes, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::SystemTime,
};

use rustix::fs::{CWD, RenameFlags, StatVfs, renameat_with, statvfs};

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes that this user may still write.
    pub bytes: u64,
    /// Files that may still be made; `u64::MAX` where the file system has no fixed number.
    pub inodes: u64,
    /// Bytes of the whole file system.
    pub total: u64,
}

/// What the house does to a disk. The default methods are the real thing ([`RealDisk`]); all of them block.
///
/// # Errors
/// Each method returns what the operating system says.
#[expect(clippy::missing_errors_doc, reason = "said once, for all methods")]
pub trait Disk: Send + Sync + 'static {
    /// Makes a file that must not exist yet.
    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        File::options().read(true).write(true).create_new(true).mode(mode).open(path)
    }

    /// Opens a file made by [`Disk::create`] once more, to append to it.
    fn reopen(&self, path: &Path) -> io::Result<File> {
        File::options().read(true).append(true).open(path)
    }

    /// Appends bytes to a file made by [`Disk::create`].
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Cuts off what a file holds behind its first `length` bytes.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Makes a file's bytes and size survive a power cut. A call that failed must never be taken back by a second one:
    /// the kernel may have dropped the pages and report success (see fsync(2) and "fsyncgate").
    fn sync_file(&self, file: &File, _path: &Path) -> io::Result<()> {
        file.sync_data()
    }

    /// Makes the names in a folder survive a power cut.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Gives a file a name that must be free; [`io::ErrorKind::AlreadyExists`] if it is not.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system without the flag: two steps, of which the first takes the name.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            result => Ok(result?),
        }
    }

    /// Gives a file a name, in place of the file that had it.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Makes a folder with this mode, and any that is missing above it. One that is there stays as it is.
    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(mode).create(path)?;
        // The umask may have taken bits that nginx needs to enter.
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Sets a file's time of modification.
    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_modified(time))
    }

    /// Removes a file; one that is gone already is fine.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Removes a folder with everything in it; one that is gone already is fine. A symbolic link leads nowhere: it goes itself.
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// The room on the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let StatVfs { f_bavail, f_frsize, f_files, f_favail, f_blocks, .. } = statvfs(path)?;
        Ok(FreeSpace {
            bytes: f_bavail.saturating_mul(f_frsize),
            inodes: if f_files == 0 { u64::MAX } else { f_favail },
            total: f_blocks.saturating_mul(f_frsize),
        })
    }
}

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
