//! Opening a file to send it: beneath one folder, and through no symbolic link on the way.

use std::{fs::File, io, path::Path, time::SystemTime};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// A regular file, opened for reading, as it was at that moment.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file; a later generation under the same name does not change it.
    pub file: File,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last modification.
    pub modified: SystemTime,
}

/// Opens `path`, relative to `root`. A link that somebody laid into the folders leads nowhere.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] where there is no regular file, [`io::ErrorKind::PermissionDenied`] where there is a symbolic
/// link on the way, else what the operating system says.
pub fn open_beneath(root: &Path, path: &Path) -> io::Result<OpenedFile> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let root = openat(CWD, root, flags | OFlags::DIRECTORY | OFlags::PATH, Mode::empty())?;
    let opened = openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS);
    let file = match opened {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::XDEV) => return Err(io::ErrorKind::PermissionDenied.into()),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(OpenedFile { size: metadata.len(), modified: metadata.modified()?, file })
}
