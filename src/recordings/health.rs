//! Whether the house can do its work.

use std::{io, time::Duration};

use tokio::time::timeout;

use super::Recordings;
use crate::storage::{FreeSpace, Space, blocking};

/// A catalog or a disk that takes longer to answer is not answering.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can take up the work, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The catalog answers, and commits uploads.
    pub catalog: bool,
    /// There is more room on the disk than the reserve.
    pub disk: bool,
    /// Zips are rolled.
    pub roller: bool,
}

impl Health {
    /// Whether all is well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.catalog && self.disk && self.roller
    }
}

impl Recordings {
    /// Looks at everything that an upload needs.
    pub async fn health(&self) -> Health {
        let reserve = self.settings.now().storage.reserve();
        let (answered, room) = tokio::join!(timeout(PATIENCE, self.catalog.answers()), self.ask_disk(move |space| space.has_room(reserve)));
        Health {
            catalog: answered.unwrap_or(false) && self.catalog.is_committing(),
            disk: room.unwrap_or(false),
            roller: !self.roller.is_stalled(),
        }
    }

    /// The room on the disk, promises not counted.
    ///
    /// # Errors
    /// What the operating system says, or that it says nothing.
    pub async fn free_space(&self) -> io::Result<FreeSpace> {
        self.ask_disk(Space::free).await
    }

    /// The room that is reserved, as it counts for a device that begins an upload.
    ///
    /// # Errors
    /// What the operating system says, or that it says nothing.
    pub async fn reserved_space(&self) -> io::Result<u64> {
        let reserve = self.settings.now().storage.reserve();
        self.ask_disk(move |space| space.reserved(reserve)).await
    }

    /// A disk that hangs, as one on a network may, answers nobody: those who ask must not wait for it in a long row.
    async fn ask_disk<T: Send + 'static>(&self, question: impl FnOnce(&Space) -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let space = self.shelves.storage.space().clone();
        timeout(PATIENCE, blocking(move || question(&space))).await??
    }
}
