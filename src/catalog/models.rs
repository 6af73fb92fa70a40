//! Models that were published.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{parsed, to_u64},
};
use crate::ids::{FileName, ModelId};

/// A model that was published.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// The name of its file, as watches know it. No two models have the same.
    pub name: FileName,
    /// What people say of it.
    pub notes: ModelNotes,
    /// Bytes of its file.
    pub size: u64,
    /// SHA-256 of its file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its settings, as JSON.
    pub settings: String,
    /// What its file says of itself, as JSON.
    pub facts: String,
    /// When it was published.
    pub published_at: Millis,
    /// By whom: a user's name in the config.
    pub published_by: String,
}

/// What people say of a model.
#[derive(Debug, Clone, Default)]
pub struct ModelNotes {
    /// Its version.
    pub version: String,
    /// Anything else.
    pub notes: String,
}

/// How the removal of a model went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It is done.
    Done,
    /// There is no such model.
    Gone,
    /// Somebody is to have it, or has it: who, in words, the first few.
    InUse(Vec<String>),
}

/// Users of a model that are named where it cannot be removed.
const MOST_NAMED: i64 = 20;

/// Who is to have a model, and which devices say that they run it.
const USERS: &str = "SELECT CASE a.kind WHEN 'everyone' THEN 'everyone' WHEN 'participant' THEN 'participant ' || COALESCE(p.label, a.subject) \
        ELSE 'device ' || COALESCE(NULLIF(v.name, ''), v.identifier, a.subject) END AS used_by \
     FROM assignments a LEFT JOIN participants p ON p.id = a.subject LEFT JOIN devices v ON v.id = a.subject \
     WHERE a.model = $1 AND a.number = (SELECT MAX(b.number) FROM assignments b WHERE b.kind = a.kind AND b.subject = a.subject) \
     UNION SELECT COALESCE(NULLIF(name, ''), identifier) || ', which runs it' FROM devices \
     WHERE model = (SELECT SUBSTR(name, 1, $3) FROM models WHERE id = $1) AND revoked_at IS NULL AND forgotten_at IS NULL LIMIT $2";

impl Model {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: FileName::from_catalog(row.try_get("name")?),
            notes: ModelNotes { version: row.try_get("version")?, notes: row.try_get("notes")? },
            size: to_u64(row.try_get("size")?),
            sha256: row.try_get("sha256")?,
            settings: row.try_get("settings")?,
            facts: row.try_get("facts")?,
            published_at: row.try_get("published_at")?,
            published_by: row.try_get("published_by")?,
        })
    }
}

impl Catalog {
    /// The published models, the last first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn models(&self, most: u32) -> Result<Vec<Model>, CatalogError> {
        let query = sqlx::query("SELECT * FROM models ORDER BY published_at DESC, id DESC LIMIT $1").bind(most);
        Ok(query.fetch_all(&self.read).await?.iter().map(Model::read).collect::<Result<_, _>>()?)
    }

    /// One model.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn model(&self, id: ModelId) -> Result<Option<Model>, CatalogError> {
        let row = sqlx::query("SELECT * FROM models WHERE id = $1").bind(id.to_string()).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Model::read).transpose()?)
    }

    /// The model whose file has a name, or one that a folding file system would take for the same.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn model_named(&self, name: &FileName) -> Result<Option<Model>, CatalogError> {
        let row = sqlx::query("SELECT * FROM models WHERE folded_name = $1").bind(name.folded()).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Model::read).transpose()?)
    }

    /// Adds a model. `false` if another one has its name.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn add_model(&self, model: &Model) -> Result<bool, CatalogError> {
        let insert = "INSERT INTO models (id, name, folded_name, version, notes, size, sha256, settings, facts, published_at, published_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (folded_name) DO NOTHING";
        let insert = sqlx::query(insert)
            .bind(model.id.to_string())
            .bind(model.name.as_str())
            .bind(model.name.folded())
            .bind(&model.notes.version)
            .bind(&model.notes.notes)
            .bind(i64::try_from(model.size).unwrap_or(i64::MAX))
            .bind(&model.sha256)
            .bind(&model.settings)
            .bind(&model.facts)
            .bind(model.published_at)
            .bind(&model.published_by);
        Ok(insert.execute(&self.write).await?.rows_affected() == 1)
    }

    /// Keeps what people say of a model. `false` if there is no such model.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_model(&self, id: ModelId, notes: &ModelNotes) -> Result<bool, CatalogError> {
        let update = sqlx::query("UPDATE models SET version = $2, notes = $3 WHERE id = $1");
        let done = update.bind(id.to_string()).bind(&notes.version).bind(&notes.notes).execute(&self.write).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a model that nobody is to have and no device says it runs, with what is known of who had it. Of a model's name a device
    /// is known to say the first `known_chars` only.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn remove_model(&self, id: ModelId, known_chars: usize) -> Result<Removed, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let users = users(&mut tx, id, known_chars).await?;
        if !users.is_empty() {
            return Ok(Removed::InUse(users));
        }
        for statement in ["DELETE FROM assignments WHERE model = $1", "DELETE FROM offers WHERE model = $1"] {
            sqlx::query::<sqlx::Sqlite>(statement).bind(id.to_string()).execute(&mut *tx).await?;
        }
        let done = sqlx::query("DELETE FROM models WHERE id = $1").bind(id.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(if done.rows_affected() == 1 { Removed::Done } else { Removed::Gone })
    }
}

async fn users(tx: &mut SqliteConnection, id: ModelId, known_chars: usize) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(USERS).bind(id.to_string()).bind(MOST_NAMED).bind(i64::try_from(known_chars).unwrap_or(i64::MAX)).fetch_all(tx).await
}
