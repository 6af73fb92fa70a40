//! A file as the catalog knows it, and how a row is read.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Millis, RecordError,
    columns::{parsed, parsed_or_null, to_crc32, to_u64},
};
use crate::{
    config::Quota,
    ids::{DatasetId, DeviceId, FileId, FileName, SentName},
    storage::Digests,
};

/// Why a file is in quarantine instead of in its dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its extension is not on the list of the settings.
    Extension,
    /// Its dataset belongs to another device.
    ForeignDataset,
    /// Its dataset was erased.
    Erased,
}

impl Held {
    /// The word for it in the catalog and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::ForeignDataset => "foreign dataset",
            Self::Erased => "erased",
        }
    }

    /// The reason as a sentence for a person.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Extension => "its extension is not on the list (storage.extensions)",
            Self::ForeignDataset => "its dataset belongs to another device",
            Self::Erased => "its recording was erased; it can only be discarded",
        }
    }

    fn from_text(text: &str) -> Self {
        [Self::ForeignDataset, Self::Erased].into_iter().find(|held| held.as_str() == text).unwrap_or(Self::Extension)
    }
}

/// Where a file lies, or is to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// In its dataset, under this name.
    Dataset(FileName),
    /// In quarantine.
    Quarantine(Held),
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Its name is reserved; its bytes may not be in their place.
    Placing,
    /// Its bytes are in their place, synced.
    Placed,
    /// A person discarded it; its bytes may still be there.
    Discarding,
    /// Its bytes were not found when somebody looked.
    Lost,
}

impl FileState {
    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "placed" => Self::Placed,
            "discarding" => Self::Discarding,
            "lost" => Self::Lost,
            _ => Self::Placing,
        }
    }
}

/// A file that has been received and is to be recorded.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Its id.
    pub id: FileId,
    /// The run that it is said to belong to.
    pub dataset: DatasetId,
    /// Who brought it; `None` where it was found on the disk.
    pub device: Option<DeviceId>,
    /// Its name as sent.
    pub sent_name: SentName,
    /// Size and digests.
    pub digests: Digests,
    /// Whether its extension, or where it is to go, puts it into quarantine.
    pub held: Option<Held>,
}

/// A file as the catalog knows it.
#[derive(Debug, Clone)]
pub struct FileRow {
    /// Its id.
    pub id: FileId,
    /// The run that it belongs to.
    pub dataset: DatasetId,
    /// Who brought it.
    pub device: Option<DeviceId>,
    /// Its name as sent.
    pub sent_name: SentName,
    /// Where it lies.
    pub whereabouts: Whereabouts,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// CRC-32.
    pub crc32: u32,
    /// When it was received.
    pub received_at: Millis,
    /// How far it has come.
    pub state: FileState,
}

/// The catalog's word on one file.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The row: of this file, or of the same file that came before.
    pub row: FileRow,
    /// Whether the row was made now. If not, the same name with the same bytes was recorded earlier.
    pub new: bool,
}

/// The files of one request, and what their device may bring in all.
pub(super) struct Batch {
    pub(super) files: Vec<NewFile>,
    pub(super) quota: Quota,
}

/// A dataset that is to be a device's.
pub(super) struct Issue {
    pub(super) uuid: DatasetId,
    pub(super) device: DeviceId,
    pub(super) quota: Quota,
}

/// What a request is told of its files.
pub(super) type RecordAnswer = Result<Vec<Recorded>, RecordError>;

/// What is told of a dataset.
pub(super) type IssueAnswer = Result<(), RecordError>;

impl FileRow {
    /// The name under which it is stored; none in quarantine.
    #[must_use]
    pub fn stored_name(&self) -> Option<&FileName> {
        match &self.whereabouts {
            Whereabouts::Dataset(name) => Some(name),
            Whereabouts::Quarantine(_) => None,
        }
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let held: Option<String> = row.try_get("held")?;
        let stored: Option<String> = row.try_get("stored_name")?;
        let whereabouts = match (held, stored) {
            (None, Some(name)) => Whereabouts::Dataset(FileName::from_catalog(name)),
            (held, _) => Whereabouts::Quarantine(Held::from_text(&held.unwrap_or_default())),
        };
        Ok(Self {
            id: parsed(row, "id")?,
            dataset: parsed(row, "dataset")?,
            device: parsed_or_null(row, "device")?,
            sent_name: SentName::from_catalog(row.try_get("sent_name")?),
            whereabouts,
            size: to_u64(row.try_get("size")?),
            sha256: row.try_get("sha256")?,
            crc32: to_crc32(row.try_get("crc32")?),
            received_at: row.try_get("received_at")?,
            state: FileState::from_text(row.try_get("state")?),
        })
    }
}
