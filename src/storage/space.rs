//! Room on the disk: what is free above the reserve, and what of it is reserved for uploads and zips in progress.
//!
//! The reserve is kept by every write, whatever was reserved: [`Reservation::spend`] asks the disk. What several writers were told
//! at the same moment is not on the disk yet, so the reserve can be undercut by what they write at once: at most the memory of all
//! upload buffers and a mebibyte for each zip that is built, less than 100 MiB with the default limits.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Disk, FreeSpace,
    reservations::{Key, Reservations},
};
use crate::ids::DeviceId;

/// Inodes that are never used up: the catalog and the zips need a few.
const RESERVED_INODES: u64 = 64;

/// Whom room is reserved for.
#[derive(Debug, Clone, Copy)]
pub enum ReservedFor {
    /// An upload of a device. It may be slow for so long before its reservation counts for nothing.
    Upload {
        /// Whose it is.
        device: DeviceId,
        /// Progress is measured over this time.
        slow_after: Duration,
    },
    /// The server's own work: a zip, a model.
    Server,
}

impl ReservedFor {
    pub(super) fn device(self) -> Option<DeviceId> {
        match self {
            Self::Upload { device, .. } => Some(device),
            Self::Server => None,
        }
    }
}

/// Reserves room on the disk before it is used, so that ten uploads that would each fit do not fill it together.
#[derive(Clone)]
pub struct Space {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    reservations: Arc<Mutex<Reservations>>,
}

impl Space {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, reservations: Arc::default() }
    }

    /// Reserves `bytes` for a new file.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where they do not fit beside what is reserved without touching the last `reserve` bytes, or where
    /// few inodes are left; else what the operating system says when asked.
    pub fn admit_file(&self, whom: ReservedFor, bytes: u64, reserve: u64) -> io::Result<Reservation> {
        let free = self.free()?;
        if free.inodes <= RESERVED_INODES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.reserve(whom, bytes, reserve, free)
    }

    /// Reserves `bytes`.
    ///
    /// # Errors
    /// As [`Space::admit_file`], inodes not counted.
    pub fn admit(&self, whom: ReservedFor, bytes: u64, reserve: u64) -> io::Result<Reservation> {
        self.reserve(whom, bytes, reserve, self.free()?)
    }

    fn reserve(&self, whom: ReservedFor, bytes: u64, reserve: u64, free: FreeSpace) -> io::Result<Reservation> {
        let room = free.bytes.saturating_sub(reserve);
        let key = self.reservations().admit(whom, bytes, room, Instant::now()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(Reservation { space: self.clone(), key, reserve })
    }

    /// Whether there is room beyond `reserve` bytes for a device that begins an upload, and inodes for more files.
    ///
    /// # Errors
    /// What the operating system says when asked.
    pub fn has_room(&self, reserve: u64) -> io::Result<bool> {
        match self.admit_file(ReservedFor::Server, 1, reserve) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(false),
            admitted => admitted.map(|_| true),
        }
    }

    /// What is reserved, as it counts for a device that begins an upload.
    ///
    /// # Errors
    /// What the operating system says when asked.
    pub fn reserved(&self, reserve: u64) -> io::Result<u64> {
        let room = self.free()?.bytes.saturating_sub(reserve);
        Ok(self.reservations().counted(None, room, Instant::now()))
    }

    /// The room on the file system, reservations not counted.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn free(&self) -> io::Result<FreeSpace> {
        self.disk.free_space(&self.folder)
    }

    fn reservations(&self) -> MutexGuard<'_, Reservations> {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room that is reserved. What has been written is no longer reserved; the rest ends with the value.
pub struct Reservation {
    space: Space,
    key: Key,
    reserve: u64,
}

impl Reservation {
    /// Asks for room for `bytes` that are written next. They need free space, whether they are reserved or not.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where they would touch the reserve; else what the operating system says when asked.
    pub fn spend(&mut self, bytes: u64) -> io::Result<()> {
        // What is complete needs no room to be kept.
        if bytes > 0 && self.space.free()?.bytes < self.reserve.saturating_add(bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.space.reservations().spend(self.key, bytes, Instant::now());
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.space.reservations().end(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::atomic::AtomicU64, sync::atomic::Ordering};

    use super::*;
    use crate::ids::Identifier;

    const RESERVE: u64 = 100;

    struct Small {
        bytes: AtomicU64,
        inodes: u64,
    }

    impl Disk for Small {
        fn free_space(&self, _: &Path) -> io::Result<FreeSpace> {
            Ok(FreeSpace { bytes: self.bytes.load(Ordering::Relaxed), inodes: self.inodes, total: 2000 })
        }
    }

    fn space(inodes: u64) -> (Arc<Small>, Space) {
        let disk = Arc::new(Small { bytes: AtomicU64::new(1000), inodes });
        (Arc::clone(&disk), Space::new(disk, PathBuf::new()))
    }

    fn upload(name: &str) -> ReservedFor {
        let device = name.parse::<Identifier>().expect("an identifier").device();
        ReservedFor::Upload { device, slow_after: Duration::from_secs(120) }
    }

    fn is_full<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
    }

    #[test]
    fn reservations_add_up_and_end() {
        let (_, space) = space(1000);
        let mut first = space.admit(upload("a"), 600, RESERVE).expect("room");
        assert!(is_full(space.admit(upload("a"), 301, RESERVE)));
        first.spend(200).expect("free");
        drop(space.admit(upload("a"), 500, RESERVE).expect("room"));
        drop(first);
        space.admit(upload("a"), 900, RESERVE).expect("room");
    }

    #[test]
    fn the_reserve_is_kept_whatever_was_reserved_and_what_is_free_may_be_written_without_a_reservation() {
        let (disk, space) = space(1000);
        let (mut reserved, mut unannounced) =
            (space.admit(upload("a"), 900, RESERVE).expect("room"), space.admit(upload("b"), 0, RESERVE).expect("room"));
        unannounced.spend(900).expect("free");
        disk.bytes.store(RESERVE + 1, Ordering::Relaxed);
        assert!(is_full(reserved.spend(2)) && is_full(unannounced.spend(2)));
        reserved.spend(1).expect("free");
        disk.bytes.store(0, Ordering::Relaxed);
        reserved.spend(0).expect("nothing to write");
    }

    #[test]
    fn one_device_does_not_make_the_disk_look_full() {
        let (_, space) = space(1000);
        let _all = space.admit(upload("a"), 900, RESERVE).expect("room");
        assert!(space.has_room(RESERVE).expect("asked"));
        assert_eq!(space.reserved(RESERVE).expect("asked"), 900 / 8);
        assert!(!space.has_room(1000).expect("asked"));
    }

    #[test]
    fn without_inodes_there_is_no_room_for_a_file_and_still_some_for_a_zip() {
        let (_, space) = space(64);
        assert!(is_full(space.admit_file(upload("a"), 0, RESERVE)));
        space.admit(ReservedFor::Server, 0, RESERVE).expect("room");
    }
}
