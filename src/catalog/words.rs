//! Words: what can be searched for. The index keeps no text, so it is written anew as a whole.

use sqlx::{Row, SqliteConnection};

use crate::ids::DatasetId;

pub(super) const TEXT: &str = "SELECT d.uuid, v.identifier, v.name, p.label, d.title, t.description, \
     (SELECT STRING_AGG(tag, ' ') FROM tags WHERE tags.dataset = d.uuid) AS tags, d.app_version, d.model \
     FROM datasets d LEFT JOIN devices v ON v.id = d.device LEFT JOIN participants p ON p.id = d.participant \
     LEFT JOIN texts t ON t.dataset = d.uuid WHERE d.uuid = $1";
const COLUMNS: [&str; 9] = ["uuid", "identifier", "name", "label", "title", "description", "tags", "app_version", "model"];

/// Writes the words of a dataset: what is said of it, its device and who wore that, and these names of files.
pub(super) async fn write(tx: &mut SqliteConnection, dataset: DatasetId, number: i64, names: &[String]) -> Result<(), sqlx::Error> {
    let row = sqlx::query(TEXT).bind(dataset.to_string()).fetch_one(&mut *tx).await?;
    let mut text = String::new();
    for column in COLUMNS {
        text.push_str(row.try_get::<Option<&str>, _>(column)?.unwrap_or_default());
        text.push('\n');
    }
    text.push_str(&names.join("\n"));
    forget(tx, number).await?;
    sqlx::query("INSERT INTO words (rowid, text) VALUES ($1, $2)").bind(number).bind(text).execute(tx).await?;
    Ok(())
}

/// Forgets the words of a dataset.
pub(super) async fn forget(tx: &mut SqliteConnection, number: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM words WHERE rowid = $1").bind(number).execute(tx).await?;
    Ok(())
}
