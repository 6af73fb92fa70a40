//! What should have come: devices that are expected to bring something, and datasets that stopped in the middle.

use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{LISTED_AT_ONCE, parsed, push_list, to_u64},
};
use crate::ids::{DatasetId, DeviceId, Identifier};

/// A device from which something is expected: neither revoked nor forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The device.
    pub device: DeviceId,
    /// The name that people gave it, else its alias.
    pub name: String,
    /// When it last brought something, else when it was let in.
    pub since: Millis,
    /// Whether it ever brought something.
    pub has_uploaded: bool,
    /// How long it may be silent, where somebody said so.
    pub silent_hours: Option<i64>,
}

/// A dataset with files and without metaInfo, which got nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedDataset {
    /// The dataset.
    pub uuid: DatasetId,
    /// Its device.
    pub device: DeviceId,
    /// The name that people gave the device, else its alias.
    pub name: String,
    /// When a file last came.
    pub since: Millis,
    /// How many there are.
    pub files: u64,
}

const WATCHED: &str = "SELECT id, identifier, name, COALESCE(last_upload_at, collected_at, created_at) AS since, \
     last_upload_at IS NOT NULL AS has_uploaded, silent_hours FROM devices WHERE revoked_at IS NULL AND forgotten_at IS NULL ORDER BY id";

const ARRIVED: &str = "SELECT created_at FROM datasets WHERE device = $1 ORDER BY number DESC LIMIT $2";

/// None of a device that sends no metaInfo.
const WITHOUT_META_INFO: &str = "SELECT d.uuid FROM datasets d JOIN devices v ON v.id = d.device LEFT JOIN texts t ON t.dataset = d.uuid \
     WHERE d.device = $1 AND v.meta_at IS NOT NULL AND d.files > 0 AND d.deleted_at IS NULL AND t.meta_info IS NULL \
     ORDER BY d.number DESC LIMIT $2";

/// Of a list, those that are described as they are now.
const UNFINISHED: &str = "SELECT d.uuid, v.id, v.identifier, v.name, d.updated_at, d.files \
     FROM datasets d JOIN devices v ON v.id = d.device LEFT JOIN texts t ON t.dataset = d.uuid \
     WHERE d.files > 0 AND d.changes = d.described AND d.deleted_at IS NULL AND t.meta_info IS NULL AND d.updated_at < ";

impl Catalog {
    /// The devices from which something is expected.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn watched(&self) -> Result<Vec<Watched>, CatalogError> {
        let rows = sqlx::query(WATCHED).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            Ok(Watched {
                device: parsed(row, "id")?,
                name: shown_name(row)?,
                since: row.try_get("since")?,
                has_uploaded: row.try_get("has_uploaded")?,
                silent_hours: row.try_get("silent_hours")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// When the latest datasets of a device came, at most `most`, the latest first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn arrived(&self, device: DeviceId, most: u32) -> Result<Vec<Millis>, CatalogError> {
        Ok(sqlx::query_scalar(ARRIVED).bind(device.to_string()).bind(most).fetch_all(&self.read).await?)
    }

    /// The latest datasets of a device that have files and no metaInfo, though the device sends some. At most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn without_meta_info(&self, device: DeviceId, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        let rows = sqlx::query(WITHOUT_META_INFO).bind(device.to_string()).bind(most).fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "uuid")).collect::<Result<_, _>>()?)
    }

    /// Those of these datasets that have files and no metaInfo, and got nothing since a time.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unfinished(&self, datasets: &[DatasetId], since: Millis) -> Result<Vec<UnfinishedDataset>, CatalogError> {
        let mut unfinished = Vec::new();
        for some in datasets.chunks(LISTED_AT_ONCE) {
            let rows = unfinished_of(some, since).build().fetch_all(&self.read).await?;
            for row in &rows {
                unfinished.push(UnfinishedDataset {
                    uuid: parsed(row, "uuid")?,
                    device: parsed(row, "id")?,
                    name: shown_name(row)?,
                    since: row.try_get("updated_at")?,
                    files: to_u64(row.try_get("files")?),
                });
            }
        }
        Ok(unfinished)
    }
}

fn unfinished_of(datasets: &[DatasetId], since: Millis) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(UNFINISHED);
    query.push_bind(since).push(" AND d.uuid IN (");
    push_list(&mut query, datasets);
    query.push(") ORDER BY d.number");
    query
}

/// The name that people gave a device, else its alias.
fn shown_name(row: &SqliteRow) -> Result<String, sqlx::Error> {
    let name: String = row.try_get("name")?;
    if !name.is_empty() {
        return Ok(name);
    }
    Ok(parsed::<Identifier>(row, "identifier")?.shown().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn who_is_revoked_or_forgotten_is_not_expected() {
        let made = Made::new().await;
        for identifier in ["kitchen[1]", "[2]", "garden[3]", "hall[4]"] {
            made.device(identifier).await;
        }
        made.change("UPDATE devices SET revoked_at = 1 WHERE identifier = 'garden[3]'").await;
        made.change("UPDATE devices SET forgotten_at = 1 WHERE identifier = 'hall[4]'").await;
        made.change("UPDATE devices SET collected_at = 7 WHERE identifier = '[2]'").await;
        made.change("UPDATE devices SET name = 'wrist', last_upload_at = 5, silent_hours = 9 WHERE identifier = 'kitchen[1]'").await;
        let mut watched: Vec<_> = made.catalog.watched().await.expect("devices").into_iter().collect();
        watched.sort_by_key(|watched| watched.since);
        let told: Vec<_> = watched.iter().map(|one| (one.name.as_str(), one.since, one.has_uploaded, one.silent_hours)).collect();
        assert_eq!(told, [("wrist", 5, true, Some(9)), ("[2]", 7, false, None)]);
    }

    #[tokio::test]
    async fn a_dataset_that_stopped_in_the_middle_is_told_and_no_other() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let mut datasets = Vec::new();
        for _ in 0..7 {
            let dataset = made.dataset(device).await;
            made.file(dataset, device, "acc.csv").await;
            datasets.push(dataset);
        }
        made.change("UPDATE devices SET meta_at = 1").await;
        made.change("UPDATE datasets SET described = changes, updated_at = 100").await;
        made.change(&format!("INSERT INTO texts (dataset, meta_info) VALUES ('{}', '{{}}')", datasets[1])).await;
        made.change(&format!("INSERT INTO texts (dataset, description) VALUES ('{}', 'fine')", datasets[0])).await;
        for (number, change) in
            [(3, "deleted_at = 1"), (4, "updated_at = 200"), (5, "files = 0"), (6, "described = 0"), (7, "device = NULL")]
        {
            made.change(&format!("UPDATE datasets SET {change} WHERE number = {number}")).await;
        }
        let expected = UnfinishedDataset { uuid: datasets[0], device, name: "kitchen".to_owned(), since: 100, files: 1 };
        assert_eq!(made.catalog.unfinished(&datasets, 200).await.expect("datasets"), [expected]);
        assert_eq!(made.catalog.unfinished(&[], 200).await.expect("datasets"), []);
        let open = || async { made.catalog.without_meta_info(device, 10).await.expect("datasets") };
        assert_eq!(open().await, [datasets[5], datasets[3], datasets[0]]);
        made.change("UPDATE devices SET meta_at = NULL").await;
        assert_eq!(open().await, [], "it sends none");
    }

    #[tokio::test]
    async fn the_latest_arrivals_of_a_device_are_told_first() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        for _ in 0..3 {
            made.dataset(device).await;
        }
        made.change("UPDATE datasets SET created_at = number * 10").await;
        assert_eq!(made.catalog.arrived(device, 2).await.expect("times"), [30, 20]);
    }

    #[tokio::test]
    async fn no_table_that_grows_is_walked_through() {
        let made = Made::new().await;
        let unfinished = unfinished_of(&[DatasetId::random(), DatasetId::random()], 0).sql().as_str().to_owned();
        for (query, index) in [
            (ARRIVED, "INDEX datasets_of_device (device=?)"),
            (WITHOUT_META_INFO, "INDEX datasets_of_device (device=?)"),
            (unfinished.as_str(), "INDEX sqlite_autoindex_datasets_1 (uuid=?)"),
        ] {
            let plan = made.plan(query).await;
            assert!(plan.contains(index) && !plan.contains("SCAN"), "{plan}");
        }
    }
}
