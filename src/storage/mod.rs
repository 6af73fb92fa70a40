//! Bytes on disk. A file takes its final name only when it is whole and synced; one file builds every path.

mod buffer;
mod disk;
mod erase;
mod handles;
mod incoming;
mod open;
mod paths;
mod place;
mod reservations;
mod space;

use std::{
    collections::HashSet,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

pub use buffer::Buffer;
pub use disk::{Disk, FreeSpace, RealDisk};
pub use handles::{Handle, Handles};
pub(crate) use incoming::Digester;
pub use incoming::{Digests, IncomingFile, ReceivedFile};
pub use open::{OpenedFile, open_beneath};
pub use paths::Layout;
pub use place::{publish, write_over};
pub use space::{Reservation, ReservedFor, Space};

use rustix::fs::{Access, access};

use crate::ids::FileId;

/// The folders of the house, and the one disk through which everything durable is done.
#[derive(Clone)]
pub struct Storage {
    layout: Layout,
    disk: Arc<dyn Disk>,
    space: Space,
    handles: Handles,
    durable_folders: Arc<Mutex<HashSet<PathBuf>>>,
}

/// Why the folders cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server holds the lock.
    #[error("another wearhouse already serves {0}: stop it first, or give this one another folder (storage.uploads)")]
    Locked(String),
    /// A folder cannot be made or written.
    #[error("cannot use {path}: {source}; make it a folder that this user can write")]
    Unusable {
        /// The folder or file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Looks whether the folders of a layout can be used, and changes nothing: the root, or where it would be made.
///
/// # Errors
/// [`OpenError::Unusable`].
pub fn look_at(layout: &Layout) -> Result<(), OpenError> {
    let there = layout.root().ancestors().find(|path| path.exists()).unwrap_or(layout.root());
    let usable = access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
    let usable = usable.and_then(|()| if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
    usable.map_err(|source| OpenError::Unusable { path: there.display().to_string(), source })
}

/// Holds the house for this process; released when it is dropped.
#[derive(Debug)]
pub struct HouseLock {
    _file: File,
}

impl Storage {
    /// Opens the folders under `layout`, making those that are missing.
    ///
    /// # Errors
    /// [`OpenError::Unusable`] if a folder cannot be made.
    pub fn open(layout: Layout, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        for (folder, mode) in layout.folders() {
            let unusable = |source| OpenError::Unusable { path: folder.display().to_string(), source };
            disk.create_folder(&folder, mode).map_err(unusable)?;
            // Whether it was made now or by a start that was cut short: its name must survive a power cut.
            disk.sync_folder(folder.parent().unwrap_or(&folder)).map_err(unusable)?;
        }
        let space = Space::new(Arc::clone(&disk), layout.house());
        Ok(Self { layout, disk, space, handles: Handles::new(usize::MAX), durable_folders: Arc::default() })
    }

    /// Takes the lock that keeps a second server away. It is the kernel's, so it ends with the process, however that ends.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another process holds it.
    pub fn lock(&self) -> Result<HouseLock, OpenError> {
        let path = self.layout.lock();
        let unusable = |source| OpenError::Unusable { path: path.display().to_string(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(HouseLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(self.layout.root().display().to_string())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Every path of the house.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The seam through which everything durable is done.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The same, where no more than so many files of uploads may be open at once.
    #[must_use]
    pub fn with_handles(self, most: usize) -> Self {
        Self { handles: Handles::new(most), ..self }
    }

    /// Who may have a file of an upload open.
    #[must_use]
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// What room there is.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What lies in `quarantine/`.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn quarantined(&self) -> io::Result<impl Iterator<Item = io::Result<PathBuf>> + Send + use<>> {
        Ok(std::fs::read_dir(self.layout.quarantine_folder())?.map(|entry| Ok(entry?.path())))
    }

    /// Starts a file that is being received. Its bytes go away with the returned value until they are kept.
    #[must_use]
    pub fn incoming(&self, id: FileId) -> IncomingFile {
        IncomingFile::new(Arc::clone(&self.disk), self.layout.incoming(id))
    }

    /// Removes what lies in `incoming/`: it was never acknowledged. Returns how many files there were.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn clear_incoming(&self) -> io::Result<usize> {
        self.clear(&self.layout.incoming_folder())
    }

    /// Removes zips that were being made when the last process ended.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn clear_rolling(&self) -> io::Result<usize> {
        self.clear(&self.layout.rolling_folder())
    }

    fn clear(&self, folder: &Path) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(folder)? {
            self.disk.remove(&entry?.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    fn is_known_durable(&self, folder: &Path) -> bool {
        self.durable_folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn forget_durable(&self, folder: &Path) {
        self.durable_folders.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
    }

    fn remember_durable(&self, folder: &Path) {
        /// Above this the memory is dropped: the price is one more sync a folder.
        const MOST: usize = 20_000;
        let mut known = self.durable_folders.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(folder.to_owned());
    }
}

/// Runs what blocks, as everything in this room does, on a thread that may block.
///
/// # Errors
/// [`io::ErrorKind::Other`] if it panicked.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

/// The same on a thread of its own: for work that others, on threads of [`blocking`], wait for. Where they have all of them, none
/// is left for it.
///
/// # Errors
/// What the operating system says, [`io::ErrorKind::Other`] if it panicked.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().spawn(move || {
        let _within = runtime.enter();
        // Whoever asked may have gone; the work is done all the same.
        let _ = tell.send(work());
    })?;
    told.await.map_err(io::Error::other)
}

/// Waits, on a thread of [`blocking`] or [`apart`], for what others do meanwhile. That may be anything but [`blocking`] work: where all such
/// threads wait for another one, none is left for it.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}
