//! Settled: what is missing, and somebody said is known.

use std::collections::HashSet;

use super::{Catalog, CatalogError, now};

impl Catalog {
    /// Says that something is known to be missing. Said again it stays as it was.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn settle(&self, kind: &str, subject: &str, who: &str) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        sqlx::query("INSERT INTO settled (kind, subject, at, who) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(kind)
            .bind(subject)
            .bind(now())
            .bind(who)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Everything that is known to be missing, by kind and subject.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn settled(&self) -> Result<HashSet<(String, String)>, CatalogError> {
        let rows = sqlx::query_as("SELECT kind, subject FROM settled").fetch_all(&self.read).await?;
        Ok(rows.into_iter().collect())
    }
}
