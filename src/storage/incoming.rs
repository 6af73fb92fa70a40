//! A file while it comes in: written, digested and synced as it streams, gone again unless it is kept.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use sha2::{Digest, Sha256};

use super::Disk;
use crate::ids::hex;

/// How much may be unsynced at any time. A slow disk writes this at 50 MB/s in a third of a second, so little is left to
/// do behind the last byte of even a large file.
const SYNC_WINDOW: u64 = 16 << 20;

/// nginx must be able to read it in its place; until then its folder keeps everyone out.
const READABLE: u32 = 0o644;

/// What is known of a file's bytes once they are all here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 (FIPS 180-4), for people and for telling files apart.
    pub sha256: [u8; 32],
    /// CRC-32 (ISO-HDLC, as in zip archives).
    pub crc32: u32,
}

impl Digests {
    /// The SHA-256 as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }
}

/// Computes [`Digests`] over bytes as they pass by.
#[derive(Default)]
pub(crate) struct Digester {
    size: u64,
    sha256: Sha256,
    crc32: crc32fast::Hasher,
}

impl Digester {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.crc32.update(bytes);
    }

    pub(crate) fn finish(self) -> Digests {
        Digests { size: self.size, sha256: self.sha256.finalize().into(), crc32: self.crc32.finalize() }
    }
}

/// Removes a file when it is dropped, unless it was kept.
pub(super) struct RemoveOnDrop {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    pub(super) armed: bool,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if self.armed
            && let Err(error) = self.disk.remove(&self.path)
        {
            tracing::warn!(%error, "could not remove a file that is not wanted; the next start does");
        }
    }
}

/// A file that is being received into `.house/incoming/`. Its methods block. Dropped before [`IncomingFile::finish`], it
/// leaves nothing behind.
pub struct IncomingFile {
    guard: RemoveOnDrop,
    file: Option<File>,
    digester: Digester,
    unsynced: u64,
}

impl IncomingFile {
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        let guard = RemoveOnDrop { disk, path, armed: false };
        Self { guard, file: None, digester: Digester::default(), unsynced: 0 }
    }

    /// Appends bytes, and syncs what has gathered.
    ///
    /// # Errors
    /// What the operating system says; the file is then useless and must be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        self.guard.disk.write(file, bytes)?;
        self.digester.update(bytes);
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_WINDOW {
            self.guard.disk.sync_file(file, &self.guard.path)?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Syncs what is there and gives the file handle back; if more comes, the file is opened again. It must be synced before:
    /// once it is closed, nobody is told of a page that could not be written.
    ///
    /// # Errors
    /// What the operating system says; the file is then useless and must be dropped.
    pub fn park(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        self.unsynced = 0;
        self.guard.disk.sync_file(&file, &self.guard.path)
    }

    /// Syncs the rest. What comes back is whole and survives a power cut, but has no name yet.
    ///
    /// # Errors
    /// What the operating system says; nothing is left behind.
    pub fn finish(mut self) -> io::Result<ReceivedFile> {
        if !self.guard.armed {
            self.open()?;
        }
        self.park()?;
        Ok(ReceivedFile { guard: self.guard, digests: self.digester.finish() })
    }

    /// Opened with the first bytes, so that a request refused before them costs no file; an empty file opens at its end.
    fn open(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let RemoveOnDrop { disk, path, armed } = &mut self.guard;
        self.file = Some(if *armed { disk.reopen(path)? } else { disk.create(path, READABLE)? });
        *armed = true;
        Ok(())
    }
}

/// A file that is whole and synced in `.house/incoming/`. Dropped before it is placed, it leaves nothing behind.
pub struct ReceivedFile {
    pub(super) guard: RemoveOnDrop,
    digests: Digests,
}

impl ReceivedFile {
    /// What is known of the bytes.
    #[must_use]
    pub fn digests(&self) -> Digests {
        self.digests
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::storage::RealDisk;

    /// Notes each sync with the size of the file at that time, and fails them when told so.
    #[derive(Default)]
    struct Noting {
        synced: Mutex<Vec<u64>>,
        fails: AtomicBool,
    }

    impl Disk for Noting {
        fn sync_file(&self, file: &File, path: &std::path::Path) -> io::Result<()> {
            if self.fails.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.synced.lock().expect("synced").push(file.metadata()?.len());
            RealDisk.sync_file(file, path)
        }
    }

    #[test]
    fn a_file_that_is_parked_is_synced_first_and_goes_on_where_it_was() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (disk, path) = (Arc::new(Noting::default()), folder.path().join("file"));
        let mut file = IncomingFile::new(Arc::clone(&disk) as _, path.clone());
        file.park().expect("nothing to park");
        file.write(b"ab").expect("written");
        file.park().expect("parked");
        file.write(b"cd").expect("written");
        file.park().expect("parked");
        let received = file.finish().expect("whole");
        assert_eq!(*disk.synced.lock().expect("synced"), [2, 4]);
        assert_eq!((received.digests().size, std::fs::read(&path).expect("the file")), (4, b"abcd".to_vec()));
        drop(received);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_whose_sync_fails_when_it_is_parked_is_gone() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (disk, path) = (Arc::new(Noting::default()), folder.path().join("file"));
        let mut file = IncomingFile::new(Arc::clone(&disk) as _, path.clone());
        file.write(b"ab").expect("written");
        disk.fails.store(true, Ordering::SeqCst);
        assert!(file.park().is_err());
        drop(file);
        assert!(!path.exists());
    }
}
