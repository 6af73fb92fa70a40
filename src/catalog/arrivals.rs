//! What came in on each day.

use std::collections::BTreeMap;

use sqlx::{Row, SqliteConnection};

use super::{
    Catalog, CatalogError, FileRow, Millis, Recorded,
    columns::{to_i64, to_u64},
};

const DAY: Millis = 24 * 60 * 60 * 1000;

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

/// Counts what one group has recorded: one statement a day, however many files.
pub(super) async fn count<'a>(tx: &mut SqliteConnection, recorded: impl Iterator<Item = &'a Recorded>) -> Result<(), sqlx::Error> {
    let mut days = BTreeMap::<Millis, (i64, u64)>::new();
    for file in recorded.filter(|file| file.new) {
        let (files, bytes) = days.entry(file.row.received_at / DAY).or_default();
        *files += 1;
        *bytes += file.row.size;
    }
    for (day, (files, bytes)) in days {
        sqlx::query(
            "INSERT INTO arrivals (day, files, bytes) VALUES ($1, $2, $3) \
             ON CONFLICT (day) DO UPDATE SET files = arrivals.files + excluded.files, bytes = arrivals.bytes + excluded.bytes",
        )
        .bind(day)
        .bind(files)
        .bind(to_i64(bytes))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
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
