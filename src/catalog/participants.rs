//! Participants: a study's labels for who wore which device.

use sqlx::Row;

use super::{Catalog, CatalogError, columns::parsed};
use crate::ids::{ParticipantId, Tag};

impl Catalog {
    /// Every participant but those that are to be forgotten, by label.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn participants(&self) -> Result<Vec<(ParticipantId, Tag)>, CatalogError> {
        let rows =
            sqlx::query("SELECT id, label FROM participants WHERE forgotten_at IS NULL ORDER BY label").fetch_all(&self.read).await?;
        let read = |row| Ok((parsed(row, "id")?, Tag::from_catalog(row.try_get("label")?)));
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }
}
