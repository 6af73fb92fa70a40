//! The audit trail: who did what, and when. No address stands in it.

use sqlx::{QueryBuilder, Row, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis, now};

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the trail.
    pub number: i64,
    /// When.
    pub at: Millis,
    /// The user's name in the config; empty for the house itself.
    pub who: String,
    /// What was done, in one or two words.
    pub action: String,
    /// To what: a dataset's uuid, a device's id, a setting's name, …
    pub subject: String,
    /// What else is to be known, as a sentence.
    pub detail: String,
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this user.
    pub who: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// Before this place in the trail.
    pub before: Option<i64>,
}

impl AuditEntry {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            number: row.try_get("number")?,
            at: row.try_get("at")?,
            who: row.try_get("who")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            detail: row.try_get("detail")?,
        })
    }
}

impl Catalog {
    /// Notes what somebody did to each of some things.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn note(&self, who: &str, action: &str, subjects: &[String], detail: &str) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        for subjects in subjects.chunks(1000) {
            let mut query = QueryBuilder::new("INSERT INTO audit (at, who, action, subject, detail) ");
            query.push_values(subjects, |mut row, subject| {
                row.push_bind(now()).push_bind(who).push_bind(action).push_bind(subject).push_bind(detail);
            });
            query.build().execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The trail, the last first, at most `most` entries.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn audit(&self, filter: &AuditFilter, most: u32) -> Result<Vec<AuditEntry>, CatalogError> {
        let mut query = QueryBuilder::new("SELECT * FROM audit WHERE number < ");
        query.push_bind(filter.before.unwrap_or(i64::MAX));
        for (column, value) in [("who", &filter.who), ("action", &filter.action), ("subject", &filter.subject)] {
            if let Some(value) = value {
                query.push(format_args!(" AND {column} = ")).push_bind(value);
            }
        }
        let rows = query.push(" ORDER BY number DESC LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(AuditEntry::read).collect::<Result<_, _>>()?)
    }
}
