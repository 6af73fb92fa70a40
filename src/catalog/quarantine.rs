//! Quarantine: files that wait for a person's decision.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, Row};

use super::{
    Catalog, CatalogError, FileRow, Held, Millis, Whereabouts,
    columns::{parsed, push_list, to_u64},
    record::reserve_name,
};
use crate::{
    config::Sight,
    ids::{FileId, SentName},
};

/// No more names are looked at to count those that may not be seen.
const MOST_NAMES: u32 = 10_000;
/// As SQL says it.
const NO_LIMIT: i64 = -1;

const HELD: &str = "SELECT * FROM files WHERE held IS NOT NULL AND state = 'placed' AND (received_at, id) < ($1, $2) \
     ORDER BY received_at DESC, id DESC LIMIT $3";

const HELD_NAMES: &str =
    "SELECT sent_name FROM files WHERE held IS NOT NULL AND state = 'placed' ORDER BY received_at DESC, id DESC LIMIT $1";

/// The last file of a page of the quarantine: what comes behind it is on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// When it came.
    pub received_at: Millis,
    /// Which of those that came then.
    pub file: FileId,
}

impl Catalog {
    /// The files in quarantine whose names may be seen, newest first, behind `after`, at most `most`; and how many of the newest
    /// 10,000 may not be seen.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn held(&self, after: Option<HeldKey>, most: u32, sight: &Sight) -> Result<(Vec<FileRow>, u64), CatalogError> {
        let (at, id) = after.map_or((Millis::MAX, String::new()), |key| (key.received_at, key.file.to_string()));
        let limit = if sight.sees_all() { i64::from(most) } else { NO_LIMIT };
        let mut rows = sqlx::query(HELD).bind(at).bind(id).bind(limit).fetch(&self.read);
        let mut found = Vec::new();
        // What a name matches is no question for SQL, so each name is looked at.
        while found.len() < most as usize
            && let Some(row) = rows.try_next().await?
        {
            if sight.sees(&SentName::from_catalog(row.try_get("sent_name")?).stored()) {
                found.push(FileRow::read(&row)?);
            }
        }
        drop(rows);
        Ok((found, if sight.sees_all() { 0 } else { self.count_kept_back(sight).await? }))
    }

    async fn count_kept_back(&self, sight: &Sight) -> Result<u64, CatalogError> {
        let mut names = sqlx::query_scalar(HELD_NAMES).bind(MOST_NAMES).fetch(&self.read);
        let mut kept_back = 0;
        while let Some(name) = names.try_next().await? {
            kept_back += u64::from(!sight.sees(&SentName::from_catalog(name).stored()));
        }
        Ok(kept_back)
    }

    /// Those of some files, at most 1,000, that are in quarantine, or may be, since their way in or out is not done.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn quarantined_among(&self, files: &[FileId]) -> Result<HashSet<FileId>, CatalogError> {
        if files.is_empty() {
            return Ok(HashSet::new());
        }
        let mut query =
            QueryBuilder::new("SELECT id FROM files WHERE (held IS NOT NULL OR state IN ('placing', 'discarding')) AND id IN (");
        push_list(&mut query, files);
        let rows = query.push(")").build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "id")).collect::<Result<_, _>>()?)
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
        let name = reserve_name(&mut tx, id, row.dataset, &row.sent_name.stored(), None).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::made::Made,
        config::{PrivacyConfig, Role},
    };

    #[tokio::test]
    async fn of_many_in_quarantine_no_more_are_read_than_are_looked_at() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let dataset = made.dataset(device).await;
        let many = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10002) INSERT INTO files \
             (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) SELECT \
             printf('00000000-0000-7000-8000-%012d', i), '{dataset}', '{device}', iif(i % 2, 'voice.3gp', 'a.exe'), 1, 'aa', 1, i, 'placed', \
             'extension' FROM n"
        );
        made.change(&many).await;
        let privacy = PrivacyConfig::default();
        let (all, kept_back) = made.catalog.held(None, 3, &privacy.sight(Role::Operator)).await.expect("held");
        assert_eq!((all.iter().map(|file| file.received_at).collect::<Vec<_>>(), kept_back), (vec![10_002, 10_001, 10_000], 0));
        let (some, kept_back) = made.catalog.held(None, 2, &privacy.sight(Role::Researcher)).await.expect("held");
        assert_eq!((some.iter().map(|file| file.received_at).collect::<Vec<_>>(), kept_back), (vec![10_002, 10_000], 5000));
        let after = some.last().map(|file| HeldKey { received_at: file.received_at, file: file.id });
        let (more, _) = made.catalog.held(after, 1, &privacy.sight(Role::Researcher)).await.expect("held");
        assert_eq!(more[0].received_at, 9998);
        let [held, unknown] = [all[0].id, FileId::generate()];
        assert_eq!(made.catalog.quarantined_among(&[held, unknown]).await.expect("ids"), [held].into());
    }

    #[tokio::test]
    async fn what_is_in_quarantine_is_found_by_an_index_and_in_its_order() {
        let made = Made::new().await;
        for query in [HELD, HELD_NAMES] {
            let held = made.plan(query).await;
            assert!(held.contains("INDEX files_held") && !held.contains("TEMP B-TREE"), "{held}");
        }
    }
}
