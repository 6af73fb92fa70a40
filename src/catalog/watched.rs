//! What should have come: devices that are expected to bring something, and datasets that stopped in the middle.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{parsed, to_u64},
};
use crate::ids::{DatasetId, DeviceId, Identifier};

/// A device from which something is expected: neither revoked nor forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The device.
    pub device: DeviceId,
    /// The name that people gave it, else its alias.
    pub name: String,
    /// When it last brought something, else when it was let in.
    pub since: Millis,
    /// Whether it ever brought something.
    pub has_uploaded: bool,
    /// How long it may be silent, where somebody said so.
    pub silent_hours: Option<i64>,
}

/// A dataset with files and without metaInfo, which got nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedDataset {
    /// The dataset.
    pub uuid: DatasetId,
    /// Its device.
    pub device: DeviceId,
    /// The name that people gave the device, else its alias.
    pub name: String,
    /// When a file last came.
    pub since: Millis,
    /// How many there are.
    pub files: u64,
}

const WATCHED: &str = "SELECT id, identifier, name, COALESCE(last_upload_at, collected_at, created_at) AS since, \
     last_upload_at IS NOT NULL AS has_uploaded, silent_hours FROM devices WHERE revoked_at IS NULL AND forgotten_at IS NULL ORDER BY id";

const ARRIVED: &str = "SELECT created_at FROM datasets WHERE device = $1 ORDER BY number DESC LIMIT $2";

/// Each device's datasets by their index; one that sends no metaInfo leaves none out.
const UNFINISHED: &str = "SELECT d.uuid, v.id, v.identifier, v.name, d.updated_at, d.files \
     FROM devices v CROSS JOIN datasets d ON d.device = v.id LEFT JOIN texts t ON t.dataset = d.uuid \
     WHERE v.meta_at IS NOT NULL AND v.revoked_at IS NULL AND v.forgotten_at IS NULL AND d.files > 0 AND d.changes = d.described \
     AND d.updated_at < $1 AND d.deleted_at IS NULL AND t.meta_info IS NULL LIMIT $2";

impl Catalog {
    /// The devices from which something is expected.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn watched(&self) -> Result<Vec<Watched>, CatalogError> {
        let rows = sqlx::query(WATCHED).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(Watched {
                device: parsed(row, "id")?,
                name: shown_name(row)?,
                since: row.try_get("since")?,
                has_uploaded: row.try_get("has_uploaded")?,
                silent_hours: row.try_get("silent_hours")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// When the latest datasets of a device came, at most `most`, the latest first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn arrived(&self, device: DeviceId, most: u32) -> Result<Vec<Millis>, CatalogError> {
        Ok(sqlx::query_scalar(ARRIVED).bind(device.to_string()).bind(most).fetch_all(&self.read).await?)
    }

    /// Datasets that have files and no metaInfo, though their device sends some, and got nothing since a time. At most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unfinished(&self, since: Millis, most: u32) -> Result<Vec<UnfinishedDataset>, CatalogError> {
        let rows = sqlx::query(UNFINISHED).bind(since).bind(most).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(UnfinishedDataset {
                uuid: parsed(row, "uuid")?,
                device: parsed(row, "id")?,
                name: shown_name(row)?,
                since: row.try_get("updated_at")?,
                files: to_u64(row.try_get("files")?),
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }
}

/// The name that people gave a device, else its alias.
fn shown_name(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let name: String = row.try_get("name")?;
    if !name.is_empty() {
        return Ok(name);
    }
    let identifier: Identifier = parsed(row, "identifier")?;
    Ok(if identifier.alias().is_empty() { identifier.to_string() } else { identifier.alias().to_owned() })
}
