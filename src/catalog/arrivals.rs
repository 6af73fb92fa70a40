//! What came in on each day.

use sqlx::{Row, SqliteConnection};

use super::{
    Catalog, CatalogError, Millis, Recorded,
    columns::{to_i64, to_u64},
    now,
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

/// Counts what one group has recorded: one statement, however many files.
pub(super) async fn count<'a>(tx: &mut SqliteConnection, recorded: impl Iterator<Item = &'a Recorded>) -> Result<(), sqlx::Error> {
    let (mut files, mut bytes) = (0, 0);
    for file in recorded.filter(|file| file.new) {
        files += 1;
        bytes += file.row.size;
    }
    if files == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO arrivals (day, files, bytes) VALUES ($1, $2, $3) \
         ON CONFLICT (day) DO UPDATE SET files = arrivals.files + excluded.files, bytes = arrivals.bytes + excluded.bytes",
    )
    .bind(now() / DAY)
    .bind(files)
    .bind(to_i64(bytes))
    .execute(tx)
    .await?;
    Ok(())
}
