//! Erasing: the rows of a dataset go. Where a watch brings more for one that was erased, its file is held, and all that is there of
//! the dataset is a stub: a row without a number, which no list shows.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::{
    Catalog, CatalogError, FileRow, FileState, Millis, Whereabouts, arrivals,
    columns::{LISTED_AT_ONCE, collected, parsed, push_list, to_i64, to_u64},
    words,
};
use crate::ids::{DatasetId, DeviceId, FileId};

/// Everything that goes with a dataset, also what is in quarantine; what came behind its end stays there.
const ITS_FILES: &str = "SELECT id FROM files WHERE dataset = $1 AND (held IS NULL OR held <> 'erased')";

/// The same in the order of the evidence, a page at a time. No index has this order, and SQLite keeps no more than a page to sort it.
const EVIDENCE: &str = "SELECT id, sha256, size, COALESCE(stored_name, sent_name) AS name FROM files \
     WHERE dataset = $1 AND (held IS NULL OR held <> 'erased') AND (sha256, COALESCE(stored_name, sent_name), id) > ($2, $3, $4) \
     ORDER BY sha256, COALESCE(stored_name, sent_name), id LIMIT $5";
/// Files of one page of evidence: at most 6 MiB.
const EVIDENCE_PAGE: usize = 5000;

/// Its run came: what is missing before the next one is known to be.
const SETTLE_ITS_RUN: &str = "INSERT INTO settled (kind, subject, at, who) SELECT 'skipped', n.uuid, $2, '' \
     FROM datasets d JOIN datasets n ON n.device = d.device AND n.started_at IS NOT NULL AND n.run_number IS NOT NULL \
     AND (n.started_at, n.run_number, n.uuid) > (d.started_at, d.run_number, d.uuid) \
     WHERE d.uuid = $1 ORDER BY n.started_at, n.run_number, n.uuid LIMIT 1 ON CONFLICT DO NOTHING";

impl Catalog {
    /// Every file that goes with a dataset, however far it has come, by its id: 16 bytes each.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn files_to_erase(&self, dataset: DatasetId) -> Result<Vec<FileId>, CatalogError> {
        Ok(collected(sqlx::query(ITS_FILES).bind(dataset.to_string()).fetch(&self.read), |row| parsed(row, "id")).await?)
    }

    /// Shows `see` SHA-256, size and name of the same files, in the order of these. The name is the one in the folder; of a file in
    /// quarantine, the one as sent. Only a page of them is in memory.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn visit_evidence(&self, dataset: DatasetId, mut see: impl FnMut(&str, u64, &str)) -> Result<(), CatalogError> {
        let mut last = [String::new(), String::new(), String::new()];
        loop {
            let [sha256, name, id] = &last;
            let page = sqlx::query(EVIDENCE).bind(dataset.to_string()).bind(sha256).bind(name).bind(id);
            let rows = page.bind(to_i64(EVIDENCE_PAGE as u64)).fetch_all(&self.read).await?;
            for row in &rows {
                see(row.try_get("sha256")?, to_u64(row.try_get("size")?), row.try_get("name")?);
            }
            match rows.last().filter(|_| rows.len() == EVIDENCE_PAGE) {
                Some(row) => last = [row.try_get("sha256")?, row.try_get("name")?, row.try_get("id")?],
                None => return Ok(()),
            }
        }
    }

    /// Those of the datasets that are more than a stub.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn known_among(&self, datasets: &[DatasetId]) -> Result<Vec<DatasetId>, CatalogError> {
        let mut known = Vec::new();
        for some in datasets.chunks(LISTED_AT_ONCE) {
            let mut query = QueryBuilder::new("SELECT uuid FROM datasets WHERE number IS NOT NULL AND uuid IN (");
            push_list(&mut query, some);
            for row in query.push(")").build().fetch_all(&self.read).await? {
                known.push(parsed(&row, "uuid")?);
            }
        }
        Ok(known)
    }

    /// Removes every row of a dataset, and whatever people said of it: in the audit trail stays who did what, and no detail.
    /// `false` if there was none. It may be done again, and goes on then.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn erase(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        // A few at a time: uploads wait for the same lock.
        while self.erase_some_files(dataset).await? {}
        let (mut tx, _place) = self.writing_aside().await?;
        let number = sqlx::query("SELECT number FROM datasets WHERE uuid = $1").bind(dataset.to_string()).fetch_optional(&mut *tx).await?;
        let number: Option<i64> = number.map(|row| row.try_get("number")).transpose()?.flatten();
        if let Some(number) = number {
            words::forget(&mut tx, number).await?;
        }
        sqlx::query(SETTLE_ITS_RUN).bind(dataset.to_string()).bind(self.now()).execute(&mut *tx).await?;
        // What is held for the stub must wait for it.
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *tx).await?;
        for statement in [
            "DELETE FROM tags WHERE dataset = $1",
            "DELETE FROM texts WHERE dataset = $1",
            // Of runs that are missing before this one there may be several.
            "DELETE FROM alerts WHERE subject = $1 OR subject LIKE $1 || '@%'",
            "DELETE FROM settled WHERE subject = $1",
            "UPDATE audit SET detail = '' WHERE subject = $1",
            // The subject may be one of its files.
            "UPDATE audit SET detail = '', subject = $1 WHERE subject > $1 || '/' AND subject < $1 || '0'",
            "UPDATE devices SET datasets = datasets - 1 WHERE id = (SELECT device FROM datasets WHERE uuid = $1)",
            "DELETE FROM datasets WHERE uuid = $1",
        ] {
            sqlx::query::<sqlx::Sqlite>(statement).bind(dataset.to_string()).execute(&mut *tx).await?;
        }
        insert_stub(&mut tx, dataset, "WHERE EXISTS (SELECT 1 FROM files WHERE dataset = $1)", self.now()).await?;
        tx.commit().await?;
        Ok(number.is_some())
    }

    async fn erase_some_files(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let mut query = QueryBuilder::new("DELETE FROM files WHERE id IN (SELECT id FROM files WHERE dataset = ");
        query.push_bind(dataset.to_string()).push(" AND (held IS NULL OR held <> 'erased') LIMIT ");
        query.push_bind(to_i64(LISTED_AT_ONCE as u64)).push(") RETURNING *");
        let rows = query.build().fetch_all(&mut *tx).await?;
        let (mut loads, mut counted) = (HashMap::<DeviceId, (i64, i64)>::new(), (0, 0));
        for file in rows.iter().map(FileRow::read) {
            let file = file?;
            if let (FileState::Placed, Whereabouts::Dataset(_)) = (file.state, &file.whereabouts) {
                counted = (counted.0 + 1, counted.1 + to_i64(file.size));
            }
            if file.state == FileState::Placing {
                arrivals::take_back(&mut tx, &file).await?;
            }
            if let Some(device) = file.device {
                let load = loads.entry(device).or_default();
                *load = (load.0 + 1, load.1 + to_i64(file.size));
            }
        }
        for (device, (files, bytes)) in loads {
            let give_back = "UPDATE devices SET files = files - $2, bytes = bytes - $3 WHERE id = $1";
            sqlx::query(give_back).bind(device.to_string()).bind(files).bind(bytes).execute(&mut *tx).await?;
        }
        // Totals subtract what datasets in the trash count from what devices count, so both must count the same files at any time.
        let uncount = "UPDATE datasets SET files = files - $2, bytes = bytes - $3 WHERE uuid = $1";
        sqlx::query(uncount).bind(dataset.to_string()).bind(counted.0).bind(counted.1).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(!rows.is_empty())
    }
}

/// Makes sure that a file can be held for a dataset that was erased.
pub(super) async fn keep_stub(tx: &mut SqliteConnection, dataset: DatasetId, at: Millis) -> Result<(), sqlx::Error> {
    insert_stub(tx, dataset, "WHERE TRUE", at).await
}

/// Removes a stub that nothing is held for any more.
pub(super) async fn drop_stub(tx: &mut SqliteConnection, dataset: DatasetId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM datasets WHERE uuid = $1 AND number IS NULL AND NOT EXISTS (SELECT 1 FROM files WHERE dataset = $1)")
        .bind(dataset.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// In the trash, so that nothing is made of it; without a number, so that it is not shown there.
async fn insert_stub(tx: &mut SqliteConnection, dataset: DatasetId, when: &'static str, at: Millis) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO datasets (uuid, created_at, updated_at, deleted_at, described) SELECT $1, $2, $2, $2, 0";
    let query = sqlx::query(sqlx::AssertSqlSafe(format!("{insert} {when} ON CONFLICT DO NOTHING")));
    query.bind(dataset.to_string()).bind(at).execute(tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{EVIDENCE_PAGE, SETTLE_ITS_RUN};
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn what_was_told_of_it_goes_with_it() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let (gone, other) = (made.dataset(device).await, made.dataset(device).await);
        for subject in [gone.to_string(), format!("{gone}@6"), format!("{other}@6")] {
            made.change(&format!("INSERT INTO alerts (kind, subject, text, since) VALUES ('skipped', '{subject}', '', 1)")).await;
        }
        assert!(made.catalog.erase(gone).await.expect("erased"));
        assert_eq!(made.texts("SELECT subject AS c FROM alerts").await, [Some(format!("{other}@6"))]);
    }

    #[tokio::test]
    async fn the_evidence_of_many_files_is_every_one_of_them_in_order() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let dataset = made.dataset(device).await;
        // More than two pages, with the same bytes and names again and again: any number of devices can send them.
        let count = 2 * EVIDENCE_PAGE + 7;
        made.change(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO files \
             (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) SELECT \
             printf('00000000-0000-7000-8000-%012d', {count} - i), '{dataset}', '{device}', printf('%d.exe', i % 3), 1, printf('%064d', i % 2), \
             1, 1, 'placed', iif(i > 7, 'extension', 'erased') FROM n"
        ))
        .await;
        let mut seen = Vec::new();
        let add = |sha256: &str, size: u64, name: &str| seen.push((sha256.to_owned(), name.to_owned(), size));
        made.catalog.visit_evidence(dataset, add).await.expect("files");
        assert!(seen.len() == count - 7 && seen.is_sorted(), "{}", seen.len());
        assert_eq!(made.catalog.files_to_erase(dataset).await.expect("files").len(), count - 7);
    }

    #[tokio::test]
    async fn while_a_dataset_is_erased_the_others_are_counted_as_before() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let (gone, kept) = (made.dataset(device).await, made.dataset(device).await);
        for (dataset, name) in [(gone, "a.csv"), (gone, "b.csv"), (kept, "a.csv")] {
            made.file(dataset, device, name).await;
        }
        made.catalog.delete(&[gone], "ada").await.expect("deleted");
        assert_eq!(made.catalog.totals().await.expect("totals"), (1, 1, 1));
        assert!(made.catalog.erase_some_files(gone).await.expect("erased"));
        assert_eq!(made.catalog.totals().await.expect("totals"), (1, 1, 1));
        made.catalog.erase(gone).await.expect("erased");
        assert_eq!(made.catalog.totals().await.expect("totals"), (1, 1, 1));
    }

    #[tokio::test]
    async fn the_next_run_is_found_in_an_index() {
        let plan = Made::new().await.plan(SETTLE_ITS_RUN).await;
        assert!(plan.contains("INDEX datasets_by_run (device=?") && !plan.contains("SCAN"), "{plan}");
    }
}
