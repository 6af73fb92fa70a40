//! The schema of the catalog: brought up to date at the start, behind a copy, and never by a program that is older than it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use sqlx::{Row, SqlitePool, migrate::Migrator};

use super::CatalogError;
use crate::storage::blocking;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The schema that this program knows.
fn known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Brings the catalog at `path` to the schema that this program knows. One of an older schema is copied first.
pub(super) async fn upgrade(pool: &SqlitePool, path: &Path) -> Result<(), CatalogError> {
    let found = refuse_newer(pool, path).await?;
    if (1..known()).contains(&found) {
        let copy = copy_of(path, found);
        make_copy(pool, &copy).await?;
        tracing::info!(from = found, to = known(), copy = %copy.display(), "the catalog is brought up to date; it was copied before");
    }
    Ok(MIGRATIONS.run(pool).await?)
}

/// The schema of a catalog, unless it is one that this program does not know.
pub(super) async fn refuse_newer(pool: &SqlitePool, path: &Path) -> Result<i64, CatalogError> {
    let found = schema(pool).await?;
    if found > known() {
        return Err(CatalogError::Newer { found, known: known(), copy: copy_for_us(path) });
    }
    Ok(found)
}

/// The schema of a catalog; 0 for a new one.
async fn schema(pool: &SqlitePool) -> Result<i64, sqlx::Error> {
    let made = sqlx::query("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'").fetch_optional(pool).await?;
    if made.is_none() {
        return Ok(0);
    }
    sqlx::query("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) AS version FROM _sqlx_migrations")
        .fetch_one(pool)
        .await?
        .try_get("version")
}

/// `catalog-schema-1.sqlite`: the catalog as it was before it left schema 1.
fn copy_of(path: &Path, schema: i64) -> PathBuf {
    path.with_file_name(format!("catalog-schema-{schema}.sqlite"))
}

/// The newest copy that this program could read.
fn copy_for_us(path: &Path) -> Option<String> {
    let copies = (1..=known()).rev().map(|schema| copy_of(path, schema));
    copies.into_iter().find(|copy| copy.exists()).map(|copy| copy.display().to_string())
}

/// Copies the catalog as it is now. The copy has its name when it is whole and synced; half a one takes nobody's room.
async fn make_copy(pool: &SqlitePool, copy: &Path) -> Result<(), CatalogError> {
    let part = copy.with_extension("part");
    let copied = copy_by_way_of(&part, pool, copy).await;
    if copied.is_err() {
        // What stands in the way of the copy says more than what stands in the way of its removal.
        let _ = remove(&part);
    }
    copied.map_err(|source| CatalogError::Copy { path: copy.display().to_string(), reason: source.to_string() })
}

async fn copy_by_way_of(part: &Path, pool: &SqlitePool, copy: &Path) -> io::Result<()> {
    // A start that was cut short may have left it.
    remove(part)?;
    let copied = sqlx::query("VACUUM INTO $1").bind(part.display().to_string()).execute(pool).await;
    copied.map_err(io::Error::other)?;
    let (from, to) = (part.to_owned(), copy.to_owned());
    let kept = blocking(move || {
        File::open(&from)?.sync_all()?;
        fs::rename(&from, &to)?;
        File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()
    });
    kept.await?
}

fn remove(part: &Path) -> io::Result<()> {
    fs::remove_file(part).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
