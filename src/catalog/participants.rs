//! Participants: a study's labels for who wore which device.

use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Audience, Catalog, CatalogError, Millis, assignments,
    columns::{parsed, to_u64},
    devices::containing,
    spans::assign_anew,
};
use crate::ids::{ParticipantId, Tag};

/// Somebody who takes part in a study.
#[derive(Debug, Clone)]
pub struct Participant {
    /// The id.
    pub id: ParticipantId,
    /// What people read; no two have the same.
    pub label: Tag,
    /// What people say.
    pub note: String,
    /// When it was added.
    pub created_at: Millis,
    /// Number of spans.
    pub spans: u64,
    /// Number of recordings, without those in the trash.
    pub recordings: u64,
}

/// How a change of a participant went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// It is done.
    Done,
    /// There is no such participant.
    Gone,
    /// Another one has this label.
    Taken,
    /// A person assigned so many recordings to it.
    HasRecordings(u64),
    /// The same, and all of them lie in the trash.
    InTrash(u64),
}

const SELECT: &str = "SELECT p.*, (SELECT COUNT(*) FROM spans s WHERE s.participant = p.id) AS spans, \
    (SELECT COUNT(*) FROM datasets d WHERE d.participant = p.id AND d.deleted_at IS NULL) AS recordings FROM participants p";

impl Participant {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            label: Tag::from_catalog(row.try_get("label")?),
            note: row.try_get("note")?,
            created_at: row.try_get("created_at")?,
            spans: to_u64(row.try_get("spans")?),
            recordings: to_u64(row.try_get("recordings")?),
        })
    }
}

impl Catalog {
    /// Participants to choose from, by label: the first 500, and the one that is chosen already; none that is to be forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn participants(&self, chosen: Option<ParticipantId>) -> Result<Vec<(ParticipantId, Tag)>, CatalogError> {
        let query = "SELECT id, label FROM participants WHERE forgotten_at IS NULL AND \
             (id = $1 OR id IN (SELECT id FROM participants WHERE forgotten_at IS NULL ORDER BY label LIMIT 500)) ORDER BY label";
        let rows = sqlx::query(query).bind(chosen.map(|id| id.to_string())).fetch_all(&self.read).await?;
        let read = |row| Ok((parsed(row, "id")?, Tag::from_catalog(row.try_get("label")?)));
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// The participants whose label or note contains a text, behind a label, at most `most`, by label.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn enrolled(&self, text: Option<&str>, after: Option<&str>, most: u32) -> Result<Vec<Participant>, CatalogError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(" WHERE p.forgotten_at IS NULL AND p.label > ").push_bind(after.unwrap_or_default().to_owned());
        if let Some(text) = text {
            let like = containing(text);
            query.push(" AND (p.label LIKE ").push_bind(like.clone()).push(" ESCAPE '\\' OR p.note LIKE ");
            query.push_bind(like).push(" ESCAPE '\\')");
        }
        let rows = query.push(" ORDER BY p.label LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Participant::read).collect::<Result<_, _>>()?)
    }

    /// One participant.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn participant(&self, id: ParticipantId) -> Result<Option<Participant>, CatalogError> {
        let mut query = QueryBuilder::new(SELECT);
        let row = query.push(" WHERE p.id = ").push_bind(id.to_string()).build().fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Participant::read).transpose()?)
    }

    /// Whether there is such a participant, and it is not to be forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_enrolled(&self, id: ParticipantId) -> Result<bool, CatalogError> {
        let query = sqlx::query("SELECT 1 FROM participants WHERE id = $1 AND forgotten_at IS NULL").bind(id.to_string());
        Ok(query.fetch_optional(&self.read).await?.is_some())
    }

    /// Adds a participant, unless another one has its label that is not to be forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn enrol(&self, id: ParticipantId, label: &Tag, note: &str) -> Result<Enrolled, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        free_label(&mut tx, label, id).await?;
        let insert = "INSERT INTO participants (id, label, note, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (label) DO NOTHING";
        let insert = sqlx::query(insert).bind(id.to_string()).bind(label.as_str()).bind(note).bind(self.now());
        let done = insert.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(if done.rows_affected() == 1 { Enrolled::Done } else { Enrolled::Taken })
    }

    /// Gives a participant another label and note. The words of its recordings are read anew where the label is another one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn relabel(&self, id: ParticipantId, label: &Tag, note: &str) -> Result<Enrolled, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        free_label(&mut tx, label, id).await?;
        let rows = sqlx::query("SELECT id FROM participants WHERE id = $1 OR label = $2").bind(id.to_string()).bind(label.as_str());
        let found: Vec<ParticipantId> = rows.fetch_all(&mut *tx).await?.iter().map(|row| parsed(row, "id")).collect::<Result<_, _>>()?;
        if !found.contains(&id) {
            return Ok(Enrolled::Gone);
        }
        if found.len() > 1 {
            return Ok(Enrolled::Taken);
        }
        let anew = "UPDATE datasets SET described = -1 WHERE participant = $1 \
                    AND EXISTS (SELECT 1 FROM participants WHERE id = $1 AND label <> $2)";
        sqlx::query(anew).bind(id.to_string()).bind(label.as_str()).execute(&mut *tx).await?;
        let update = sqlx::query("UPDATE participants SET label = $2, note = $3 WHERE id = $1");
        update.bind(id.to_string()).bind(label.as_str()).bind(note).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Enrolled::Done)
    }

    /// Deletes a participant and its spans, unless a person assigned recordings to it. Those that its spans assigned are assigned
    /// anew.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn strike(&self, participant: ParticipantId) -> Result<Enrolled, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let id = participant.to_string();
        if let Some(refusal) = assigned_by_hand(&mut tx, &id).await? {
            return Ok(refusal);
        }
        let rows = sqlx::query("SELECT DISTINCT device FROM spans WHERE participant = $1").bind(&id).fetch_all(&mut *tx).await?;
        sqlx::query("DELETE FROM spans WHERE participant = $1").bind(&id).execute(&mut *tx).await?;
        for row in rows {
            assign_anew(&mut tx, parsed(&row, "device")?).await?;
        }
        let left = sqlx::query("UPDATE datasets SET participant = NULL, described = -1 WHERE participant = $1");
        left.bind(&id).execute(&mut *tx).await?;
        assignments::forget(&mut tx, Audience::Participant(participant)).await?;
        let done = sqlx::query("DELETE FROM participants WHERE id = $1").bind(&id).execute(&mut *tx).await?;
        self.commit_for_recipients(tx).await?;
        Ok(if done.rows_affected() == 1 { Enrolled::Done } else { Enrolled::Gone })
    }
}

/// Why a participant is not deleted: what a person said is not taken back silently, and what it wore while it is forgotten is kept.
async fn assigned_by_hand(tx: &mut SqliteConnection, id: &str) -> Result<Option<Enrolled>, sqlx::Error> {
    let by_hand = "SELECT COUNT(*), COUNT(deleted_at) FROM datasets WHERE participant = $1 AND participant_by_hand <> 0";
    let (all, in_trash) = sqlx::query_as::<_, (i64, i64)>(by_hand).bind(id).fetch_one(&mut *tx).await?;
    if all > in_trash {
        return Ok(Some(Enrolled::HasRecordings(to_u64(all - in_trash))));
    }
    if in_trash > 0 {
        return Ok(Some(Enrolled::InTrash(to_u64(in_trash))));
    }
    let forgotten = sqlx::query("SELECT 1 FROM participants WHERE id = $1 AND forgotten_at IS NOT NULL").bind(id);
    Ok(forgotten.fetch_optional(tx).await?.map(|_| Enrolled::Gone))
}

/// Takes a label from a participant that is to be forgotten, for another one: its row is there only as long as its recordings are,
/// and the trash keeps what comes late. What is restored of them is still told from the other one's.
async fn free_label(tx: &mut SqliteConnection, label: &Tag, other: ParticipantId) -> Result<(), sqlx::Error> {
    for statement in [
        "UPDATE datasets SET described = -1 WHERE participant IN \
         (SELECT id FROM participants WHERE label = $1 AND forgotten_at IS NOT NULL AND id <> $2)",
        "UPDATE participants SET label = label || ' (forgotten ' || SUBSTR(id, 1, 8) || ')' \
         WHERE label = $1 AND forgotten_at IS NOT NULL AND id <> $2",
    ] {
        let query = sqlx::query::<sqlx::Sqlite>(statement);
        query.bind(label.as_str()).bind(other.to_string()).execute(&mut *tx).await?;
    }
    Ok(())
}
