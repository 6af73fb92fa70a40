//! Datasets: issued, claimed, listed, and how far their zips have come.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis, RecordError,
    columns::{parsed, parsed_or_null, to_i64, to_u64},
    now,
    rows::Issue,
};
use crate::{
    config::Quota,
    ids::{DatasetId, DeviceId, Identifier},
};

/// A dataset as the catalog knows it.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its uuid.
    pub uuid: DatasetId,
    /// Whose it is; `None` where it was found on the disk and no device has claimed it.
    pub device: Option<DeviceId>,
    /// What that device called itself.
    pub identifier: Option<Identifier>,
    /// When its uuid was issued, or first seen.
    pub created_at: Millis,
    /// When a file last came or went.
    pub updated_at: Millis,
    /// Number of files, without those in quarantine.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the published zip holds all of them.
    pub zip_is_fresh: bool,
    /// Why the last attempt to roll the zip failed.
    pub zip_error: Option<String>,
}

impl Dataset {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            uuid: parsed(row, "uuid")?,
            device: parsed_or_null(row, "device")?,
            identifier: row.try_get::<Option<&str>, _>("identifier")?.and_then(|text| text.parse().ok()),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            files: to_u64(row.try_get("files")?),
            bytes: to_u64(row.try_get("bytes")?),
            zip_is_fresh: row.try_get::<i64, _>("changes")? == row.try_get::<i64, _>("zipped")?,
            zip_error: row.try_get("zip_error")?,
        })
    }
}

/// Which datasets to list.
#[derive(Debug, Clone, Default)]
pub struct DatasetFilter {
    /// Text that the uuid or the device's identifier contains.
    pub text: Option<String>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Created at or after this time.
    pub from: Option<Millis>,
    /// Created before this time.
    pub to: Option<Millis>,
    /// The last dataset of the page before.
    pub after: Option<(Millis, DatasetId)>,
}

/// How far a dataset's zip has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipState {
    /// Counts every file that came or went.
    pub changes: i64,
    /// The count that the published zip holds.
    pub zipped: i64,
    /// Bytes of all files.
    pub arrived: u64,
    /// Bytes copied so far to make the zips of this dataset.
    pub copied: u64,
}

impl ZipState {
    /// Whether the published zip holds everything.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.changes == self.zipped
    }
}

impl Catalog {
    /// Records a dataset that was found on the disk.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn found_dataset(&self, uuid: DatasetId) -> Result<(), CatalogError> {
        sqlx::query("INSERT INTO datasets (uuid, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING")
            .bind(uuid.to_string())
            .bind(now())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn dataset(&self, uuid: DatasetId) -> Result<Option<Dataset>, CatalogError> {
        let row = sqlx::query("SELECT d.*, v.identifier FROM datasets d LEFT JOIN devices v ON v.id = d.device WHERE uuid = $1")
            .bind(uuid.to_string())
            .fetch_optional(&self.read)
            .await?;
        Ok(row.as_ref().map(Dataset::read).transpose()?)
    }

    /// The datasets that a filter lets through, newest first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets(&self, filter: &DatasetFilter, most: u32) -> Result<Vec<Dataset>, CatalogError> {
        let (before, before_uuid) = filter.after.map_or((Millis::MAX, String::new()), |(at, uuid)| (at, uuid.to_string()));
        let rows = sqlx::query(
            "SELECT d.*, v.identifier FROM datasets d LEFT JOIN devices v ON v.id = d.device \
             WHERE (d.created_at, d.uuid) < ($1, $2) AND d.created_at >= $3 AND d.created_at < $4 \
             AND ($5 IS NULL OR d.device = $5) \
             AND ($6 IS NULL OR INSTR(d.uuid, LOWER($6)) > 0 OR INSTR(LOWER(v.identifier), LOWER($6)) > 0) \
             ORDER BY d.created_at DESC, d.uuid DESC LIMIT $7",
        )
        .bind(before)
        .bind(before_uuid)
        .bind(filter.from.unwrap_or(Millis::MIN))
        .bind(filter.to.unwrap_or(Millis::MAX))
        .bind(filter.device.map(|device| device.to_string()))
        .bind(filter.text.as_deref())
        .bind(most)
        .fetch_all(&self.read)
        .await?;
        Ok(rows.iter().map(Dataset::read).collect::<Result<_, _>>()?)
    }

    /// How many datasets there are, and the files and bytes in them.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn totals(&self) -> Result<(u64, u64, u64), CatalogError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS datasets, CAST(COALESCE(SUM(files), 0) AS BIGINT) AS files, \
             CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM datasets",
        )
        .fetch_one(&self.read)
        .await?;
        Ok((to_u64(row.try_get("datasets")?), to_u64(row.try_get("files")?), to_u64(row.try_get("bytes")?)))
    }

    /// The datasets whose zip does not hold everything.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets_to_roll(&self) -> Result<Vec<DatasetId>, CatalogError> {
        let rows = sqlx::query("SELECT uuid FROM datasets WHERE changes <> zipped").fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "uuid")).collect::<Result<_, _>>()?)
    }

    /// How far the zip of a dataset has come.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn zip_state(&self, uuid: DatasetId) -> Result<Option<ZipState>, CatalogError> {
        let row = sqlx::query("SELECT changes, zipped, bytes, zip_copied FROM datasets WHERE uuid = $1")
            .bind(uuid.to_string())
            .fetch_optional(&self.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ZipState {
            changes: row.try_get("changes")?,
            zipped: row.try_get("zipped")?,
            arrived: to_u64(row.try_get("bytes")?),
            copied: to_u64(row.try_get("zip_copied")?),
        }))
    }

    /// Says that the published zip holds everything up to `changes`, and that `copied` bytes were copied to make it.
    ///
    /// # Errors
    /// [`CatalogError`]; the zip is then rolled once more, which does no harm.
    pub async fn zipped(&self, uuid: DatasetId, changes: i64, copied: u64) -> Result<(), CatalogError> {
        sqlx::query("UPDATE datasets SET zipped = $2, zip_copied = zip_copied + $3, zip_error = NULL WHERE uuid = $1")
            .bind(uuid.to_string())
            .bind(changes)
            .bind(to_i64(copied))
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Says why a zip could not be made.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn zip_failed(&self, uuid: DatasetId, why: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE datasets SET zip_error = $2 WHERE uuid = $1").bind(uuid.to_string()).bind(why).execute(&self.write).await?;
        Ok(())
    }
}

/// Makes a dataset the device's: issued to it, adopted by it, or its own already. `false` if it is another device's.
pub(super) async fn claim(tx: &mut SqliteConnection, uuid: DatasetId, device: Option<DeviceId>, quota: Quota) -> Result<bool, RecordError> {
    let Some(device) = device else { return Ok(true) };
    let row = sqlx::query("SELECT device FROM datasets WHERE uuid = $1").bind(uuid.to_string()).fetch_optional(&mut *tx).await?;
    let owner: Option<DeviceId> = row.as_ref().map(|row| parsed_or_null(row, "device")).transpose()?.flatten();
    if let Some(owner) = owner {
        return Ok(owner == device);
    }
    sqlx::query(
        "INSERT INTO datasets (uuid, device, created_at, updated_at) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (uuid) DO UPDATE SET device = excluded.device",
    )
    .bind(uuid.to_string())
    .bind(device.to_string())
    .bind(now())
    .execute(&mut *tx)
    .await?;
    let count: i64 = sqlx::query_scalar("UPDATE devices SET datasets = datasets + 1 WHERE id = $1 RETURNING datasets")
        .bind(device.to_string())
        .fetch_one(tx)
        .await?;
    if to_u64(count) > quota.datasets { Err(RecordError::Quota("datasets")) } else { Ok(true) }
}

/// Makes a new dataset the device's, which was here when it asked.
pub(super) async fn issue(tx: &mut SqliteConnection, issue: &Issue) -> Result<(), RecordError> {
    claim(tx, issue.uuid, Some(issue.device), issue.quota).await?;
    sqlx::query("UPDATE devices SET last_used_at = $2 WHERE id = $1").bind(issue.device.to_string()).bind(now()).execute(tx).await?;
    Ok(())
}

/// Counts files that came (or, negative, went), so that the zip is known to be behind.
pub(super) async fn count(tx: &mut SqliteConnection, uuid: DatasetId, files: i64, bytes: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE datasets SET files = files + $2, bytes = bytes + $3, changes = changes + 1, updated_at = $4 WHERE uuid = $1")
        .bind(uuid.to_string())
        .bind(files)
        .bind(bytes)
        .bind(now())
        .execute(tx)
        .await?;
    Ok(())
}
