//! Datasets: issued, claimed, listed, and how far their zips have come.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis, RecordError,
    columns::{collected, parsed, parsed_or_null, to_i64, to_u64},
    rows::Issue,
};
use crate::{
    config::Quota,
    ids::{DatasetId, DeviceId, Identifier, Malformed, ParticipantId, Tag},
};

/// A dataset as the catalog knows it.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its uuid.
    pub uuid: DatasetId,
    /// Its place in the order in which datasets came.
    pub number: i64,
    /// Whose it is; `None` where it was found on the disk and no device has claimed it.
    pub device: Option<DeviceId>,
    /// What that device called itself.
    pub identifier: Option<Identifier>,
    /// The name that people gave to the device; empty where they gave none.
    pub device_name: String,
    /// When its uuid was issued, or first seen.
    pub created_at: Millis,
    /// When a file last came or went.
    pub updated_at: Millis,
    /// Number of files, without those in quarantine.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the published zip holds all of them that zips hold.
    pub zip_is_fresh: bool,
    /// Why the last attempt to roll the zip failed.
    pub zip_error: Option<String>,
    zip_rule: String,
    zip_error_rule: String,
    /// Its bytes when it was last sorted by size.
    pub weight: i64,
    /// What people say of it.
    pub notes: Notes,
    /// What its files say of it.
    pub run: Run,
    /// Who wore the device.
    pub participant: Option<(ParticipantId, Tag)>,
    /// Whether a person said who wore it, also where that is nobody.
    pub participant_by_hand: bool,
    /// Since when it is in the trash, and who put it there.
    pub deleted: Option<(Millis, String)>,
}

/// What people say of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// One line; empty where nobody gave it a title.
    pub title: String,
    /// Whether it is any good.
    pub verdict: Option<Verdict>,
    /// Why; may be empty.
    pub verdict_reason: String,
    /// Counts the edits of title and description.
    pub revision: i64,
}

/// Whether a recording is any good, as a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It can be used.
    Usable,
    /// Somebody should look again.
    Doubtful,
    /// It cannot be used.
    Unusable,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Usable, Self::Doubtful, Self::Unusable];

    /// The word for it in the catalog, in JSON and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Doubtful => "doubtful",
            Self::Unusable => "unusable",
        }
    }
}

impl FromStr for Verdict {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("not a verdict: usable, doubtful or unusable");
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text).ok_or(malformed)
    }
}

/// What the files of a dataset say of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// When it began; `None` where no plausible time is known.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The app's count of runs.
    pub number: Option<i64>,
    /// The app's version.
    pub app_version: Option<String>,
    /// The detection model that the watch ran.
    pub model: Option<String>,
}

impl Dataset {
    /// Everything that [`Dataset::read`] reads: datasets as `d`.
    pub(super) const SELECT: &str = "SELECT d.*, v.identifier, v.name AS device_name, p.label FROM datasets d \
        LEFT JOIN devices v ON v.id = d.device LEFT JOIN participants p ON p.id = d.participant";

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let participant = parsed_or_null(row, "participant")?.zip(row.try_get::<Option<String>, _>("label")?.map(Tag::from_catalog));
        let deleted_by = row.try_get::<Option<String>, _>("deleted_by")?.unwrap_or_default();
        Ok(Self {
            uuid: parsed(row, "uuid")?,
            number: row.try_get("number")?,
            device: parsed_or_null(row, "device")?,
            identifier: row.try_get::<Option<&str>, _>("identifier")?.and_then(|text| text.parse().ok()),
            device_name: row.try_get::<Option<String>, _>("device_name")?.unwrap_or_default(),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            files: to_u64(row.try_get("files")?),
            bytes: to_u64(row.try_get("bytes")?),
            zip_is_fresh: row.try_get::<i64, _>("changes")? == row.try_get::<i64, _>("zipped")?,
            zip_error: row.try_get("zip_error")?,
            zip_rule: row.try_get("zip_rule")?,
            zip_error_rule: row.try_get("zip_error_rule")?,
            weight: row.try_get::<Option<i64>, _>("weight")?.unwrap_or(0),
            notes: Notes::read(row)?,
            run: Run::read(row)?,
            participant,
            participant_by_hand: row.try_get::<i64, _>("participant_by_hand")? != 0,
            deleted: row.try_get::<Option<Millis>, _>("deleted_at")?.map(|at| (at, deleted_by)),
        })
    }

    /// The dataset as it is told while this rule of privacy is in force. A zip that was made under another one is not fresh, and
    /// what went wrong under another one may name a file that must not be named now.
    #[must_use]
    pub fn under(self, rule: &str) -> Self {
        let zip_error = self.zip_error.filter(|_| self.zip_error_rule == rule);
        Self { zip_is_fresh: self.zip_is_fresh && self.zip_rule == rule, zip_error, ..self }
    }

    /// Whether a watch brought something since it lies in the trash.
    #[must_use]
    pub fn came_since(&self) -> bool {
        self.deleted.as_ref().is_some_and(|(deleted_at, _)| self.updated_at > *deleted_at)
    }

    /// The name of the watch to show; `None` for a dataset that was found on the disk.
    #[must_use]
    pub fn watch(&self) -> Option<&str> {
        if self.device_name.is_empty() { self.identifier.as_ref().map(Identifier::alias) } else { Some(&self.device_name) }
    }
}

impl Notes {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            title: row.try_get("title")?,
            verdict: row.try_get::<Option<&str>, _>("verdict")?.and_then(|text| text.parse().ok()),
            verdict_reason: row.try_get("verdict_reason")?,
            revision: row.try_get("revision")?,
        })
    }
}

impl Run {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            started_at: row.try_get("started_at")?,
            ended_at: row.try_get("ended_at")?,
            number: row.try_get("run_number")?,
            app_version: row.try_get("app_version")?,
            model: row.try_get("model")?,
        })
    }
}

/// How far a dataset's zip has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipState {
    /// Counts every file that came or went.
    pub changes: i64,
    /// The count that the published zip holds; 0 before the first one is published.
    pub zipped: i64,
    /// The rule of privacy under which it was made.
    pub rule: String,
    /// The modification time of the file that these two are about, in nanoseconds since 1970; `None` where there is none.
    pub modified: Option<i64>,
    /// Number of all files.
    pub files: u64,
    /// Bytes of all files.
    pub arrived: u64,
    /// Bytes copied so far to make the zips of this dataset.
    pub copied: u64,
}

impl Catalog {
    /// Records a dataset that was found on the disk.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn found_dataset(&self, uuid: DatasetId) -> Result<(), CatalogError> {
        sqlx::query("INSERT INTO datasets (uuid, created_at, updated_at, number) VALUES ($1, $2, $2, (SELECT COALESCE(MAX(number), 0) + 1 FROM datasets)) \
             ON CONFLICT DO NOTHING")
            .bind(uuid.to_string())
            .bind(self.now())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// One dataset, also where it lies in the trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn dataset(&self, uuid: DatasetId) -> Result<Option<Dataset>, CatalogError> {
        let mut query = QueryBuilder::new(Dataset::SELECT);
        let row =
            query.push(" WHERE number IS NOT NULL AND uuid = ").push_bind(uuid.to_string()).build().fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Dataset::read).transpose()?)
    }

    /// How many datasets there are, and the files and bytes in them, without the trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn totals(&self) -> Result<(u64, u64, u64), CatalogError> {
        // Devices count what is theirs, so that nobody walks through all datasets; those without a device, and those in the trash,
        // are few. Devices count a file as soon as it is recorded, datasets when it is in its place: those in between are not
        // acknowledged, and may belong to a dataset in the trash.
        let row = sqlx::query(
            "SELECT CAST(SUM(datasets) AS BIGINT) AS datasets, CAST(SUM(files) AS BIGINT) AS files, CAST(SUM(bytes) AS BIGINT) AS bytes FROM ( \
             SELECT datasets, files, bytes FROM devices UNION ALL \
             SELECT COUNT(*), COALESCE(SUM(files), 0), COALESCE(SUM(bytes), 0) FROM datasets WHERE device IS NULL UNION ALL \
             SELECT -COUNT(*), COALESCE(-SUM(files), 0), COALESCE(-SUM(bytes), 0) FROM datasets WHERE deleted_at IS NOT NULL UNION ALL \
             SELECT 0, -COUNT(*), COALESCE(-SUM(size), 0) FROM files WHERE held IS NOT NULL UNION ALL \
             SELECT 0, -COUNT(*), COALESCE(-SUM(size), 0) FROM files WHERE state IN ('placing', 'discarding') AND held IS NULL)",
        )
        .fetch_one(&self.read)
        .await?;
        Ok((to_u64(row.try_get("datasets")?), to_u64(row.try_get("files")?), to_u64(row.try_get("bytes")?)))
    }

    /// The datasets whose zip does not hold everything, without the trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets_to_roll(&self) -> Result<Vec<DatasetId>, CatalogError> {
        let rows = sqlx::query("SELECT uuid FROM datasets WHERE changes <> zipped AND deleted_at IS NULL").fetch(&self.read);
        Ok(collected(rows, |row| parsed(row, "uuid")).await?)
    }

    /// How far the zip of a dataset has come; `None` for one in the trash, which has no zip for anybody.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn zip_state(&self, uuid: DatasetId) -> Result<Option<ZipState>, CatalogError> {
        let row = sqlx::query(
            "SELECT changes, zipped, zip_rule, zip_modified, files, bytes, zip_copied FROM datasets WHERE uuid = $1 AND deleted_at IS NULL",
        )
        .bind(uuid.to_string())
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ZipState {
            changes: row.try_get("changes")?,
            zipped: row.try_get("zipped")?,
            rule: row.try_get("zip_rule")?,
            modified: row.try_get("zip_modified")?,
            files: to_u64(row.try_get("files")?),
            arrived: to_u64(row.try_get("bytes")?),
            copied: to_u64(row.try_get("zip_copied")?),
        }))
    }

    /// Says that the published zip, the file that was modified at `modified`, holds everything up to `changes`, but for what a rule of
    /// privacy leaves out, and that `copied` bytes were copied to make it. `modified` is `None` where there is nothing to hold.
    ///
    /// # Errors
    /// [`CatalogError`]; the zip is then rolled once more, which does no harm.
    pub async fn zipped(&self, uuid: DatasetId, changes: i64, rule: &str, copied: u64, modified: Option<i64>) -> Result<(), CatalogError> {
        let query = "UPDATE datasets SET zipped = $2, zip_rule = $3, zip_copied = zip_copied + $4, zip_modified = $5, zip_error = NULL \
             WHERE uuid = $1";
        sqlx::query(query).bind(uuid.to_string()).bind(changes).bind(rule).bind(to_i64(copied)).bind(modified).execute(&self.write).await?;
        Ok(())
    }

    /// Datasets whose zip could not be made under a rule of privacy, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn with_failed_zips(&self, rule: &str, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        let query = "SELECT uuid FROM datasets WHERE zip_error IS NOT NULL AND zip_error_rule = $1 AND deleted_at IS NULL \
             ORDER BY number DESC LIMIT $2";
        let rows = sqlx::query(query).bind(rule).bind(most).fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "uuid")).collect::<Result<_, _>>()?)
    }

    /// Says why a zip could not be made under a rule of privacy.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn zip_failed(&self, uuid: DatasetId, rule: &str, why: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE datasets SET zip_error = $3, zip_error_rule = $2 WHERE uuid = $1")
            .bind(uuid.to_string())
            .bind(rule)
            .bind(why)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

/// Makes a dataset the device's: issued to it, adopted by it, or its own already. `false` if it is another device's. What becomes one
/// of a device that was forgotten since it asked lies in the trash, as all of that device's do.
pub(super) async fn claim(
    tx: &mut SqliteConnection,
    uuid: DatasetId,
    device: Option<DeviceId>,
    quota: Quota,
    at: Millis,
) -> Result<bool, RecordError> {
    let Some(device) = device else { return Ok(true) };
    let row = sqlx::query("SELECT device FROM datasets WHERE uuid = $1").bind(uuid.to_string()).fetch_optional(&mut *tx).await?;
    let owner: Option<DeviceId> = row.as_ref().map(|row| parsed_or_null(row, "device")).transpose()?.flatten();
    if let Some(owner) = owner {
        return Ok(owner == device);
    }
    sqlx::query(
        "INSERT INTO datasets (uuid, device, created_at, updated_at, number, deleted_at) \
         VALUES ($1, $2, $3, $3, (SELECT COALESCE(MAX(number), 0) + 1 FROM datasets), (SELECT forgotten_at FROM devices WHERE id = $2)) \
         ON CONFLICT (uuid) DO UPDATE SET device = excluded.device, number = COALESCE(datasets.number, excluded.number), \
         deleted_at = COALESCE(CASE WHEN datasets.number IS NOT NULL THEN datasets.deleted_at END, excluded.deleted_at)",
    )
    .bind(uuid.to_string())
    .bind(device.to_string())
    .bind(at)
    .execute(&mut *tx)
    .await?;
    let count: i64 = sqlx::query_scalar("UPDATE devices SET datasets = datasets + 1 WHERE id = $1 RETURNING datasets")
        .bind(device.to_string())
        .fetch_one(tx)
        .await?;
    if to_u64(count) > quota.datasets { Err(RecordError::Quota("datasets")) } else { Ok(true) }
}

/// Makes a new dataset the device's, which was here when it asked.
pub(super) async fn issue(tx: &mut SqliteConnection, issue: &Issue, at: Millis) -> Result<(), RecordError> {
    claim(tx, issue.uuid, Some(issue.device), issue.quota, at).await?;
    sqlx::query("UPDATE devices SET last_used_at = $2 WHERE id = $1").bind(issue.device.to_string()).bind(at).execute(tx).await?;
    Ok(())
}

/// Counts files that came (or, negative, went), so that the zip is known to be behind.
pub(super) async fn count(tx: &mut SqliteConnection, uuid: DatasetId, files: i64, bytes: i64, at: Millis) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE datasets SET files = files + $2, bytes = bytes + $3, changes = changes + 1, updated_at = $4 WHERE uuid = $1")
        .bind(uuid.to_string())
        .bind(files)
        .bind(bytes)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{
        catalog::{NewFile, made::Made},
        config::Quota,
        ids::{FileId, SentName},
        storage::Digests,
    };

    #[tokio::test]
    async fn a_file_that_is_not_in_its_place_is_counted_neither_in_a_dataset_nor_in_all() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let (live, deleted) = (made.dataset(device).await, made.dataset(device).await);
        made.file(live, device, "a.csv").await;
        made.catalog.delete(&[deleted], "ada").await.expect("deleted");
        for dataset in [live, deleted] {
            let (id, digests) = (FileId::generate(), Digests { size: 1, sha256: [1; 32], crc32: 1 });
            let file = NewFile { id, dataset, device: Some(device), sent_name: SentName::new("b.csv"), digests, held: None };
            made.catalog.record(vec![file], Quota::NONE).await.expect("recorded");
        }
        assert_eq!(made.catalog.totals().await.expect("totals"), (1, 1, 1));
    }

    #[tokio::test]
    async fn what_failed_under_another_rule_of_privacy_is_told_no_more() {
        let made = Made::new().await;
        let uuid = made.dataset(made.device("kitchen[1]").await).await;
        made.catalog.zip_failed(uuid, "all", "voice.3gp cannot be read").await.expect("noted");
        let told = async |rule: &str| {
            let dataset = made.catalog.dataset(uuid).await.expect("asked").expect("a dataset").under(rule);
            (made.catalog.with_failed_zips(rule, 10).await.expect("asked").len(), dataset.zip_error.is_some())
        };
        assert_eq!((told("all").await, told("no voices").await), ((1, true), (0, false)));
    }
}
