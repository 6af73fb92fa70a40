//! Offers: which device was told of which model, and took it.

use sqlx::{QueryBuilder, Row, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis, columns::parsed};
use crate::ids::{DeviceId, ModelId};

/// Rows in one statement.
const AT_ONCE: usize = 1000;

/// A model that a device was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub device: DeviceId,
    /// What.
    pub model: ModelId,
    /// Since when it is, or was last, what the device is told.
    pub offered_at: Millis,
    /// When the device last took the file.
    pub fetched_at: Option<Millis>,
}

impl Catalog {
    /// Every offer, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn offers(&self) -> Result<Vec<Offer>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM offers ORDER BY offered_at, device, model").fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            let (offered_at, fetched_at) = (row.try_get("offered_at")?, row.try_get("fetched_at")?);
            Ok(Offer { device: parsed(row, "device")?, model: parsed(row, "model")?, offered_at, fetched_at })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Notes offers. What is not said of a later one stays as it was said of an earlier one; devices and models that are gone by now
    /// are passed over.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn note_offers(&self, offers: &[Offer]) -> Result<(), CatalogError> {
        for offers in offers.chunks(AT_ONCE) {
            let (mut tx, _place) = self.writing_aside().await?;
            let mut query = QueryBuilder::new("INSERT INTO offers (device, model, offered_at, fetched_at) SELECT u.* FROM (");
            query.push_values(offers, |mut row, offer| {
                row.push_bind(offer.device.to_string()).push_bind(offer.model.to_string());
                row.push_bind(offer.offered_at).push_bind(offer.fetched_at);
            });
            query
                .push(") AS u JOIN devices v ON v.id = u.column1 AND v.forgotten_at IS NULL JOIN models m ON m.id = u.column2 WHERE TRUE ");
            query.push("ON CONFLICT (device, model) DO UPDATE SET offered_at = excluded.offered_at, ");
            query.push("fetched_at = COALESCE(excluded.fetched_at, offers.fetched_at)");
            query.build().execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
