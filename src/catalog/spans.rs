//! Spans: who wore which device, from when until when.

use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Catalog, CatalogError, Millis, columns::parsed};
use crate::ids::{DeviceId, Identifier, ParticipantId, Tag};

/// A time in which a participant wore a device.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its id.
    pub id: String,
    /// Who.
    pub participant: ParticipantId,
    /// The participant's label.
    pub label: Tag,
    /// What.
    pub device: DeviceId,
    /// The name of the device to show.
    pub watch: String,
    /// Its first moment.
    pub from_at: Millis,
    /// The first moment behind it; `None` while it is worn.
    pub until_at: Option<Millis>,
}

/// How a change of spans went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spanned {
    /// It is done.
    Done {
        /// The span.
        id: String,
        /// Of this device.
        device: DeviceId,
        /// How many recordings have another participant now.
        changed: u64,
    },
    /// There is no such participant, or no such span of it.
    Gone,
    /// There is no such device.
    NoDevice,
    /// The same participant wears the same device already in that time.
    Overlaps,
    /// It would end before it begins.
    Backwards,
}

/// Who wore a device at a time, both as SQL: whoever is the only one whose spans hold it, else nobody.
macro_rules! wearer {
    ($device:literal, $at:literal) => {
        concat!(
            "(SELECT CASE WHEN COUNT(DISTINCT s.participant) = 1 THEN MIN(s.participant) END FROM spans s WHERE s.device = ",
            $device,
            " AND s.from_at <= ",
            $at,
            " AND (s.until_at IS NULL OR s.until_at > ",
            $at,
            "))"
        )
    };
}
pub(super) use wearer;

/// Assigns a device's recordings anew. What a person said stays.
const ASSIGN: &str = concat!(
    "UPDATE datasets SET participant = worn.by, described = -1 FROM (SELECT d.uuid, ",
    wearer!("d.device", "d.started_at"),
    " AS by FROM datasets d WHERE d.device = $1 AND d.participant_by_hand = 0) AS worn \
     WHERE datasets.uuid = worn.uuid AND datasets.participant IS DISTINCT FROM worn.by"
);

const SELECT: &str = "SELECT s.*, p.label, v.identifier, v.name FROM spans s \
    JOIN participants p ON p.id = s.participant JOIN devices v ON v.id = s.device";

impl Span {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (name, identifier) = (row.try_get::<String, _>("name")?, parsed::<Identifier>(row, "identifier")?);
        Ok(Self {
            id: row.try_get("id")?,
            participant: parsed(row, "participant")?,
            label: Tag::from_catalog(row.try_get("label")?),
            device: parsed(row, "device")?,
            watch: if name.is_empty() { identifier.alias().to_owned() } else { name },
            from_at: row.try_get("from_at")?,
            until_at: row.try_get("until_at")?,
        })
    }
}

impl Catalog {
    /// Who wore a device, the last first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn spans_of_device(&self, device: DeviceId, most: u32) -> Result<Vec<Span>, CatalogError> {
        self.spans("device", device.to_string(), most).await
    }

    /// What a participant wore, the last first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn spans_of_participant(&self, participant: ParticipantId, most: u32) -> Result<Vec<Span>, CatalogError> {
        self.spans("participant", participant.to_string(), most).await
    }

    /// Says that a participant wore a device, and assigns the device's recordings anew.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn add_span(
        &self,
        by: ParticipantId,
        device: DeviceId,
        from: Millis,
        until: Option<Millis>,
    ) -> Result<Spanned, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        // A span would keep the row of one that is to be forgotten, and say who wore a device of which nothing is to be said.
        if !is_there(&mut tx, "participants WHERE forgotten_at IS NULL AND id = ", &by.to_string()).await? {
            return Ok(Spanned::Gone);
        }
        if !is_there(&mut tx, "devices WHERE forgotten_at IS NULL AND id = ", &device.to_string()).await? {
            return Ok(Spanned::NoDevice);
        }
        let span = NewSpan { id: Uuid::new_v4().to_string(), participant: by.to_string(), device, from, until };
        if let Some(refusal) = span.refusal(&mut tx).await? {
            return Ok(refusal);
        }
        sqlx::query("INSERT INTO spans (id, participant, device, from_at, until_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(&span.id)
            .bind(&span.participant)
            .bind(device.to_string())
            .bind(from)
            .bind(until)
            .execute(&mut *tx)
            .await?;
        let changed = assign_anew(&mut tx, device).await?;
        self.commit_for_recipients(tx).await?;
        Ok(Spanned::Done { id: span.id, device, changed })
    }

    /// Says until when a span of a participant is, and assigns the device's recordings anew.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn end_span(&self, by: ParticipantId, id: &str, until: Option<Millis>) -> Result<Spanned, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let found = sqlx::query("SELECT device, from_at FROM spans WHERE id = $1 AND participant = $2").bind(id).bind(by.to_string());
        let Some(row) = found.fetch_optional(&mut *tx).await? else { return Ok(Spanned::Gone) };
        let (device, from) = (parsed(&row, "device")?, row.try_get("from_at")?);
        let span = NewSpan { id: id.to_owned(), participant: by.to_string(), device, from, until };
        if let Some(refusal) = span.refusal(&mut tx).await? {
            return Ok(refusal);
        }
        sqlx::query("UPDATE spans SET until_at = $2 WHERE id = $1").bind(id).bind(until).execute(&mut *tx).await?;
        let changed = assign_anew(&mut tx, device).await?;
        self.commit_for_recipients(tx).await?;
        Ok(Spanned::Done { id: span.id, device, changed })
    }

    /// Takes a span of a participant back, and assigns the device's recordings anew.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn remove_span(&self, by: ParticipantId, id: &str) -> Result<Spanned, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let removed = sqlx::query("DELETE FROM spans WHERE id = $1 AND participant = $2 RETURNING device").bind(id).bind(by.to_string());
        let Some(row) = removed.fetch_optional(&mut *tx).await? else { return Ok(Spanned::Gone) };
        let device = parsed(&row, "device")?;
        let changed = assign_anew(&mut tx, device).await?;
        self.commit_for_recipients(tx).await?;
        Ok(Spanned::Done { id: id.to_owned(), device, changed })
    }

    async fn spans(&self, column: &'static str, value: String, most: u32) -> Result<Vec<Span>, CatalogError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push(format_args!(" WHERE s.{column} = ")).push_bind(value);
        let rows = query.push(" ORDER BY s.from_at DESC, s.id LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Span::read).collect::<Result<_, _>>()?)
    }
}

/// A span as it is to be.
struct NewSpan {
    id: String,
    participant: String,
    device: DeviceId,
    from: Millis,
    until: Option<Millis>,
}

impl NewSpan {
    async fn refusal(&self, tx: &mut SqliteConnection) -> Result<Option<Spanned>, sqlx::Error> {
        if self.until.is_some_and(|until| until <= self.from) {
            return Ok(Some(Spanned::Backwards));
        }
        let other = sqlx::query(
            "SELECT 1 FROM spans WHERE participant = $1 AND device = $2 AND id <> $3 AND (until_at IS NULL OR until_at > $4) \
             AND ($5 IS NULL OR from_at < $5) LIMIT 1",
        );
        let other = other.bind(&self.participant).bind(self.device.to_string()).bind(&self.id).bind(self.from).bind(self.until);
        Ok(other.fetch_optional(tx).await?.map(|_| Spanned::Overlaps))
    }
}

async fn is_there(tx: &mut SqliteConnection, which: &'static str, id: &str) -> Result<bool, sqlx::Error> {
    let mut query = QueryBuilder::new("SELECT 1 FROM ");
    query.push(which).push_bind(id);
    Ok(query.build().fetch_optional(tx).await?.is_some())
}

/// Assigns a device's recordings to who wore it. Returns how many have another participant than before.
pub(super) async fn assign_anew(tx: &mut SqliteConnection, device: DeviceId) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(ASSIGN).bind(device.to_string()).execute(tx).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::catalog::made::Made;

    /// Participants, times and spans are few and small, so that they meet.
    type Worn = (u8, Millis, Option<Millis>);

    fn spans() -> impl Strategy<Value = Vec<Worn>> {
        let span = (0_u8..3, 0_i64..12, option::of(1_i64..6)).prop_map(|(who, from, long)| (who, from, long.map(|long| from + long)));
        vec(span, 0..7)
    }

    fn starts() -> impl Strategy<Value = Vec<(Option<Millis>, bool)>> {
        vec((option::of(-1_i64..16), prop::bool::weighted(0.2)), 1..12)
    }

    /// Who wore it then, as a person would say it.
    fn wearer(spans: &[Worn], start: Option<Millis>) -> Option<u8> {
        let start = start?;
        let mut held: Vec<u8> = Vec::new();
        for (who, from, until) in spans {
            if *from <= start && until.is_none_or(|until| start < until) && !held.contains(who) {
                held.push(*who);
            }
        }
        (held.len() == 1).then(|| held[0])
    }

    async fn participants(made: &Made, start: &[(Option<Millis>, bool)], device: DeviceId) -> Vec<String> {
        for id in 0..3 {
            let id = format!("00000000-0000-4000-8000-00000000000{id}");
            made.change(&format!("INSERT INTO participants (id, label, created_at) VALUES ('{id}', 'P{id}', 0)")).await;
        }
        let mut datasets = Vec::new();
        for (start, by_hand) in start {
            let uuid = made.dataset(device).await.to_string();
            let start = start.map_or("NULL".to_owned(), |start| start.to_string());
            let set = format!("started_at = {start}, participant_by_hand = {}, described = changes", i64::from(*by_hand));
            made.change(&format!("UPDATE datasets SET {set} WHERE uuid = '{uuid}'")).await;
            datasets.push(uuid);
        }
        datasets
    }

    async fn check(spans: Vec<Worn>, gone: usize, starts: Vec<(Option<Millis>, bool)>) -> Result<(), TestCaseError> {
        let made = Made::new().await;
        let device = made.device("kitchen").await;
        let datasets = participants(&made, &starts, device).await;
        let id = |who: u8| format!("00000000-0000-4000-8000-00000000000{who}").parse::<ParticipantId>().expect("an id");
        let mut kept: Vec<(Worn, String)> = Vec::new();
        for (who, from, until) in spans {
            let overlaps = kept.iter().any(|((other, begun, ended), _)| {
                *other == who && ended.is_none_or(|ended| ended > from) && until.is_none_or(|until| *begun < until)
            });
            match made.catalog.add_span(id(who), device, from, until).await.expect("an answer") {
                Spanned::Done { id, .. } if !overlaps => kept.push(((who, from, until), id)),
                answer => prop_assert!(overlaps && answer == Spanned::Overlaps, "{answer:?}"),
            }
        }
        if gone < kept.len() {
            let ((who, ..), span) = kept.remove(gone);
            let removed = made.catalog.remove_span(id(who), &span).await.expect("an answer");
            prop_assert_ne!(removed, Spanned::Gone);
        }
        let worn: Vec<Worn> = kept.into_iter().map(|(worn, _)| worn).collect();
        for (uuid, (start, by_hand)) in datasets.iter().zip(&starts) {
            let expected = if *by_hand { None } else { wearer(&worn, *start).map(|who| id(who).to_string()) };
            let query = format!("SELECT participant FROM datasets WHERE uuid = '{uuid}'");
            let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&made.catalog.read).await.expect("a row");
            prop_assert_eq!(found, expected, "{:?} {:?}", start, worn);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn recordings_are_whose_who_alone_wore_the_device(spans in spans(), gone in 0_usize..9, starts in starts()) {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(check(spans, gone, starts))?;
        }
    }

    #[tokio::test]
    async fn only_what_has_another_participant_is_read_anew() {
        let made = Made::new().await;
        let device = made.device("kitchen").await;
        participants(&made, &[(Some(5), false), (Some(50), false)], device).await;
        let by = "00000000-0000-4000-8000-000000000000".parse().expect("an id");
        let added = made.catalog.add_span(by, device, 0, Some(10)).await.expect("an answer");
        assert!(matches!(added, Spanned::Done { changed: 1, .. }), "{added:?}");
        assert_eq!(made.texts("SELECT started_at AS c FROM datasets WHERE described = -1").await, [Some("5".to_owned())]);
    }
}
