//! Devices that may not ask to be let in any more.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis, columns::parsed};
use crate::ids::{DeviceId, Identifier};

/// A device whose questions nobody sees.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The device.
    pub device: DeviceId,
    /// What it called itself when it was blocked.
    pub identifier: Identifier,
    /// Since when.
    pub at: Millis,
    /// Who did it: a user's name in the config.
    pub by: String,
}

impl Catalog {
    /// Blocks the device that a request is of, and ends all its requests. Returns it; `None` if there is no such request.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn block(&self, request: &str, who: &str) -> Result<Option<DeviceId>, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let device: Option<String> = sqlx::query_scalar(
            "INSERT INTO blocked (device, identifier, blocked_at, blocked_by) SELECT device, identifier, $2, $3 FROM requests WHERE id = $1 \
             ON CONFLICT (device) DO UPDATE SET identifier = excluded.identifier RETURNING device",
        )
        .bind(request)
        .bind(self.now())
        .bind(who)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(device) = device else { return Ok(None) };
        sqlx::query("DELETE FROM requests WHERE device = $1").bind(&device).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(device.parse().ok())
    }

    /// Lets a device ask again. `false` if it was not blocked.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unblock(&self, device: DeviceId) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM blocked WHERE device = $1").bind(device.to_string()).execute(&self.write).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether the device of an identifier is blocked.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_blocked(&self, identifier: &Identifier) -> Result<bool, CatalogError> {
        Ok(is_blocked(&mut *self.read.acquire().await?, identifier).await?)
    }

    /// The blocked devices, the last blocked first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn blocked(&self, most: u32) -> Result<Vec<Blocked>, CatalogError> {
        let query = "SELECT * FROM blocked ORDER BY blocked_at DESC, device LIMIT $1";
        let read = |row: &SqliteRow| {
            let (device, identifier) = (parsed(row, "device")?, parsed(row, "identifier")?);
            Ok(Blocked { device, identifier, at: row.try_get("blocked_at")?, by: row.try_get("blocked_by")? })
        };
        let rows = sqlx::query(query).bind(most).fetch_all(&self.read).await?;
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }
}

pub(super) async fn is_blocked(connection: &mut SqliteConnection, identifier: &Identifier) -> Result<bool, sqlx::Error> {
    let query = sqlx::query("SELECT 1 FROM blocked WHERE device = $1").bind(identifier.device().to_string());
    Ok(query.fetch_optional(connection).await?.is_some())
}
