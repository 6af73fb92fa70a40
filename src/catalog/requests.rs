//! Requests: who asks to be let in, and who has been granted.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    Catalog, CatalogError, Device, Millis,
    blocked::is_blocked,
    columns::{parsed, to_u64},
    devices,
};
use crate::ids::{DeviceId, Identifier};

/// A device that asks again within this time of its last token was reset, or somebody else took the token.
const SUSPICIOUSLY_SOON: Millis = 24 * 60 * 60 * 1000;

/// An identifier that asks to be let in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request's id.
    pub id: String,
    /// What asks.
    pub identifier: Identifier,
    /// The device that it would be.
    pub device: DeviceId,
    /// When it first asked.
    pub created_at: Millis,
    /// When it last asked.
    pub polled_at: Millis,
    /// How often it has asked.
    pub polls: u64,
    /// Whether the same device had collected a token shortly before.
    pub asked_again: bool,
    /// When a person granted it. The next poll collects the token.
    pub granted_at: Option<Millis>,
    /// Who granted it: a user's name in the config.
    pub granted_by: Option<String>,
}

impl Request {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            identifier: parsed(row, "identifier")?,
            device: parsed(row, "device")?,
            created_at: row.try_get("created_at")?,
            polled_at: row.try_get("polled_at")?,
            polls: to_u64(row.try_get("polls")?),
            asked_again: row.try_get::<i64, _>("asked_again")? != 0,
            granted_at: row.try_get("granted_at")?,
            granted_by: row.try_get("granted_by")?,
        })
    }
}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// A new request was made.
    New,
    /// The request waits for a person.
    Pending,
    /// The request was granted, and is gone now. The token is to have this generation.
    Collected(u32),
}

impl Catalog {
    /// One poll of an identifier. Of two polls of a granted request that race, one collects. A grant older than `lifetime`
    /// (milliseconds) has lapsed; of more than `most` open requests the stalest gives way. `signed_by` is the fingerprint of the secret that is about to sign.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn poll(&self, identifier: &Identifier, lifetime: Millis, most: u32, signed_by: &str) -> Result<Poll, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let granted = sqlx::query("DELETE FROM requests WHERE identifier = $1 AND granted_at > $2 RETURNING id")
            .bind(identifier.as_str())
            .bind(self.proven_now() - lifetime)
            .fetch_optional(&mut *tx)
            .await?;
        let poll = if granted.is_some() {
            Poll::Collected(devices::next_generation(&mut tx, identifier, signed_by, self.now()).await?)
        } else if touch(&mut tx, identifier, self.now()).await? || is_blocked(&mut tx, identifier).await? {
            Poll::Pending
        } else {
            make_room(&mut tx, most).await?;
            insert(&mut tx, identifier, self.now()).await?;
            Poll::New
        };
        tx.commit().await?;
        if let Poll::Collected(_) = poll {
            self.device_changed(identifier.device());
        }
        Ok(poll)
    }

    /// Whether an identifier has an open request, or may have none.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn has_request(&self, identifier: &Identifier) -> Result<bool, CatalogError> {
        let query = "SELECT 1 FROM requests WHERE identifier = $1 UNION ALL SELECT 1 FROM blocked WHERE device = $2";
        let query = sqlx::query(query).bind(identifier.as_str()).bind(identifier.device().to_string());
        Ok(query.fetch_optional(&self.read).await?.is_some())
    }

    /// The open requests, the last polled first. A lapsed grant counts as not granted.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn requests(&self, lifetime: Millis) -> Result<Vec<Request>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM requests ORDER BY polled_at DESC, id").fetch_all(&self.read).await?;
        let alive = self.proven_now() - lifetime;
        rows.iter()
            .map(|row| {
                let request = Request::read(row)?;
                let granted_at = request.granted_at.filter(|at| *at > alive);
                Ok(Request { granted_by: request.granted_by.filter(|_| granted_at.is_some()), granted_at, ..request })
            })
            .collect()
    }

    /// Those of the devices that ask that were let in before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices_that_ask(&self) -> Result<Vec<Device>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM devices WHERE id IN (SELECT device FROM requests)").fetch_all(&self.read).await?;
        Ok(rows.iter().map(Device::read).collect::<Result<_, _>>()?)
    }

    /// One open request.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn request(&self, id: &str) -> Result<Option<Request>, CatalogError> {
        let row = sqlx::query("SELECT * FROM requests WHERE id = $1").bind(id).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Request::read).transpose()?)
    }

    /// Grants a request in somebody's name; granting it again starts its time anew. `false` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn grant(&self, id: &str, who: &str) -> Result<bool, CatalogError> {
        // The time is read while no other connection can write: see [`Catalog::now`].
        let mut connection = self.write.acquire().await?;
        let query = sqlx::query("UPDATE requests SET granted_at = $2, granted_by = $3 WHERE id = $1").bind(id).bind(self.now()).bind(who);
        Ok(query.execute(&mut *connection).await?.rows_affected() == 1)
    }

    /// Denies a request: it is gone, and comes back if it is asked again. Returns it; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn deny(&self, id: &str) -> Result<Option<Request>, CatalogError> {
        let row = sqlx::query("DELETE FROM requests WHERE id = $1 RETURNING *").bind(id).fetch_optional(&self.write).await?;
        Ok(row.as_ref().map(Request::read).transpose()?)
    }
}

/// Counts a poll of a request that is open. A grant that has lapsed is taken back: a person decides anew.
async fn touch(tx: &mut SqliteConnection, identifier: &Identifier, at: Millis) -> Result<bool, sqlx::Error> {
    let done =
        sqlx::query("UPDATE requests SET polled_at = $2, polls = polls + 1, granted_at = NULL, granted_by = NULL WHERE identifier = $1")
            .bind(identifier.as_str())
            .bind(at)
            .execute(tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

async fn make_room(tx: &mut SqliteConnection, most: u32) -> Result<(), sqlx::Error> {
    let open: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM requests WHERE granted_at IS NULL").fetch_one(&mut *tx).await?;
    if open >= i64::from(most) {
        sqlx::query("DELETE FROM requests WHERE id = (SELECT id FROM requests WHERE granted_at IS NULL ORDER BY polled_at, polls LIMIT 1)")
            .execute(tx)
            .await?;
    }
    Ok(())
}

async fn insert(tx: &mut SqliteConnection, identifier: &Identifier, at: Millis) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO requests (id, identifier, device, created_at, polled_at, polls, asked_again) VALUES ($1, $2, $3, $4, $4, 1, \
         (SELECT COUNT(*) FROM devices WHERE id = $3 AND collected_at > $5))",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(identifier.as_str())
    .bind(identifier.device().to_string())
    .bind(at)
    .bind(at - SUSPICIOUSLY_SOON)
    .execute(tx)
    .await?;
    Ok(())
}
