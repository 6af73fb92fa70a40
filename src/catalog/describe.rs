//! Descriptions: what was read off the files of a dataset, and which datasets wait for that.

use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis, Run,
    columns::{parsed, parsed_or_null},
    forgetting,
    spans::wearer,
    words,
};
use crate::ids::{DatasetId, DeviceId, FileName, SentName};

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
    /// When the run was, and which.
    pub run: Run,
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
    pub sent_name: SentName,
    /// The name under which it is stored.
    pub name: FileName,
    /// When it was received.
    pub received_at: Millis,
    /// Whether a device brought it; else it was found on the disk.
    pub by_device: bool,
    /// Whether its bytes are there; else they are lost.
    pub is_here: bool,
}

const TO_DESCRIBE: &str =
    "SELECT uuid, number, changes FROM datasets WHERE changes <> described AND number < $1 ORDER BY number DESC LIMIT $2";

const FILES_TO_READ: &str = "SELECT sent_name, stored_name, received_at, device IS NOT NULL AS by_device, state = 'placed' AS is_here \
     FROM files WHERE dataset = $1 AND held IS NULL AND state IN ('placed', 'lost') AND stored_name IS NOT NULL ORDER BY folded_name";

/// The one participant who wore the device when the run started; none where there is more than one.
const DESCRIBE: &str = concat!(
    "UPDATE datasets SET described = $2, started_at = $3, ended_at = $4, run_number = $5, app_version = $6, model = $7, weight = bytes, \
     participant = CASE WHEN participant_by_hand <> 0 THEN participant ELSE ",
    wearer!("datasets.device", "$3"),
    " END WHERE uuid = $1 AND number IS NOT NULL RETURNING number, device, created_at"
);

impl Catalog {
    /// The datasets with changes that their description does not reflect, before the one of this number, the newest first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn to_describe(&self, before: i64, most: u32) -> Result<Vec<ToDescribe>, CatalogError> {
        let rows = sqlx::query(TO_DESCRIBE).bind(before).bind(most).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(ToDescribe { uuid: parsed(row, "uuid")?, number: row.try_get("number")?, changes: row.try_get("changes")? })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Shows `see` each file of a dataset that is not in quarantine, by name. Only one of them is in memory.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn visit_files_to_read(&self, dataset: DatasetId, mut see: impl FnMut(Brought)) -> Result<(), CatalogError> {
        let mut rows = sqlx::query(FILES_TO_READ).bind(dataset.to_string()).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            see(Brought {
                sent_name: SentName::from_catalog(row.try_get("sent_name")?),
                name: FileName::from_catalog(row.try_get("stored_name")?),
                received_at: row.try_get("received_at")?,
                by_device: row.try_get("by_device")?,
                is_here: row.try_get("is_here")?,
            });
        }
        Ok(())
    }

    /// Writes down what was read off the files of a dataset, who wore its device, and what of it can be searched for. Returns
    /// the device. Nothing happens where there is no such dataset any more.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe(&self, dataset: DatasetId, description: &Description) -> Result<Option<DeviceId>, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let described = sqlx::query(DESCRIBE)
            .bind(dataset.to_string())
            .bind(description.changes)
            .bind(description.run.started_at)
            .bind(description.run.ended_at)
            .bind(description.run.number)
            .bind(description.run.app_version.as_deref())
            .bind(description.run.model.as_deref())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = described else { return Ok(None) };
        forgetting::forget_late(&mut tx, dataset, self.now()).await?;
        keep_meta_info(&mut tx, dataset, description.meta_info.as_deref()).await?;
        let device = parsed_or_null(&row, "device")?;
        if let Some(device) = device {
            let begun = description.run.started_at.map_or_else(|| row.try_get("created_at"), Ok)?;
            describe_device(&mut tx, device, description, begun).await?;
        }
        if let Some(number) = row.try_get("number")? {
            words::write(&mut tx, dataset, number, &description.names).await?;
        }
        tx.commit().await?;
        Ok(device)
    }

    /// Has every dataset described once more, unless their words were written under this rule already.
    ///
    /// # Errors
    /// [`CatalogError`]; done again, it goes on.
    pub async fn describe_under(&self, rule: &str) -> Result<(), CatalogError> {
        /// As many at once as keep nobody waiting.
        const STEP: u16 = 5000;
        let known: Option<String> = sqlx::query_scalar("SELECT rule FROM words_rule").fetch_optional(&self.read).await?;
        if known.as_deref() == Some(rule) {
            return Ok(());
        }
        let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM datasets").fetch_one(&self.read).await?;
        for behind in (0..last).step_by(STEP.into()) {
            let (mut tx, _place) = self.writing_aside().await?;
            let again = "UPDATE datasets SET described = -1 WHERE number > $1 AND number <= $2";
            sqlx::query(again).bind(behind).bind(behind + i64::from(STEP)).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        let (mut tx, _place) = self.writing_aside().await?;
        let keep = "INSERT INTO words_rule (one, rule) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET rule = excluded.rule";
        sqlx::query(keep).bind(rule).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
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
    if said.run.app_version.is_none() && said.run.model.is_none() && said.hardware.is_none() {
        return Ok(());
    }
    let newest = "UPDATE devices SET meta_at = $2, app_version = $3, model = $4, hardware = $5 \
                  WHERE id = $1 AND (meta_at IS NULL OR meta_at <= $2)";
    sqlx::query(newest)
        .bind(device.to_string())
        .bind(begun)
        .bind(said.run.app_version.as_deref())
        .bind(said.run.model.as_deref())
        .bind(said.hardware.as_deref())
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DAY, made::Made};

    /// A description of a run that started at a time, as of all changes so far.
    async fn description(made: &Made, dataset: DatasetId, started_at: Millis) -> Description {
        let changes = made.texts(&format!("SELECT changes AS c FROM datasets WHERE uuid = '{dataset}'")).await;
        Description {
            changes: changes[0].as_ref().and_then(|changes| changes.parse().ok()).expect("a number"),
            run: Run { started_at: Some(started_at), ..Run::default() },
            ..Description::default()
        }
    }

    async fn to_describe(made: &Made) -> Vec<DatasetId> {
        made.catalog.to_describe(i64::MAX, 10).await.expect("datasets").into_iter().map(|to| to.uuid).collect()
    }

    /// How many datasets have all of these words.
    async fn found(made: &Made, words: &str) -> usize {
        made.texts(&format!("SELECT rowid AS c FROM words WHERE words MATCH '{words}'")).await.len()
    }

    #[tokio::test]
    async fn what_was_read_is_written_down_and_the_dataset_is_not_behind_any_more() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let (first, second) = (made.dataset(device).await, made.dataset(device).await);
        made.file(second, device, "acc.csv").await;
        assert_eq!(to_describe(&made).await, [second, first], "also one without files");
        let run = Run {
            started_at: Some(5),
            ended_at: Some(6),
            number: Some(7),
            app_version: Some("1.4 (37)".to_owned()),
            model: Some("hands".to_owned()),
        };
        let meta_info = Some("{}".to_owned());
        let said = Description { run: run.clone(), meta_info, ..description(&made, second, 5).await };
        made.catalog.describe(second, &said).await.expect("described");
        let dataset = made.catalog.dataset(second).await.expect("asked").expect("a dataset");
        assert_eq!((dataset.run, dataset.weight), (run, 1));
        assert_eq!(made.texts("SELECT meta_info AS c FROM texts").await, [Some("{}".to_owned())]);
        assert_eq!(to_describe(&made).await, [first]);
        assert_eq!(made.catalog.judge(&[second, second], None, "why").await.expect("judged"), [second]);
        assert_eq!(to_describe(&made).await, [second, first]);
        let before = made.catalog.to_describe(dataset.number, 10).await.expect("datasets");
        assert_eq!(before.iter().map(|to| to.uuid).collect::<Vec<_>>(), [first]);
    }

    #[tokio::test]
    async fn a_file_that_came_while_others_were_read_is_not_forgotten() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let dataset = made.dataset(device).await;
        let said = description(&made, dataset, 5).await;
        made.file(dataset, device, "acc.csv").await;
        made.catalog.describe(dataset, &said).await.expect("described");
        assert_eq!(to_describe(&made).await, [dataset]);
        made.catalog.describe(DatasetId::random(), &said).await.expect("nothing to do");
    }

    #[tokio::test]
    async fn a_description_keeps_what_people_wrote_beside_the_meta_info() {
        let made = Made::new().await;
        let dataset = made.dataset(made.device("kitchen[1]").await).await;
        made.change(&format!("INSERT INTO texts (dataset, description) VALUES ('{dataset}', 'a fine day')")).await;
        let mut said = description(&made, dataset, 5).await;
        for meta_info in [Some("{}".to_owned()), None] {
            said.meta_info.clone_from(&meta_info);
            made.catalog.describe(dataset, &said).await.expect("described");
            assert_eq!(made.texts("SELECT meta_info AS c FROM texts").await, [meta_info]);
        }
        assert_eq!(made.texts("SELECT description AS c FROM texts").await, [Some("a fine day".to_owned())]);
    }

    #[tokio::test]
    async fn a_device_is_what_its_newest_run_says_and_was_here_when_its_last_file_came() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        for (start, version, last_upload) in [(20, "2", 100), (10, "1", 300), (30, "", 200)] {
            let dataset = made.dataset(device).await;
            let mut said = description(&made, dataset, start).await;
            said.run.app_version = (!version.is_empty()).then(|| version.to_owned());
            said.last_upload_at = Some(last_upload);
            made.catalog.describe(dataset, &said).await.expect("described");
        }
        let said = made.texts("SELECT app_version || ' ' || meta_at || ' ' || last_upload_at AS c FROM devices").await;
        assert_eq!(said, [Some("2 20 300".to_owned())], "the newest run has no metaInfo");
    }

    #[tokio::test]
    async fn who_wore_the_device_is_whose_one_span_holds_the_start() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        made.change("INSERT INTO participants (id, label, created_at) VALUES ('p', 'P01', 0), ('q', 'P02', 0)").await;
        for (id, participant, from, until) in
            [("1", "p", "10", "20"), ("2", "q", "20", "30"), ("3", "p", "25", "40"), ("4", "p", "35", "NULL")]
        {
            made.change(&format!("INSERT INTO spans VALUES ('{id}', '{participant}', '{device}', {from}, {until})")).await;
        }
        let dataset = made.dataset(device).await;
        for (start, wearer) in [(9, None), (10, Some("p")), (19, Some("p")), (20, Some("q")), (25, None), (30, Some("p")), (36, Some("p"))]
        {
            made.catalog.describe(dataset, &description(&made, dataset, start).await).await.expect("described");
            assert_eq!(made.texts("SELECT participant AS c FROM datasets").await, [wearer.map(str::to_owned)], "{start}");
        }
        assert_eq!(found(&made, "P01").await, 1);
        made.change("UPDATE datasets SET participant = NULL, participant_by_hand = 1").await;
        made.catalog.describe(dataset, &description(&made, dataset, 10).await).await.expect("described");
        assert_eq!(made.texts("SELECT participant AS c FROM datasets").await, [None]);
    }

    #[tokio::test]
    async fn everything_that_is_said_of_a_dataset_can_be_searched_for() {
        let made = Made::new().await;
        let device = made.device("Küche[9774d56d682e549c]").await;
        let dataset = made.dataset(device).await;
        made.change("UPDATE devices SET name = 'wrist'").await;
        made.change("UPDATE datasets SET title = 'Breakfast'").await;
        made.change(&format!("INSERT INTO texts (dataset, description) VALUES ('{dataset}', 'muesli')")).await;
        made.change(&format!("INSERT INTO tags VALUES ('good', '{dataset}', 1), ('long', '{dataset}', 1)")).await;
        let mut said = description(&made, dataset, DAY).await;
        said.run.app_version = Some("1.4.2".to_owned());
        said.run.model = Some("hands.tflite".to_owned());
        said.names = vec!["battery_7.csv".to_owned(), "recipe.txt".to_owned()];
        made.catalog.describe(dataset, &said).await.expect("described");
        let uuid = dataset.to_string();
        let first_part = uuid.split('-').next().expect("a part");
        for word in ["kuche", "9774D56D682E549C", "wrist", "breakfast", "muesli", "good", "long", "hands", "battery", "recipe", first_part]
        {
            assert_eq!(found(&made, &format!("\"{word}\"")).await, 1, "{word}");
        }
        assert_eq!(found(&made, "wri* AND bat*").await, 1);
        made.change("UPDATE datasets SET title = 'Supper'").await;
        said.names.pop();
        made.catalog.describe(dataset, &said).await.expect("described");
        assert_eq!([found(&made, "breakfast").await, found(&made, "recipe").await, found(&made, "supper").await], [0, 0, 1]);
    }

    #[tokio::test]
    async fn files_to_read_are_those_that_came_and_not_those_in_quarantine() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let dataset = made.dataset(device).await;
        let names = ["a:1.csv", "b.csv", "c.csv", "d.csv"];
        for name in names {
            made.file(dataset, device, name).await;
        }
        made.change("UPDATE files SET device = NULL, state = 'lost' WHERE sent_name = 'b.csv'").await;
        made.change("UPDATE files SET held = 'extension' WHERE sent_name = 'c.csv'").await;
        made.change("UPDATE files SET state = 'placing' WHERE sent_name = 'd.csv'").await;
        let mut files = Vec::new();
        made.catalog.visit_files_to_read(dataset, |file| files.push(file)).await.expect("files");
        let told: Vec<_> = files.iter().map(|file| (file.sent_name.as_str(), file.name.as_str(), file.by_device, file.is_here)).collect();
        assert_eq!(told, [("a:1.csv", "a_1.csv", true, true), ("b.csv", "b.csv", false, false)]);
        assert!(files.iter().all(|file| file.received_at.abs_diff(made.catalog.now()) < 60_000));
    }

    #[tokio::test]
    async fn no_table_that_grows_is_walked_through() {
        let made = Made::new().await;
        for (query, index) in [
            (TO_DESCRIBE, "INDEX datasets_to_describe"),
            (FILES_TO_READ, "INDEX files_by_name"),
            (DESCRIBE, "INDEX sqlite_autoindex_datasets"),
            (forgetting::LATE, "INDEX forgotten_spans_by_device"),
            (words::TEXT, "INDEX sqlite_autoindex_datasets"),
        ] {
            let plan = made.plan(query).await;
            // Who wore it then is one row.
            let walked = plan.replace("SCAN worn", "").contains("SCAN");
            assert!(plan.contains(index) && !walked, "{plan}");
        }
    }
}
