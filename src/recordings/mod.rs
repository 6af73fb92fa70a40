//! What can be done with recordings: receive, browse, decide over quarantine, delete, restore, erase, recover, reindex.

mod browse;
mod collection;
mod describe;
mod erase;
mod forecast;
mod gates;
mod health;
mod quarantine;
mod receive;
mod recover;
mod reindex;
mod shelves;
mod trash;
mod turns;

use std::{io, sync::Arc};

pub use browse::{Contents, FileCounts, Listed, Totals};
pub use collection::{CollectError, Collection};
pub use describe::{Change, DescribeError};
pub use erase::EraseError;
pub use health::Health;
pub use quarantine::{DecideError, Quarantined};
pub use receive::{Receipt, Upload};
pub use reindex::{Finding, Reindex, ReindexError};
pub use shelves::Shelves;
pub use trash::{Trash, TrashError};

use crate::{
    catalog::{Catalog, CatalogError, RecordError},
    config::Settings,
    roller::Roller,
    runs::Reader,
};

/// The room where recordings are received and looked after.
#[derive(Clone)]
pub struct Recordings {
    catalog: Catalog,
    shelves: Shelves,
    roller: Roller,
    reader: Reader,
    turns: Arc<turns::Turns>,
    gates: Arc<gates::Gates>,
    settings: Settings,
}

/// Why files are not kept. Nothing of them is acknowledged, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The catalog refused them, or failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
}

impl From<CatalogError> for ReceiveError {
    fn from(error: CatalogError) -> Self {
        Self::Record(error.into())
    }
}

impl Recordings {
    /// The room of a house.
    #[must_use]
    pub fn new(shelves: Shelves, roller: Roller, reader: Reader, settings: Settings) -> Self {
        Self { catalog: shelves.catalog.clone(), shelves, roller, reader, turns: Arc::default(), gates: Arc::default(), settings }
    }
}
