//! Settled: what is missing, and somebody said is known.

use std::collections::HashSet;

use super::{Catalog, CatalogError};

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
            .bind(self.now())
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

#[cfg(test)]
mod tests {
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn what_is_settled_is_told_once_with_who_said_it_first() {
        let made = Made::new().await;
        for (kind, who) in [("silent", "ada"), ("silent", "bob"), ("skipped", "bob")] {
            made.catalog.settle(kind, "subject", who).await.expect("settled");
        }
        let settled = made.catalog.settled().await.expect("settled");
        assert_eq!(settled, [("silent", "subject"), ("skipped", "subject")].map(|(kind, subject)| (kind.into(), subject.into())).into());
        assert_eq!(made.texts("SELECT who AS c FROM settled ORDER BY kind").await, [Some("ada".to_owned()), Some("bob".to_owned())]);
    }
}
