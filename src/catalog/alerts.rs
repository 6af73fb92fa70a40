//! What somebody should know: kept while it lasts, so that it is told once.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis};

/// Something that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingAlert {
    /// What kind of thing, as a word.
    pub kind: String,
    /// What of that kind. With the kind, it tells one alert from another.
    pub subject: String,
    /// A sentence for a person.
    pub text: String,
    /// Since when it is known.
    pub since: Millis,
}

/// A way of telling somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// By mail.
    Mail,
    /// By webhook.
    Webhook,
}

impl Channel {
    const fn column(self) -> &'static str {
        match self {
            Self::Mail => "mailed_at",
            Self::Webhook => "hooked_at",
        }
    }
}

impl StandingAlert {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { kind: row.try_get("kind")?, subject: row.try_get("subject")?, text: row.try_get("text")?, since: row.try_get("since")? })
    }
}

impl Catalog {
    /// Takes `found` for everything of these kinds that holds now: what is new is kept from now on, what is known keeps its time
    /// and who was told of it, and what holds no more is forgotten. Says how many are new.
    ///
    /// # Errors
    /// [`CatalogError`]; then nothing has changed.
    pub async fn note_alerts(&self, kinds: &[&str], found: &[StandingAlert]) -> Result<usize, CatalogError> {
        let found: Vec<_> = found.iter().filter(|alert| kinds.contains(&alert.kind.as_str())).collect();
        // Mostly nothing changes, and then nobody has to wait for anybody.
        if Changes::between(&alerts_of(&mut *self.read.acquire().await?, kinds).await?, &found).is_none() {
            return Ok(0);
        }
        let (mut tx, _place) = self.writing_aside().await?;
        let standing = alerts_of(&mut tx, kinds).await?;
        let changes = Changes::between(&standing, &found);
        changes.write(&mut tx).await?;
        tx.commit().await?;
        Ok(changes.new.len())
    }

    /// Everything that holds, the oldest first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn alerts(&self, most: u32) -> Result<Vec<StandingAlert>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM alerts ORDER BY since, kind, subject LIMIT $1").bind(most).fetch_all(&self.read).await?;
        Ok(rows.iter().map(StandingAlert::read).collect::<Result<_, _>>()?)
    }

    /// What of these kinds nobody has been told of over this way, and is known since before `before`: the oldest, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn untold(&self, way: Channel, kinds: &[&str], before: Millis, most: u32) -> Result<Vec<StandingAlert>, CatalogError> {
        let mut query = sqlx::QueryBuilder::new("SELECT * FROM alerts WHERE ");
        query.push(way.column()).push(" IS NULL AND since < ").push_bind(before);
        push_kinds(&mut query, kinds);
        query.push(" ORDER BY since, kind, subject LIMIT ").push_bind(most);
        Ok(query.build().fetch_all(&self.read).await?.iter().map(StandingAlert::read).collect::<Result<_, _>>()?)
    }

    /// Remembers that somebody has been told of these over this way. One that has gone meanwhile and come again is another one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn mark_told(&self, way: Channel, alerts: &[StandingAlert]) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let at = self.now();
        for alert in alerts {
            let mut query = sqlx::QueryBuilder::new("UPDATE alerts SET ");
            query.push(way.column()).push(" = ").push_bind(at).push(" WHERE kind = ").push_bind(&alert.kind);
            query.push(" AND subject = ").push_bind(&alert.subject).push(" AND since = ").push_bind(alert.since);
            query.build().execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn alerts_of(connection: &mut SqliteConnection, kinds: &[&str]) -> Result<Vec<StandingAlert>, sqlx::Error> {
    let mut query = sqlx::QueryBuilder::new("SELECT * FROM alerts WHERE TRUE");
    push_kinds(&mut query, kinds);
    query.build().fetch_all(connection).await?.iter().map(StandingAlert::read).collect()
}

fn push_kinds(query: &mut sqlx::QueryBuilder<sqlx::Sqlite>, kinds: &[&str]) {
    query.push(" AND kind IN (");
    let mut list = query.separated(", ");
    for kind in kinds {
        list.push_bind((*kind).to_owned());
    }
    query.push(")");
}

/// What is to be written, so that the catalog holds what was found.
struct Changes<'a> {
    new: Vec<&'a StandingAlert>,
    reworded: Vec<&'a StandingAlert>,
    gone: Vec<&'a StandingAlert>,
}

impl<'a> Changes<'a> {
    fn between(standing: &'a [StandingAlert], found: &[&'a StandingAlert]) -> Self {
        let mut left: HashMap<_, _> = standing.iter().map(|alert| ((&alert.kind, &alert.subject), alert)).collect();
        let (mut new, mut reworded) = (Vec::new(), Vec::new());
        // The last one of two that are one and the same.
        let found: HashMap<_, _> = found.iter().map(|alert| ((&alert.kind, &alert.subject), *alert)).collect();
        for (key, alert) in found {
            match left.remove(&key) {
                None => new.push(alert),
                Some(known) if known.text != alert.text => reworded.push(alert),
                Some(_) => {}
            }
        }
        Self { new, reworded, gone: left.into_values().collect() }
    }

    fn is_none(&self) -> bool {
        self.new.is_empty() && self.reworded.is_empty() && self.gone.is_empty()
    }

    async fn write(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for alert in &self.gone {
            let delete = sqlx::query("DELETE FROM alerts WHERE kind = $1 AND subject = $2").bind(&alert.kind).bind(&alert.subject);
            delete.execute(&mut *tx).await?;
        }
        for alert in &self.reworded {
            let update = sqlx::query("UPDATE alerts SET text = $3 WHERE kind = $1 AND subject = $2");
            update.bind(&alert.kind).bind(&alert.subject).bind(&alert.text).execute(&mut *tx).await?;
        }
        for alert in &self.new {
            let insert = sqlx::query("INSERT INTO alerts (kind, subject, text, since) VALUES ($1, $2, $3, $4)");
            insert.bind(&alert.kind).bind(&alert.subject).bind(&alert.text).bind(alert.since).execute(&mut *tx).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    async fn catalog() -> (TempDir, Catalog) {
        let folder = TempDir::new().expect("a folder");
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.expect("a catalog");
        (folder, catalog)
    }

    fn alert(kind: &str, subject: &str, text: &str, since: Millis) -> StandingAlert {
        StandingAlert { kind: kind.to_owned(), subject: subject.to_owned(), text: text.to_owned(), since }
    }

    #[tokio::test]
    async fn what_holds_keeps_its_time_and_what_was_not_looked_at_stays() {
        let (_folder, catalog) = catalog().await;
        let disk = alert("disk", "disk", "full in 3 days", 1);
        assert_eq!(catalog.note_alerts(&["disk"], std::slice::from_ref(&disk)).await.expect("noted"), 1);
        let silent =
            [alert("silent", "a", "since 1 day", 2), alert("silent", "b", "since 1 day", 2), alert("disk", "x", "not looked at", 2)];
        assert_eq!(catalog.note_alerts(&["silent"], &silent).await.expect("noted"), 2);
        let later = [alert("silent", "a", "since 2 days", 9)];
        assert_eq!(catalog.note_alerts(&["silent"], &later).await.expect("noted"), 0);
        assert_eq!(catalog.alerts(10).await.expect("listed"), [disk, alert("silent", "a", "since 2 days", 2)]);
        assert_eq!(catalog.note_alerts(&["silent", "disk"], &[]).await.expect("noted"), 0);
        assert_eq!(catalog.alerts(10).await.expect("listed"), []);
    }

    #[tokio::test]
    async fn one_way_knows_nothing_of_the_other() {
        let (_folder, catalog) = catalog().await;
        let alerts = [alert("silent", "a", "a", 1), alert("silent", "b", "b", 2), alert("disk", "c", "c", 3)];
        catalog.note_alerts(&["silent", "disk"], &alerts).await.expect("noted");
        catalog.mark_told(Channel::Mail, &alerts[..1]).await.expect("marked");
        for (way, kinds, before, most, expected) in [
            (Channel::Mail, &["silent", "disk"][..], 9, 9, &alerts[1..]),
            (Channel::Webhook, &["silent", "disk"], 9, 9, &alerts[..]),
            (Channel::Webhook, &["silent"], 9, 9, &alerts[..2]),
            (Channel::Webhook, &["silent", "disk"], 2, 9, &alerts[..1]),
            (Channel::Webhook, &["silent", "disk"], 9, 2, &alerts[..2]),
            (Channel::Webhook, &[], 9, 9, &[]),
        ] {
            assert_eq!(catalog.untold(way, kinds, before, most).await.expect("listed"), expected, "{way:?} {kinds:?} {before} {most}");
        }
    }

    #[tokio::test]
    async fn a_mark_is_for_the_one_that_was_told_and_not_for_the_one_that_came_meanwhile() {
        let (_folder, catalog) = catalog().await;
        let first = [alert("silent", "a", "a", 1)];
        catalog.note_alerts(&["silent"], &first).await.expect("noted");
        catalog.note_alerts(&["silent"], &[]).await.expect("noted");
        let again = [alert("silent", "a", "a", 2)];
        catalog.note_alerts(&["silent"], &again).await.expect("noted");
        catalog.mark_told(Channel::Webhook, &first).await.expect("marked");
        assert_eq!(catalog.untold(Channel::Webhook, &["silent"], 9, 9).await.expect("listed"), again);
    }
}
