//! The audit trail: who did what, and when. No address stands in it.

use std::collections::{BTreeSet, HashMap};

use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{LISTED_AT_ONCE, push_list},
};

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

/// What an entry is about, where it is still here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A recording, in the trash or out of it.
    Recording,
    /// A device that was let in.
    Device,
    /// A participant.
    Participant,
    /// A published model.
    Model,
}

impl AuditEntry {
    /// The id in what it is about: of a device and a time, the device's.
    #[must_use]
    pub fn id(&self) -> &str {
        self.subject.split(['@', '/']).next().unwrap_or_default()
    }

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
                row.push_bind(self.now()).push_bind(who).push_bind(action).push_bind(subject).push_bind(detail);
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
        let rows = entries(filter, most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(AuditEntry::read).collect::<Result<_, _>>()?)
    }

    /// Those of the things that entries are about which are still here, by id.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn subjects(&self, entries: &[AuditEntry]) -> Result<HashMap<String, Subject>, CatalogError> {
        let ids: BTreeSet<_> = entries.iter().map(AuditEntry::id).collect();
        let ids = Vec::from_iter(ids);
        let mut found = HashMap::new();
        for some in ids.chunks(LISTED_AT_ONCE) {
            for (select, subject) in [
                ("SELECT uuid AS id FROM datasets WHERE number IS NOT NULL AND uuid IN (", Subject::Recording),
                ("SELECT id FROM devices WHERE id IN (", Subject::Device),
                ("SELECT id FROM participants WHERE id IN (", Subject::Participant),
                ("SELECT id FROM models WHERE id IN (", Subject::Model),
            ] {
                let mut query = QueryBuilder::new(select);
                push_list(&mut query, some);
                for row in query.push(")").build().fetch_all(&self.read).await? {
                    found.insert(row.try_get("id")?, subject);
                }
            }
        }
        Ok(found)
    }
}

/// Who wore a device stands in the trail by its id, which says nothing once a participant is forgotten, and is shown by its label.
const SELECT: &str = "SELECT audit.number, at, who, action, subject, COALESCE(p.label || substr(detail, 37), detail) AS detail FROM audit \
    LEFT JOIN participants p ON audit.action = 'assigned' AND p.id = substr(audit.detail, 1, 36) AND p.forgotten_at IS NULL WHERE audit.number < ";

fn entries(filter: &AuditFilter, most: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(SELECT);
    query.push_bind(filter.before.unwrap_or(i64::MAX));
    // Little is known of one subject: where one is named, no other index is quicker than its own.
    let (who, action) = if filter.subject.is_some() { ("COALESCE(who, '')", "COALESCE(action, '')") } else { ("who", "action") };
    for (column, value) in [(who, &filter.who), (action, &filter.action), ("subject", &filter.subject)] {
        if let Some(value) = value {
            query.push(format_args!(" AND {column} = ")).push_bind(value.clone());
        }
    }
    query.push(" ORDER BY number DESC LIMIT ").push_bind(most);
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    /// Each way of filtering, and the index in whose order the trail then is.
    const WAYS: [([bool; 3], &str); 8] = [
        ([false, false, false], "INTEGER PRIMARY KEY (rowid<?)"),
        ([true, false, false], "INDEX audit_by_who (who=? AND number<?)"),
        ([false, true, false], "INDEX audit_by_action (action=? AND number<?)"),
        ([true, true, false], "INDEX audit_by_both (who=? AND action=? AND number<?)"),
        ([false, false, true], "INDEX audit_by_subject (subject=? AND number<?)"),
        ([true, false, true], "INDEX audit_by_subject (subject=? AND number<?)"),
        ([false, true, true], "INDEX audit_by_subject (subject=? AND number<?)"),
        ([true, true, true], "INDEX audit_by_subject (subject=? AND number<?)"),
    ];

    fn filter([who, action, subject]: [bool; 3], values: [&str; 3], before: Option<i64>) -> AuditFilter {
        let given = |is: bool, value: &str| is.then(|| value.to_owned());
        AuditFilter { who: given(who, values[0]), action: given(action, values[1]), subject: given(subject, values[2]), before }
    }

    #[tokio::test]
    async fn the_trail_is_filtered_in_its_order_and_page_by_page() {
        let made = Made::new().await;
        let (names, actions, subjects) = (["ada", "eve"], ["edited", "tagged", "judged"], ["a", "b", "c", "d", "e"]);
        for number in 0..60 {
            made.catalog.note(names[number % 2], actions[number % 3], &[subjects[number % 5].to_owned()], "").await.expect("noted");
        }
        for (way, _) in WAYS {
            let passes = |number: &usize| (!way[0] || number % 2 == 1) && (!way[1] || number % 3 == 1) && (!way[2] || number % 5 == 1);
            let expected: Vec<_> = (0..60).rev().filter(passes).map(|number| i64::try_from(number).expect("small") + 1).collect();
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = made.catalog.audit(&filter(way, ["eve", "tagged", "b"], before), 7).await.expect("entries");
                let Some(last) = page.last() else { break };
                before = Some(last.number);
                found.extend(page.iter().map(|entry| entry.number));
            }
            assert_eq!(found, expected, "{way:?}");
        }
    }

    #[tokio::test]
    async fn no_filter_walks_through_the_trail() {
        let made = Made::new().await;
        for (way, index) in WAYS {
            let plan = made.plan(entries(&filter(way, ["", "", ""], None), 100).sql().as_str()).await;
            assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("TEMP"), "{way:?}\n{plan}");
        }
    }
}
