//! Whether the house can do its work.

use std::time::Duration;

use super::Recordings;
use crate::storage::blocking;

/// A catalog that takes longer to answer is not answering.
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
        let answered = tokio::time::timeout(PATIENCE, self.catalog.answers()).await;
        let (storage, reserve) = (self.shelves.storage.clone(), self.settings.now().storage.reserve());
        let disk = blocking(move || storage.space().has_room(reserve));
        Health {
            catalog: answered.unwrap_or(false) && self.catalog.is_committing(),
            disk: matches!(disk.await, Ok(Ok(true))),
            roller: !self.roller.is_stalled(),
        }
    }
}
