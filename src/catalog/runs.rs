//! Runs: what was read off the files of a dataset, and which datasets wait for that.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{parsed, parsed_or_null, to_u64},
    words,
};
use crate::ids::{DatasetId, DeviceId, FileName};

/// A dataset with changes that its description does not reflect.
#[derive(Debug, Clone, Copy)]
pub struct ToDescribe {
    /// Its uuid.
    pub uuid: DatasetId,
    /// Its place in the order of datasets.
    pub number: i64,
    /// The count of its changes before its files are read.
    pub changes: i64,
}

/// What was read off the files of a dataset.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// The count of changes before the files were read.
    pub changes: i64,
    /// When the run started; none where no plausible time is known.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The app's count of its runs.
    pub run_number: Option<i64>,
    /// The app's version.
    pub app_version: Option<String>,
    /// The detection model that the watch ran.
    pub model: Option<String>,
    /// What the watch is.
    pub hardware: Option<String>,
    /// The metaInfo as it was sent; empty where it is too long to be one.
    pub meta_info: Option<String>,
    /// When its device last brought a file for it.
    pub last_upload_at: Option<Millis>,
    /// The names of its files that may be searched for.
    pub names: Vec<String>,
}

/// A file of a dataset that may tell something of the run.
#[derive(Debug, Clone)]
pub struct Brought {
    /// Its name as sent.
    pub sent_name: String,
    /// The name under which it is stored.
    pub name: FileName,
    /// When it was received.
    pub received_at: Millis,
    /// Whether a device brought it; else it was found on the disk.
    pub by_device: bool,
    /// Whether its bytes are there; else they are lost.
    pub is_here: bool,
}

/// The run of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedRun {
    /// The dataset.
    pub uuid: DatasetId,
    /// When it started, where that is known.
    pub started_at: Option<Millis>,
    /// The app's count of its runs.
    pub number: i64,
}

/// When a dataset was recorded, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSpan {
    /// The dataset.
    pub uuid: DatasetId,
    /// When its run started.
    pub started_at: Millis,
    /// When it ended, where that is known.
    pub ended_at: Option<Millis>,
    /// Its bytes.
    pub bytes: u64,
}

const TO_DESCRIBE: &str = "SELECT uuid, number, changes FROM datasets WHERE changes <> described AND number > $1 ORDER BY number LIMIT $2";

const FILES_TO_READ: &str = "SELECT sent_name, stored_name, received_at, device IS NOT NULL AS by_device, state = 'placed' AS is_here \
     FROM files WHERE dataset = $1 AND held IS NULL AND state IN ('placed', 'lost') AND stored_name IS NOT NULL ORDER BY folded_name";

const RUNS_OF: &str = "SELECT uuid, started_at, run_number FROM datasets WHERE device = $1 AND run_number IS NOT NULL";

/// No run is longer than 14 days.
const RUN_SPANS: &str = "SELECT uuid, started_at, ended_at, COALESCE(weight, bytes) AS bytes FROM datasets \
     WHERE device = $1 AND started_at >= $2 - 1209600000 AND started_at < $3 AND COALESCE(ended_at, started_at) >= $2 \
     AND deleted_at IS NULL ORDER BY started_at, run_number";

/// The one participant who wore the device when the run started; none where there is more than one.
const DESCRIBE: &str = "UPDATE datasets SET described = $2, started_at = $3, ended_at = $4, run_number = $5, app_version = $6, model = $7, \
     weight = bytes, participant = CASE WHEN participant_by_hand <> 0 THEN participant ELSE \
     (SELECT CASE WHEN COUNT(DISTINCT s.participant) = 1 THEN MIN(s.participant) END FROM spans s \
      WHERE s.device = datasets.device AND s.from_at <= $3 AND (s.until_at IS NULL OR s.until_at > $3)) END \
     WHERE uuid = $1 RETURNING number, device, created_at";

impl Catalog {
    /// The datasets with changes that their description does not reflect, behind the one of this number, lowest number first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn to_describe(&self, behind: i64, most: u32) -> Result<Vec<ToDescribe>, CatalogError> {
        let rows = sqlx::query(TO_DESCRIBE).bind(behind).bind(most).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(ToDescribe { uuid: parsed(row, "uuid")?, number: row.try_get("number")?, changes: row.try_get("changes")? })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// The files of a dataset that are not in quarantine, by name.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn files_to_read(&self, dataset: DatasetId) -> Result<Vec<Brought>, CatalogError> {
        let rows = sqlx::query(FILES_TO_READ).bind(dataset.to_string()).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(Brought {
                sent_name: row.try_get("sent_name")?,
                name: FileName::from_catalog(row.try_get("stored_name")?),
                received_at: row.try_get("received_at")?,
                by_device: row.try_get("by_device")?,
                is_here: row.try_get("is_here")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Writes down what was read off the files of a dataset, who wore its device, and what of it can be searched for. Nothing
    /// happens where there is no such dataset any more.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe(&self, dataset: DatasetId, description: &Description) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let described = sqlx::query(DESCRIBE)
            .bind(dataset.to_string())
            .bind(description.changes)
            .bind(description.started_at)
            .bind(description.ended_at)
            .bind(description.run_number)
            .bind(description.app_version.as_deref())
            .bind(description.model.as_deref())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = described else { return Ok(()) };
        keep_meta_info(&mut tx, dataset, description.meta_info.as_deref()).await?;
        if let Some(device) = parsed_or_null(&row, "device")? {
            let begun = description.started_at.map_or_else(|| row.try_get("created_at"), Ok)?;
            describe_device(&mut tx, device, description, begun).await?;
        }
        if let Some(number) = row.try_get("number")? {
            words::write(&mut tx, dataset, number, &description.names).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Has a dataset described once more, since what people say of it has changed: its words, and who wore its device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_again(&self, dataset: DatasetId) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        sqlx::query("UPDATE datasets SET described = -1 WHERE uuid = $1").bind(dataset.to_string()).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// The same for all datasets of a device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_device_again(&self, device: DeviceId) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        sqlx::query("UPDATE datasets SET described = -1 WHERE device = $1").bind(device.to_string()).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// The runs of a device whose number is known, those in the trash included: they came.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn runs_of(&self, device: DeviceId) -> Result<Vec<NumberedRun>, CatalogError> {
        let rows = sqlx::query(RUNS_OF).bind(device.to_string()).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(NumberedRun { uuid: parsed(row, "uuid")?, started_at: row.try_get("started_at")?, number: row.try_get("run_number")? })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// What a device recorded from one time to before another, oldest first, without what is in the trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn run_spans(&self, device: DeviceId, from: Millis, to: Millis) -> Result<Vec<RunSpan>, CatalogError> {
        let rows = sqlx::query(RUN_SPANS).bind(device.to_string()).bind(from).bind(to).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            let (started_at, ended_at) = (row.try_get("started_at")?, row.try_get("ended_at")?);
            Ok(RunSpan { uuid: parsed(row, "uuid")?, started_at, ended_at, bytes: to_u64(row.try_get("bytes")?) })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }
}

async fn keep_meta_info(tx: &mut SqliteConnection, dataset: DatasetId, meta_info: Option<&str>) -> Result<(), sqlx::Error> {
    let keep = match meta_info {
        Some(_) => {
            "INSERT INTO texts (dataset, meta_info) VALUES ($1, $2) ON CONFLICT (dataset) DO UPDATE SET meta_info = excluded.meta_info"
        }
        None => "UPDATE texts SET meta_info = $2 WHERE dataset = $1 AND meta_info IS NOT NULL",
    };
    sqlx::query(keep).bind(dataset.to_string()).bind(meta_info).execute(tx).await?;
    Ok(())
}

/// Says of a device when it last brought something, and, where this run is the newest that said so, what it is.
async fn describe_device(tx: &mut SqliteConnection, device: DeviceId, said: &Description, begun: Millis) -> Result<(), sqlx::Error> {
    let seen = "UPDATE devices SET last_upload_at = $2 WHERE id = $1 AND (last_upload_at IS NULL OR last_upload_at < $2)";
    if let Some(last) = said.last_upload_at {
        sqlx::query(seen).bind(device.to_string()).bind(last).execute(&mut *tx).await?;
    }
    if said.app_version.is_none() && said.model.is_none() && said.hardware.is_none() {
        return Ok(());
    }
    let newest = "UPDATE devices SET meta_at = $2, app_version = $3, model = $4, hardware = $5 \
                  WHERE id = $1 AND (meta_at IS NULL OR meta_at <= $2)";
    sqlx::query(newest)
        .bind(device.to_string())
        .bind(begun)
        .bind(said.app_version.as_deref())
        .bind(said.model.as_deref())
        .bind(said.hardware.as_deref())
        .execute(tx)
        .await?;
    Ok(())
}
