//! The trash: datasets that were deleted and can be restored.

use sqlx::{QueryBuilder, Row};

use super::{
    Catalog, CatalogError, Dataset, Millis, PageKey,
    columns::{LISTED_AT_ONCE, parsed, push_list},
};
use crate::ids::DatasetId;

/// Whoever brings something to a dataset in the trash gives it its time anew: what came is to lie there as long as the rest.
pub(super) const EXPIRED: &str = "SELECT uuid FROM datasets WHERE deleted_at <= $1 AND updated_at <= $1 AND number IS NOT NULL \
     ORDER BY deleted_at LIMIT $2";

impl Catalog {
    /// Puts datasets into the trash; those that lie there stay as they are. Returns those that were put there.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn delete(&self, datasets: &[DatasetId], by: &str) -> Result<Vec<DatasetId>, CatalogError> {
        // What was acknowledged before is marked before: it did not come since.
        self.flush().await?;
        let (mut tx, _place) = self.writing_aside().await?;
        let mut deleted = Vec::new();
        for some in datasets.chunks(LISTED_AT_ONCE) {
            let mut query = QueryBuilder::new("UPDATE datasets SET deleted_at = ");
            query.push_bind(self.now()).push(", deleted_by = ").push_bind(by).push(" WHERE deleted_at IS NULL AND uuid IN (");
            push_list(&mut query, some);
            for row in query.push(") RETURNING uuid").build().fetch_all(&mut *tx).await? {
                deleted.push(parsed(&row, "uuid")?);
            }
        }
        tx.commit().await?;
        Ok(deleted)
    }

    /// Takes a dataset out of the trash. `false` if it does not lie there.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn restore(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let restore =
            "UPDATE datasets SET deleted_at = NULL, deleted_by = NULL WHERE uuid = $1 AND deleted_at IS NOT NULL AND number IS NOT NULL";
        let done = sqlx::query(restore).bind(dataset.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether a dataset lies in the trash, or is gone for good and has left a stub.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_in_trash(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        let row = sqlx::query("SELECT 1 FROM datasets WHERE uuid = $1 AND deleted_at IS NOT NULL").bind(dataset.to_string());
        Ok(row.fetch_optional(&self.read).await?.is_some())
    }

    /// What lies in the trash, the last deleted first, behind `after`, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn trash(&self, after: Option<PageKey>, most: u32) -> Result<Vec<Dataset>, CatalogError> {
        let mut query = QueryBuilder::new(Dataset::SELECT);
        query.push(" WHERE d.deleted_at IS NOT NULL AND d.number IS NOT NULL");
        if let Some(key) = after {
            query.push(" AND d.deleted_at <= ").push_bind(key.value).push(" AND (d.deleted_at < ").push_bind(key.value);
            query.push(" OR d.number < ").push_bind(key.number).push(")");
        }
        let rows = query.push(" ORDER BY d.deleted_at DESC, d.number DESC LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Dataset::read).collect::<Result<_, _>>()?)
    }

    /// How many datasets lie in the trash, and the bytes of their files.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn count_trash(&self) -> Result<(u64, u64), CatalogError> {
        let query = "SELECT COUNT(*) AS datasets, COALESCE(SUM(bytes), 0) AS bytes FROM datasets \
             WHERE deleted_at IS NOT NULL AND number IS NOT NULL";
        let row = sqlx::query(query).fetch_one(&self.read).await?;
        Ok((super::columns::to_u64(row.try_get("datasets")?), super::columns::to_u64(row.try_get("bytes")?)))
    }

    /// Datasets that were put into the trash at or before a time, and to which nothing came since, the first deleted first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn expired(&self, at: Millis, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        let rows = sqlx::query(EXPIRED).bind(at).bind(most).fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "uuid")).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        catalog::NewFile,
        catalog::made::Made,
        config::Quota,
        ids::{FileId, SentName},
        storage::Digests,
    };

    /// A file is marked as placed a moment behind its acknowledgement: that moment is no later one than that of the deletion.
    #[tokio::test]
    async fn what_was_acknowledged_before_a_dataset_was_deleted_did_not_come_since() {
        let made = Made::new().await;
        let device = made.device("w").await;
        for way in ["delete", "forget"] {
            let dataset = made.dataset(device).await;
            let digests = Digests { size: 1, sha256: [1; 32], crc32: 1 };
            let id = FileId::generate();
            let file = NewFile { id, dataset, device: Some(device), sent_name: SentName::new("a.csv"), digests, held: None };
            made.catalog.record(vec![file], Quota::NONE).await.expect("recorded");
            made.catalog.placed(vec![id]).await.expect("placed");
            if way == "delete" {
                made.catalog.delete(&[dataset], "ada").await.expect("deleted");
            } else {
                made.catalog.forget_device(device, "ada").await.expect("forgotten");
            }
            let found = made.catalog.dataset(dataset).await.expect("asked").expect("a dataset");
            let (deleted_at, _) = found.deleted.expect("deleted");
            while made.catalog.now() <= deleted_at {
                tokio::task::yield_now().await;
            }
            made.catalog.flush().await.expect("committed");
            let found = made.catalog.dataset(dataset).await.expect("asked").expect("a dataset");
            assert!(found.files == 1 && found.updated_at <= deleted_at, "{way}: {} > {deleted_at}", found.updated_at);
        }
    }
}
