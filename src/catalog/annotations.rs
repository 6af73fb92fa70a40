//! What people say of datasets: title, description, verdict, tags, who wore the device.

use sqlx::{QueryBuilder, Row, Sqlite, Transaction};

use super::{
    Catalog, CatalogError, Millis, READ_ME, Verdict, Wearer, Zippable,
    columns::{LISTED_AT_ONCE, parsed, push_list},
    spans::wearer,
};
use crate::ids::{DatasetId, FileName, Tag};

/// How an edit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// It is done. What is as it was before was not changed.
    Done {
        /// Whether the title is another one.
        title: bool,
        /// Whether the description is another one.
        description: bool,
    },
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
        Ok(Some(Zippable { name: FileName::from_catalog(READ_ME.to_owned()), text: Some(text), size, crc32, received_at }))
    }

    /// Gives a dataset its title and description, unless somebody has edited it since `revision`. Its zip then lags behind,
    /// for both stand in it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_dataset(&self, uuid: DatasetId, revision: i64, title: &str, text: &str) -> Result<Edited, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let found = "SELECT d.revision, d.title, COALESCE(t.description, '') FROM datasets d LEFT JOIN texts t ON t.dataset = d.uuid \
                     WHERE d.uuid = $1 AND d.number IS NOT NULL";
        let found = sqlx::query_as::<_, (i64, String, String)>(found).bind(uuid.to_string()).fetch_optional(&mut *tx).await?;
        let Some((found, old_title, old_text)) = found else { return Ok(Edited::Gone) };
        if found != revision {
            return Ok(Edited::Overtaken);
        }
        let edited = Edited::Done { title: old_title != title, description: old_text != text };
        if edited == (Edited::Done { title: false, description: false }) {
            return Ok(edited);
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
        Ok(edited)
    }

    /// Judges datasets, or takes a verdict back. Returns those of which something else was said before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn judge(&self, datasets: &[DatasetId], verdict: Option<Verdict>, reason: &str) -> Result<Vec<DatasetId>, CatalogError> {
        let verdict = verdict.map(Verdict::as_str);
        let set = |query: &mut Query| {
            query.push("verdict = ").push_bind(verdict).push(", verdict_reason = ").push_bind(reason.to_owned());
        };
        let differs = |query: &mut Query| {
            query.push("verdict IS DISTINCT FROM ").push_bind(verdict).push(" OR verdict_reason <> ").push_bind(reason.to_owned());
        };
        self.change(datasets, set, differs).await
    }

    /// Says who wore the device, whatever the spans say. Returns the datasets of which something else was said before; none where there
    /// is no such participant, or it is forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assign(&self, datasets: &[DatasetId], wearer: Wearer) -> Result<Option<Vec<DatasetId>>, CatalogError> {
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
        let set = |query: &mut Query| {
            query.push(", participant_by_hand = 1, participant = ").push_bind(participant.clone());
        };
        let differs = |query: &mut Query| {
            query.push("participant_by_hand = 0 OR participant IS DISTINCT FROM ").push_bind(participant.clone());
        };
        let changed = update(&mut tx, datasets, set, differs).await?;
        tx.commit().await?;
        Ok(Some(changed))
    }

    /// Takes back what people said of who wore the device: the spans say it again. Returns the datasets of which they had said it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assign_by_spans(&self, datasets: &[DatasetId]) -> Result<Vec<DatasetId>, CatalogError> {
        const SET: &str = concat!("participant_by_hand = 0, participant = ", wearer!("datasets.device", "datasets.started_at"));
        let set = |query: &mut Query| {
            query.push(SET);
        };
        let differs = |query: &mut Query| {
            query.push("participant_by_hand <> 0");
        };
        self.change(datasets, set, differs).await
    }

    /// Gives datasets a tag. Returns those that did not have it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn tag(&self, datasets: &[DatasetId], tag: &Tag) -> Result<Vec<DatasetId>, CatalogError> {
        let insert = |query: &mut Query, some: &[DatasetId]| {
            query.push("INSERT INTO tags (tag, dataset, number) SELECT ").push_bind(tag.as_str().to_owned());
            query.push(", uuid, number FROM datasets WHERE number IS NOT NULL AND uuid IN (");
            push_list(query, some);
            query.push(") ON CONFLICT DO NOTHING RETURNING dataset AS uuid");
        };
        self.change_tags(datasets, insert).await
    }

    /// Takes a tag off datasets. Returns those that had it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn untag(&self, datasets: &[DatasetId], tag: &Tag) -> Result<Vec<DatasetId>, CatalogError> {
        let delete = |query: &mut Query, some: &[DatasetId]| {
            query.push("DELETE FROM tags WHERE tag = ").push_bind(tag.as_str().to_owned()).push(" AND dataset IN (");
            push_list(query, some);
            query.push(") RETURNING dataset AS uuid");
        };
        self.change_tags(datasets, delete).await
    }

    async fn change_tags(&self, datasets: &[DatasetId], tags: impl Fn(&mut Query, &[DatasetId])) -> Result<Vec<DatasetId>, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let changed = some_by_some(&mut tx, datasets, tags).await?;
        let all = |query: &mut Query| {
            query.push("TRUE");
        };
        update(&mut tx, &changed, |_| {}, all).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Changes columns of datasets where they differ, and has the words of those read anew. Returns them.
    async fn change(
        &self,
        datasets: &[DatasetId],
        set: impl Fn(&mut Query),
        differs: impl Fn(&mut Query),
    ) -> Result<Vec<DatasetId>, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let changed = update(&mut tx, datasets, |query| set(query.push(", ")), differs).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

type Query = QueryBuilder<Sqlite>;

/// Has the words of datasets read anew, and sets what else is to be set, where that is another thing. Returns those; the stub of one
/// that was erased is none.
async fn update(
    tx: &mut Transaction<'_, Sqlite>,
    datasets: &[DatasetId],
    set: impl Fn(&mut Query),
    differs: impl Fn(&mut Query),
) -> Result<Vec<DatasetId>, sqlx::Error> {
    let update = |query: &mut Query, some: &[DatasetId]| {
        query.push("UPDATE datasets SET described = -1");
        set(query);
        query.push(" WHERE number IS NOT NULL AND (");
        differs(query);
        query.push(") AND uuid IN (");
        push_list(query, some);
        query.push(") RETURNING uuid");
    };
    some_by_some(tx, datasets, update).await
}

/// Says something of as many datasets at once as a statement can name. Returns the uuids that it returns.
async fn some_by_some(
    tx: &mut Transaction<'_, Sqlite>,
    datasets: &[DatasetId],
    statement: impl Fn(&mut Query, &[DatasetId]),
) -> Result<Vec<DatasetId>, sqlx::Error> {
    let mut changed = Vec::new();
    for some in datasets.chunks(LISTED_AT_ONCE) {
        let mut query = QueryBuilder::new("");
        statement(&mut query, some);
        for row in query.build().fetch_all(&mut **tx).await? {
            changed.push(parsed(&row, "uuid")?);
        }
    }
    Ok(changed)
}
