//! What came in on each day.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{
    Catalog, CatalogError, DAY, FileRow, Millis,
    columns::{LISTED_AT_ONCE, push_list, to_i64, to_u64},
};
use crate::ids::FileId;

/// What came in on one day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    /// When the day began.
    pub day: Millis,
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Catalog {
    /// What came in since a time, a day each, oldest first. Days without a file are left out.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn arrivals(&self, since: Millis) -> Result<Vec<Arrivals>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM arrivals WHERE day >= $1 ORDER BY day").bind(since / DAY).fetch_all(&self.read).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (files, bytes) = (to_u64(row.try_get("files")?), to_u64(row.try_get("bytes")?));
            Ok(Arrivals { day: row.try_get::<i64, _>("day")? * DAY, files, bytes })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }
}

/// Counts what has been recorded.
pub(super) async fn count(tx: &mut SqliteConnection, files: &[FileId]) -> Result<(), sqlx::Error> {
    if files.is_empty() {
        return Ok(());
    }
    let mut script = QueryBuilder::new("");
    push_count(&mut script, files);
    script.build().execute(tx).await?;
    Ok(())
}

/// Counts those of the files that are there, each on the day on which it was received.
pub(super) fn push_count(script: &mut QueryBuilder<Sqlite>, files: &[FileId]) {
    for files in files.chunks(LISTED_AT_ONCE) {
        script.push("INSERT INTO arrivals (day, files, bytes) SELECT received_at / ").push(DAY);
        script.push(", COUNT(*), CAST(SUM(size) AS BIGINT) FROM files WHERE id IN (");
        push_list(script, files);
        script
            .push(") GROUP BY received_at / ")
            .push(DAY)
            .push(" ON CONFLICT (day) DO UPDATE SET files = arrivals.files + excluded.files, bytes = arrivals.bytes + excluded.bytes; ");
    }
}

/// Takes back what was counted of a file that did not come into its place.
pub(super) async fn take_back(tx: &mut SqliteConnection, file: &FileRow) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE arrivals SET files = files - 1, bytes = bytes - $2 WHERE day = $1")
        .bind(file.received_at / DAY)
        .bind(to_i64(file.size))
        .execute(tx)
        .await?;
    Ok(())
}
