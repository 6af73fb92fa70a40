//! Quarantine: files that wait for a person's decision.

use futures_util::TryStreamExt;
use sqlx::Row;

use super::{Catalog, CatalogError, FileRow, Held, Millis, Whereabouts, columns::to_u64, record::reserve_name};
use crate::ids::{FileId, FileName};

/// The last file of a page of the quarantine: what comes behind it is on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// When it came.
    pub received_at: Millis,
    /// Which of those that came then.
    pub file: FileId,
}

impl Catalog {
    /// The files in quarantine whose names may be seen, newest first, behind `after`, at most `most`; and how many may not be seen.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn held(
        &self,
        after: Option<HeldKey>,
        most: u32,
        sees: impl Fn(&FileName) -> bool,
    ) -> Result<(Vec<FileRow>, u64), CatalogError> {
        // What a name matches is no question for SQL, so each name is looked at.
        let query = "SELECT * FROM files WHERE held IS NOT NULL AND state = 'placed' ORDER BY received_at DESC, id";
        let mut rows = sqlx::query(query).fetch(&self.read);
        let (mut found, mut kept_back) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            if !sees(&FileName::from_sent(row.try_get("sent_name")?)) {
                kept_back += 1;
            } else if found.len() < most as usize {
                let file = FileRow::read(&row)?;
                let is_behind = after.is_none_or(|key| (file.received_at, key.file) < (key.received_at, file.id));
                found.extend(is_behind.then_some(file));
            }
        }
        Ok((found, kept_back))
    }

    /// How many files are in quarantine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn count_held(&self) -> Result<u64, CatalogError> {
        let count =
            sqlx::query_scalar("SELECT COUNT(*) FROM files WHERE held IS NOT NULL AND state = 'placed'").fetch_one(&self.read).await?;
        Ok(to_u64(count))
    }

    /// Takes a file out of quarantine: reserves a name in its dataset and records it as *placing*. `None` if it is not in
    /// quarantine (any more).
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn release(&self, id: FileId) -> Result<Option<FileRow>, CatalogError> {
        let mut tx = self.writing().await?;
        let held = sqlx::query(
            "UPDATE files SET held = NULL, state = 'placing' WHERE id = $1 AND held IS NOT NULL AND state = 'placed' RETURNING *",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(mut row) = held.as_ref().map(FileRow::read).transpose()? else { return Ok(None) };
        let name = reserve_name(&mut tx, id, row.dataset, &FileName::from_sent(&row.sent_name), None).await?;
        row.whereabouts = Whereabouts::Dataset(name);
        tx.commit().await?;
        Ok(Some(row))
    }

    /// Puts a file whose release failed back into quarantine.
    ///
    /// # Errors
    /// [`CatalogError`]; the next start finishes the release.
    pub async fn hold(&self, id: FileId, reason: Held) -> Result<(), CatalogError> {
        sqlx::query("UPDATE files SET held = $2, state = 'placed', stored_name = NULL, folded_name = NULL WHERE id = $1")
            .bind(id.to_string())
            .bind(reason.as_str())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Marks a file in quarantine as on its way out. `false` if it is not in quarantine (any more).
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn discard(&self, id: FileId) -> Result<bool, CatalogError> {
        let done = sqlx::query("UPDATE files SET state = 'discarding' WHERE id = $1 AND held IS NOT NULL AND state = 'placed'")
            .bind(id.to_string())
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
