//! How things stand, in numbers.

use sqlx::Row;

use super::{Catalog, CatalogError, Millis, columns::to_u64};

/// How many there are of what somebody should know about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that wait for a person.
    pub waiting: u64,
    /// Requests that wait for their watch to collect its token.
    pub granted: u64,
    /// Devices that are let in.
    pub devices: u64,
    /// Devices that are shut out, without those that are to be forgotten.
    pub revoked: u64,
    /// Datasets whose zip does not hold everything.
    pub to_roll: u64,
    /// Files in quarantine.
    pub quarantined: u64,
}

impl Catalog {
    /// Counts. `lifetime` is how long a grant is good. Each number comes from an index, or from a table that stays small.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn counts(&self, lifetime: Millis) -> Result<Counts, CatalogError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM requests) AS requests, (SELECT COUNT(*) FROM requests WHERE granted_at > $1) AS granted, \
             (SELECT COUNT(*) FROM devices WHERE revoked_at IS NULL) AS devices, \
             (SELECT COUNT(*) FROM devices WHERE revoked_at IS NOT NULL AND forgotten_at IS NULL) AS revoked, \
             (SELECT COUNT(*) FROM datasets WHERE changes <> zipped AND deleted_at IS NULL) AS to_roll, \
             (SELECT COUNT(*) FROM files WHERE held IS NOT NULL AND state = 'placed') AS quarantined",
        )
        .bind(self.proven_now() - lifetime)
        .fetch_one(&self.read)
        .await?;
        let count = |column| row.try_get(column).map(to_u64);
        let granted = count("granted")?;
        Ok(Counts {
            waiting: count("requests")?.saturating_sub(granted),
            granted,
            devices: count("devices")?,
            revoked: count("revoked")?,
            to_roll: count("to_roll")?,
            quarantined: count("quarantined")?,
        })
    }

    /// Whether the catalog answers at all, from its file.
    pub async fn answers(&self) -> bool {
        sqlx::query("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&self.read).await.is_ok()
    }
}
