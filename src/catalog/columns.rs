//! Between columns and what they mean: ids are TEXT, numbers are signed.

use std::str::FromStr;

use futures_util::{Stream, TryStreamExt};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use crate::ids::Malformed;

/// Reads a column that holds one of our ids.
pub(super) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err = Malformed>,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error| sqlx::Error::ColumnDecode { index: column.into(), source: Box::new(error) })
}

/// The same for a column that may be NULL.
pub(super) fn parsed_or_null<T>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T: FromStr<Err = Malformed>,
{
    match row.try_get::<Option<&str>, _>(column)? {
        None => Ok(None),
        Some(_) => parsed(row, column).map(Some),
    }
}

/// Reads each row as it comes. What is read of a row is kept, and the row is not, which takes ten times as much memory.
pub(super) async fn collected<T>(
    rows: impl Stream<Item = Result<SqliteRow, sqlx::Error>> + Unpin,
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    rows.and_then(|row| std::future::ready(read(&row))).try_collect().await
}

/// SQLite's integers are signed; no size or count of ours comes near the limit.
pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; no size or count of ours is negative.
pub(super) fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A CRC-32 as it was written.
pub(super) fn to_crc32(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// How many ids stand in one list; PostgreSQL takes 65,535 values in one statement, SQLite 32,766.
pub(super) const LISTED_AT_ONCE: usize = 1000;

/// How many rows a statement has that takes `rows`: the next power of two, so that few texts are compiled, and those stay.
pub(super) fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// `?, ?, …`, with the last one again until the list is as long as [`padded`] says.
pub(super) fn push_list<T: ToString>(query: &mut QueryBuilder<Sqlite>, items: &[T]) {
    let mut list = query.separated(", ");
    for item in items.iter().chain(items.last().into_iter().cycle()).take(padded(items.len())) {
        list.push_bind(item.to_string());
    }
}
