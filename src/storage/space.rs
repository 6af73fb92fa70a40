//! Room on the disk: what is free, less what has been promised to uploads and rolls that are under way.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Disk, FreeSpace};

/// Inodes that are never used up: the catalog and the zips need a few.
const RESERVED_INODES: u64 = 64;

/// Gives out room on the disk before it is used, so that ten uploads that would each fit do not fill it together.
#[derive(Clone)]
pub struct Space {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    promised: Arc<AtomicU64>,
}

impl Space {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, promised: Arc::default() }
    }

    /// Promises `bytes` to a new file, or returns `None` where less than `reserve` bytes, or few inodes, would be left.
    ///
    /// # Errors
    /// What the operating system says when asked.
    pub fn admit_file(&self, bytes: u64, reserve: u64) -> io::Result<Option<Admission>> {
        let free = self.free()?;
        Ok(self.promise(bytes, reserve, free).filter(|_| free.inodes > RESERVED_INODES))
    }

    /// Promises `bytes`, or returns `None` where less than `reserve` bytes would be left.
    ///
    /// # Errors
    /// What the operating system says when asked.
    pub fn admit(&self, bytes: u64, reserve: u64) -> io::Result<Option<Admission>> {
        Ok(self.promise(bytes, reserve, self.free()?))
    }

    fn promise(&self, bytes: u64, reserve: u64, free: FreeSpace) -> Option<Admission> {
        let promised = self.promised.fetch_add(bytes, Ordering::Relaxed);
        let admission = Admission { promised: Arc::clone(&self.promised), left: bytes };
        let room = free.bytes.saturating_sub(reserve).saturating_sub(promised);
        (bytes <= room).then_some(admission)
    }

    /// Whether there is room beyond `reserve` bytes, and inodes for more files.
    ///
    /// # Errors
    /// What the operating system says when asked.
    pub fn has_room(&self, reserve: u64) -> io::Result<bool> {
        Ok(self.admit_file(1, reserve)?.is_some())
    }

    /// The room on the file system, promises not counted.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn free(&self) -> io::Result<FreeSpace> {
        self.disk.free_space(&self.folder)
    }
}

/// A promise of room. What has been written is no longer promised; the rest ends with the value.
pub struct Admission {
    promised: Arc<AtomicU64>,
    left: u64,
}

impl Admission {
    /// Bytes that are promised still.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Says that `bytes` of the promise are on the disk now, and so counted there.
    pub fn spend(&mut self, bytes: u64) {
        let spent = bytes.min(self.left);
        self.left -= spent;
        self.promised.fetch_sub(spent, Ordering::Relaxed);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const RESERVE: u64 = 100;

    struct Small {
        inodes: u64,
    }

    impl Disk for Small {
        fn free_space(&self, _: &Path) -> io::Result<FreeSpace> {
            Ok(FreeSpace { bytes: 1000, inodes: self.inodes, total: 2000 })
        }
    }

    fn space(inodes: u64) -> Space {
        Space::new(Arc::new(Small { inodes }), PathBuf::new())
    }

    #[test]
    fn promises_add_up_and_end() {
        let space = space(1000);
        let mut first = space.admit(600, RESERVE).expect("asked").expect("room");
        assert!(space.admit(301, RESERVE).expect("asked").is_none());
        first.spend(200);
        assert!(space.admit(500, RESERVE).expect("asked").is_some());
        drop(first);
        assert!(space.admit(900, RESERVE).expect("asked").is_some());
    }

    #[test]
    fn without_inodes_there_is_no_room_for_a_file_and_still_some_for_a_zip() {
        assert!(space(64).admit_file(0, RESERVE).expect("asked").is_none());
        assert!(space(64).admit(0, RESERVE).expect("asked").is_some());
    }
}
