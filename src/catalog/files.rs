//! Files: recorded, placed, held, released, forgotten.

use sqlx::{Row, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis, Quota, RecordError, Recorded, datasets, now, to_i64, to_u64};
use crate::{
    ids::{DatasetId, DeviceId, FileId, FileName},
    storage::Digests,
};

/// Names that no file of a dataset may have: they mean something else in its zip.
const RESERVED_NAMES: [&str; 2] = ["readme.md", "tf_models"];

/// Why a file is in quarantine instead of in its dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its extension is not on the list of the settings.
    Extension,
    /// Its dataset belongs to another device.
    ForeignDataset,
}

impl Held {
    /// The word for it in the catalog and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::ForeignDataset => "foreign dataset",
        }
    }

    /// The reason as a sentence for a person.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Extension => "its extension is not on the list (storage.extensions)",
            Self::ForeignDataset => "its dataset belongs to another device",
        }
    }

    fn from_text(text: &str) -> Self {
        if text == Self::ForeignDataset.as_str() { Self::ForeignDataset } else { Self::Extension }
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
    fn from_text(text: &str) -> Self {
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
    pub sent_name: String,
    /// Size and digests.
    pub digests: Digests,
    /// Whether its extension puts it into quarantine.
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
    pub sent_name: String,
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

impl FileRow {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let held: Option<String> = row.try_get("held")?;
        let stored: Option<String> = row.try_get("stored_name")?;
        let whereabouts = match (held, stored) {
            (None, Some(name)) => Whereabouts::Dataset(FileName::from_sent(&name)),
            (held, _) => Whereabouts::Quarantine(Held::from_text(&held.unwrap_or_default())),
        };
        Ok(Self {
            id: parsed(row, "id")?,
            dataset: parsed(row, "dataset")?,
            device: parsed_or_null(row, "device")?,
            sent_name: row.try_get("sent_name")?,
            whereabouts,
            size: to_u64(row.try_get("size")?),
            sha256: row.try_get("sha256")?,
            crc32: u32::try_from(row.try_get::<i64, _>("crc32")?).unwrap_or(0),
            received_at: row.try_get("received_at")?,
            state: FileState::from_text(row.try_get("state")?),
        })
    }
}

/// Reads a column that holds one of our ids.
pub(super) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr<Err = crate::ids::Malformed>,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error| sqlx::Error::ColumnDecode { index: column.into(), source: Box::new(error) })
}

/// The same for a column that may be NULL.
pub(super) fn parsed_or_null<T>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T: std::str::FromStr<Err = crate::ids::Malformed>,
{
    match row.try_get::<Option<&str>, _>(column)? {
        None => Ok(None),
        Some(_) => parsed(row, column).map(Some),
    }
}

impl Catalog {
    /// One file.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn file(&self, id: FileId) -> Result<Option<FileRow>, CatalogError> {
        let row = sqlx::query("SELECT * FROM files WHERE id = $1").bind(id.to_string()).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(FileRow::read).transpose()?)
    }

    /// The files of a dataset that are not in quarantine, by name, those that are lost included.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn files(&self, dataset: DatasetId) -> Result<Vec<FileRow>, CatalogError> {
        let rows =
            sqlx::query("SELECT * FROM files WHERE dataset = $1 AND held IS NULL AND state IN ('placed', 'lost') ORDER BY folded_name")
                .bind(dataset.to_string())
                .fetch_all(&self.read)
                .await?;
        Ok(rows.iter().map(FileRow::read).collect::<Result<_, _>>()?)
    }

    /// The files in quarantine, newest first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn held(&self, most: u32) -> Result<Vec<FileRow>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM files WHERE held IS NOT NULL AND state = 'placed' ORDER BY received_at DESC, id LIMIT $1")
            .bind(most)
            .fetch_all(&self.read)
            .await?;
        Ok(rows.iter().map(FileRow::read).collect::<Result<_, _>>()?)
    }

    /// How many files are in quarantine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn count_held(&self) -> Result<u64, CatalogError> {
        let count =
            sqlx::query_scalar("SELECT COUNT(*) FROM files WHERE held IS NOT NULL AND state = 'placed'").fetch_one(&self.read).await?;
        Ok(to_u64(count))
    }

    /// The files whose way into or out of the house was interrupted.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unsettled(&self) -> Result<Vec<FileRow>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM files WHERE state IN ('placing', 'discarding')").fetch_all(&self.write).await?;
        Ok(rows.iter().map(FileRow::read).collect::<Result<_, _>>()?)
    }

    /// Gives a recorded file another name, since somebody who is not in the catalog has the one that it had.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn rename(&self, file: &FileRow) -> Result<FileName, CatalogError> {
        let mut tx = self.writing().await?;
        let wanted = FileName::from_sent(&file.sent_name);
        let taken = match &file.whereabouts {
            Whereabouts::Dataset(name) => Some(name.folded()),
            Whereabouts::Quarantine(_) => None,
        };
        let name = reserve_name(&mut tx, file.id, file.dataset, &wanted, taken.as_deref()).await?;
        // The zip may hold it under the old name.
        datasets::count(&mut tx, file.dataset, 0, 0).await?;
        tx.commit().await?;
        Ok(name)
    }

    /// Forgets files that did not come into their place.
    ///
    /// # Errors
    /// [`CatalogError`]; the next start drops them.
    pub async fn forget(&self, files: &[FileId]) -> Result<(), CatalogError> {
        let mut tx = self.writing().await?;
        for id in files {
            remove_row(&mut tx, *id).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Takes a file out of quarantine: reserves a name in its dataset and records it as *placing*. `None` if it is not in
    /// quarantine (any more).
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn release(&self, id: FileId) -> Result<Option<FileRow>, CatalogError> {
        let mut tx = self.writing().await?;
        let held = sqlx::query(
            "UPDATE files SET held = NULL, state = 'placing' WHERE id = $1 AND held IS NOT NULL AND state = 'placed' RETURNING *",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(mut row) = held.as_ref().map(FileRow::read).transpose()? else { return Ok(None) };
        let name = reserve_name(&mut tx, id, row.dataset, &FileName::from_sent(&row.sent_name), None).await?;
        row.whereabouts = Whereabouts::Dataset(name);
        tx.commit().await?;
        Ok(Some(row))
    }

    /// Puts a file whose release failed back into quarantine.
    ///
    /// # Errors
    /// [`CatalogError`]; the next start finishes the release.
    pub async fn hold(&self, id: FileId, reason: Held) -> Result<(), CatalogError> {
        sqlx::query("UPDATE files SET held = $2, state = 'placed', stored_name = NULL, folded_name = NULL WHERE id = $1")
            .bind(id.to_string())
            .bind(reason.as_str())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Marks a file in quarantine as on its way out. `false` if it is not in quarantine (any more).
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn discard(&self, id: FileId) -> Result<bool, CatalogError> {
        let done = sqlx::query("UPDATE files SET state = 'discarding' WHERE id = $1 AND held IS NOT NULL AND state = 'placed'")
            .bind(id.to_string())
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Marks a file whose bytes are gone, so that its dataset can be zipped without it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn mark_lost(&self, file: &FileRow) -> Result<(), CatalogError> {
        let mut tx = self.writing().await?;
        sqlx::query("UPDATE files SET state = 'lost' WHERE id = $1").bind(file.id.to_string()).execute(&mut *tx).await?;
        if let Whereabouts::Dataset(_) = file.whereabouts {
            datasets::count(&mut tx, file.dataset, -1, -to_i64(file.size)).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Every file that is on the disk, or was.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn all_settled(&self) -> Result<Vec<FileRow>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM files WHERE state IN ('placed', 'lost')").fetch_all(&self.read).await?;
        Ok(rows.iter().map(FileRow::read).collect::<Result<_, _>>()?)
    }
}

/// Records one file inside the transaction of a group.
pub(super) async fn record(tx: &mut Transaction<'_, Sqlite>, file: &NewFile, quota: Quota) -> Result<Recorded, RecordError> {
    let foreign = !datasets::claim(tx, file.dataset, file.device, quota).await?;
    if let Some(row) = find_same(tx, file).await? {
        return Ok(Recorded { row, new: false });
    }
    if let Some(device) = file.device {
        charge(tx, device, file.digests.size, quota).await?;
    }
    let held = if foreign { Some(Held::ForeignDataset) } else { file.held };
    let mut row = insert(tx, file, held).await?;
    if held.is_none() {
        let name = reserve_name(tx, file.id, file.dataset, &FileName::from_sent(&file.sent_name), None).await?;
        row.whereabouts = Whereabouts::Dataset(name);
    }
    Ok(Recorded { row, new: true })
}

/// The same name with the same bytes, brought by the same device earlier. A file found on the disk has no device: it is
/// anybody's who can show its bytes.
async fn find_same(tx: &mut SqliteConnection, file: &NewFile) -> Result<Option<FileRow>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM files WHERE dataset = $1 AND sent_name = $2 AND sha256 = $3 AND (device = $4 OR device IS NULL) \
         AND state <> 'discarding' ORDER BY held IS NOT NULL LIMIT 1",
    )
    .bind(file.dataset.to_string())
    .bind(&file.sent_name)
    .bind(file.digests.sha256_hex())
    .bind(file.device.map(|device| device.to_string()))
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(FileRow::read).transpose()
}

async fn charge(tx: &mut SqliteConnection, device: DeviceId, size: u64, quota: Quota) -> Result<(), RecordError> {
    let row = sqlx::query("UPDATE devices SET files = files + 1, bytes = bytes + $2 WHERE id = $1 RETURNING files, bytes")
        .bind(device.to_string())
        .bind(to_i64(size))
        .fetch_one(tx)
        .await?;
    if to_u64(row.try_get("files")?) > quota.files {
        return Err(RecordError::Quota("files"));
    }
    if to_u64(row.try_get("bytes")?) > quota.bytes {
        return Err(RecordError::Quota("bytes"));
    }
    Ok(())
}

async fn insert(tx: &mut SqliteConnection, file: &NewFile, held: Option<Held>) -> Result<FileRow, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO files (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'placing', $9) RETURNING *",
    )
    .bind(file.id.to_string())
    .bind(file.dataset.to_string())
    .bind(file.device.map(|device| device.to_string()))
    .bind(&file.sent_name)
    .bind(to_i64(file.digests.size))
    .bind(file.digests.sha256_hex())
    .bind(i64::from(file.digests.crc32))
    .bind(now())
    .bind(held.map(Held::as_str))
    .fetch_one(tx)
    .await?;
    FileRow::read(&row)
}

/// Gives a row the wanted name, or the nearest one that is free in its dataset: `name~2.ext`, `name~3.ext`, … `not` is a
/// folded name that must not be taken.
async fn reserve_name(
    tx: &mut SqliteConnection,
    id: FileId,
    dataset: DatasetId,
    wanted: &FileName,
    not: Option<&str>,
) -> Result<FileName, sqlx::Error> {
    /// Behind this many, a random mark: a device that sends one name for ever must not make each upload slower.
    const NUMBERED: u32 = 20;
    let numbered = (2..=NUMBERED).map(|n| wanted.marked(&n.to_string()));
    let random = std::iter::repeat_with(|| wanted.marked(&format!("{:08x}", rand::random::<u32>())));
    for name in std::iter::once(wanted.clone()).chain(numbered).chain(random) {
        let folded = name.folded();
        if RESERVED_NAMES.contains(&folded.as_str()) || not == Some(&folded) {
            continue;
        }
        let taken = sqlx::query("SELECT 1 FROM files WHERE dataset = $1 AND folded_name = $2")
            .bind(dataset.to_string())
            .bind(&folded)
            .fetch_optional(&mut *tx)
            .await?;
        if taken.is_none() {
            sqlx::query("UPDATE files SET stored_name = $2, folded_name = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(name.as_str())
                .bind(&folded)
                .execute(&mut *tx)
                .await?;
            return Ok(name);
        }
    }
    Err(sqlx::Error::RowNotFound)
}

/// Marks files as placed and counts them in their datasets. One that is marked already is passed over.
pub(super) async fn mark_placed(tx: &mut SqliteConnection, files: &[FileId]) -> Result<(), sqlx::Error> {
    for id in files {
        let marked = sqlx::query("UPDATE files SET state = 'placed' WHERE id = $1 AND state IN ('placing', 'lost') RETURNING *")
            .bind(id.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = marked.as_ref().map(FileRow::read).transpose()? else { continue };
        if let Some(device) = row.device {
            sqlx::query("UPDATE devices SET last_used_at = $2 WHERE id = $1")
                .bind(device.to_string())
                .bind(now())
                .execute(&mut *tx)
                .await?;
        }
        if let Whereabouts::Dataset(_) = row.whereabouts {
            datasets::count(tx, row.dataset, 1, to_i64(row.size)).await?;
        }
    }
    Ok(())
}

async fn remove_row(tx: &mut SqliteConnection, id: FileId) -> Result<(), sqlx::Error> {
    let row = sqlx::query("DELETE FROM files WHERE id = $1 RETURNING device, size").bind(id.to_string()).fetch_optional(&mut *tx).await?;
    if let Some(row) = row
        && let Some(device) = row.try_get::<Option<&str>, _>("device")?
    {
        sqlx::query("UPDATE devices SET files = files - 1, bytes = bytes - $2 WHERE id = $1")
            .bind(device)
            .bind(row.try_get::<i64, _>("size")?)
            .execute(tx)
            .await?;
    }
    Ok(())
}
