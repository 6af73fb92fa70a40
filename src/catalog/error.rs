//! What can go wrong in the catalog, told apart by what a caller may do about it.

use std::sync::Arc;

use sqlx::Error;

/// An error of the catalog. Cheap to clone, since one failed commit answers many uploads.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// Somebody else holds the database; a later try may succeed.
    #[error("the catalog is busy")]
    Busy,
    /// The disk under the catalog is full.
    #[error("no room for the catalog")]
    Full,
    /// A newer program has brought the catalog to a schema that this one does not know.
    #[error(
        "the catalog has schema {found}, and this program ({}) knows up to {known}: start the newer program again. {}",
        env!("CARGO_PKG_VERSION"),
        way_back(copy.as_deref())
    )]
    Newer {
        /// The schema of the catalog.
        found: i64,
        /// The schema that this program knows.
        known: i64,
        /// The copy from before, if it is there.
        copy: Option<String>,
    },
    /// The catalog could not be copied before it is brought up to date.
    #[error("the catalog cannot be copied to {path} before it is brought up to date, and is left as it was: {reason}")]
    Copy {
        /// Where the copy was to be.
        path: String,
        /// What the operating system or SQLite says.
        reason: String,
    },
    /// The catalog cannot be brought up to date.
    #[error("the catalog cannot be brought up to date: {0}")]
    Migration(Arc<sqlx::migrate::MigrateError>),
    /// The program is stopping.
    #[error("the catalog is closed")]
    Closed,
    /// Anything else. Whether an interrupted commit took place is then unknown.
    #[error("the catalog failed: {0}")]
    Failed(Arc<Error>),
}

fn way_back(copy: Option<&str>) -> String {
    copy.map_or_else(
        || "There is no copy of before to go back to".to_owned(),
        |copy| format!("To go back, put {copy} in its place, and leave no catalog.sqlite-wal beside it; wearhouse reindex --apply then finds the files that came since"),
    )
}

/// Why files are not recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The device has used up what it may bring. The text names the quota.
    #[error("this device has used up its quota of {0}")]
    Quota(&'static str),
    /// The dataset holds as many files as one may.
    #[error("this dataset has reached its quota of files")]
    DatasetFull,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<Error> for RecordError {
    fn from(error: Error) -> Self {
        Self::Catalog(error.into())
    }
}

/// SQLite's primary result code (<https://www.sqlite.org/rescode.html>).
fn primary_code(error: &Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

/// Whether it is a row that the database does not take. Anything else concerns all of a transaction.
pub(super) fn concerns_a_row(error: &Error) -> bool {
    const TOOBIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    matches!(primary_code(error), Some(TOOBIG | CONSTRAINT | MISMATCH))
}

impl From<Error> for CatalogError {
    fn from(error: Error) -> Self {
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const FULL: i32 = 13;
        match (primary_code(&error), &error) {
            (Some(BUSY | LOCKED), _) | (_, Error::PoolTimedOut) => Self::Busy,
            (Some(FULL), _) => Self::Full,
            (_, Error::PoolClosed) => Self::Closed,
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for CatalogError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(Arc::new(error))
    }
}
