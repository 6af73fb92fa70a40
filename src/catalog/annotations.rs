//! What people say of datasets: title, description, verdict, tags, who wore the device.

use sqlx::{QueryBuilder, Row, Sqlite, Transaction};

use super::{
    Catalog, CatalogError, Millis, Verdict, Wearer, Zippable,
    columns::{LISTED_AT_ONCE, push_list},
};
use crate::ids::{DatasetId, FileName, Tag};

/// How an edit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// It is done.
    Done,
    /// Somebody else has edited it since; nothing was changed.
    Overtaken,
    /// There is no such dataset.
    Gone,
}

/// The long texts of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// What people say of it, in Markdown.
    pub description: String,
    /// The run's `metaInfo`, as it was sent.
    pub meta_info: Option<String>,
}

impl Catalog {
    /// The long texts of a dataset; empty where there are none.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn texts(&self, uuid: DatasetId) -> Result<Texts, CatalogError> {
        let row = sqlx::query("SELECT description, meta_info FROM texts WHERE dataset = $1")
            .bind(uuid.to_string())
            .fetch_optional(&self.read)
            .await?;
        let read = |row: sqlx::sqlite::SqliteRow| {
            Ok::<_, sqlx::Error>(Texts { description: row.try_get("description")?, meta_info: row.try_get("meta_info")? })
        };
        Ok(row.map(read).transpose()?.unwrap_or_default())
    }

    /// Title and description as a file: `README.md`, a name that no other file has. None where there is neither. It bears the
    /// time of its dataset, so that the same text makes the same entry.
    pub(super) async fn read_me(&self, uuid: DatasetId) -> Result<Option<Zippable>, CatalogError> {
        let query = "SELECT d.title, COALESCE(t.description, ''), d.created_at FROM datasets d \
                     LEFT JOIN texts t ON t.dataset = d.uuid WHERE d.uuid = $1";
        let row = sqlx::query_as::<_, (String, String, Millis)>(query).bind(uuid.to_string()).fetch_optional(&self.read).await?;
        let Some((title, description, received_at)) = row else { return Ok(None) };
        let heading = if title.is_empty() { title } else { format!("# {title}") };
        let parts: Vec<_> = [heading, description].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let text = parts.join("\n\n") + "\n";
        let (size, crc32) = (text.len() as u64, crc32fast::hash(text.as_bytes()));
        Ok(Some(Zippable { name: FileName::from_catalog("README.md".to_owned()), text: Some(text), size, crc32, received_at }))
    }

    /// Gives a dataset its title and description, unless somebody has edited it since `revision`. Its zip then lags behind,
    /// for both stand in it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_dataset(&self, uuid: DatasetId, revision: i64, title: &str, text: &str) -> Result<Edited, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let found =
            sqlx::query_scalar::<_, i64>("SELECT revision FROM datasets WHERE uuid = $1 AND number IS NOT NULL").bind(uuid.to_string());
        match found.fetch_optional(&mut *tx).await? {
            None => return Ok(Edited::Gone),
            Some(found) if found != revision => return Ok(Edited::Overtaken),
            Some(_) => {}
        }
        sqlx::query("UPDATE datasets SET title = $2, revision = revision + 1, changes = changes + 1 WHERE uuid = $1")
            .bind(uuid.to_string())
            .bind(title)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO texts (dataset, description) VALUES ($1, $2) ON CONFLICT (dataset) DO UPDATE SET description = excluded.description",
        )
        .bind(uuid.to_string())
        .bind(text)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Edited::Done)
    }

    /// Judges datasets, or takes a verdict back. Returns how many there were.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn judge(&self, datasets: &[DatasetId], verdict: Option<Verdict>, reason: &str) -> Result<u64, CatalogError> {
        self.change(datasets, |query| {
            query.push("verdict = ").push_bind(verdict.map(Verdict::as_str)).push(", verdict_reason = ").push_bind(reason.to_owned());
        })
        .await
    }

    /// Says who wore the device. Returns how many datasets there were; none where there is no such participant, or it is forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assign(&self, datasets: &[DatasetId], wearer: Wearer) -> Result<Option<u64>, CatalogError> {
        let participant = match wearer {
            Wearer::Participant(id) => Some(id.to_string()),
            Wearer::Unassigned => None,
        };
        let (mut tx, _place) = self.writing_aside().await?;
        let enrolled =
            sqlx::query("SELECT 1 WHERE $1 IS NULL OR EXISTS (SELECT 1 FROM participants WHERE id = $1 AND forgotten_at IS NULL)");
        if enrolled.bind(participant.as_deref()).fetch_optional(&mut *tx).await?.is_none() {
            return Ok(None);
        }
        let known = update(&mut tx, datasets, |query| {
            query.push(", revision = revision + 1, participant_by_hand = 1, participant = ").push_bind(participant.clone());
        })
        .await?;
        tx.commit().await?;
        Ok(Some(known))
    }

    /// Gives datasets a tag. Returns how many there were.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn tag(&self, datasets: &[DatasetId], tag: &Tag) -> Result<u64, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        for some in datasets.chunks(LISTED_AT_ONCE) {
            let mut query = QueryBuilder::new("INSERT INTO tags (tag, dataset, number) SELECT ");
            query.push_bind(tag.as_str().to_owned()).push(", uuid, number FROM datasets WHERE number IS NOT NULL AND uuid IN (");
            push_list(&mut query, some);
            query.push(") ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?;
        }
        let known = update(&mut tx, datasets, |_| {}).await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Takes a tag off datasets. Returns how many there were.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn untag(&self, datasets: &[DatasetId], tag: &Tag) -> Result<u64, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        for some in datasets.chunks(LISTED_AT_ONCE) {
            let mut query = QueryBuilder::new("DELETE FROM tags WHERE tag = ");
            query.push_bind(tag.as_str().to_owned()).push(" AND dataset IN (");
            push_list(&mut query, some);
            query.push(")").build().execute(&mut *tx).await?;
        }
        let known = update(&mut tx, datasets, |_| {}).await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Changes columns of datasets, and has their words read anew. Returns how many there are.
    async fn change(&self, datasets: &[DatasetId], set: impl Fn(&mut QueryBuilder<Sqlite>)) -> Result<u64, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let known = update(&mut tx, datasets, |query| {
            query.push(", revision = revision + 1, ");
            set(query);
        })
        .await?;
        tx.commit().await?;
        Ok(known)
    }
}

/// Has the words of datasets read anew, and sets what else is to be set. Returns how many there are; the stub of one that was erased
/// is none.
async fn update(
    tx: &mut Transaction<'_, Sqlite>,
    datasets: &[DatasetId],
    set: impl Fn(&mut QueryBuilder<Sqlite>),
) -> Result<u64, sqlx::Error> {
    let mut known = 0;
    for some in datasets.chunks(LISTED_AT_ONCE) {
        let mut query = QueryBuilder::new("UPDATE datasets SET described = -1");
        set(&mut query);
        query.push(" WHERE number IS NOT NULL AND uuid IN (");
        push_list(&mut query, some);
        known += query.push(")").build().execute(&mut **tx).await?.rows_affected();
    }
    Ok(known)
}
