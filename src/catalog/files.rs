//! Files: looked up, renamed, forgotten, lost.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, Row, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, FileRow, FileState, Millis, Whereabouts,
    columns::{parsed, push_list, to_crc32, to_i64, to_u64},
    datasets,
    record::{remove_row, reserve_name},
};
use crate::{
    config::Sight,
    ids::{DatasetId, FileId, FileName},
};

const PAGE: &str = "SELECT * FROM files WHERE dataset = $1 AND folded_name > $2 AND held IS NULL AND state IN ('placed', 'lost') \
     AND stored_name IS NOT NULL ORDER BY folded_name";

const NAMES_AND_STATES: &str =
    "SELECT stored_name, state FROM files WHERE dataset = $1 AND held IS NULL AND state IN ('placed', 'lost') AND stored_name IS NOT NULL";

const UNSETTLED: &str = "SELECT * FROM files WHERE state IN ('placing', 'discarding') LIMIT $1";

/// The name in a zip of what people wrote about its dataset; no file has it.
pub const READ_ME: &str = "README.md";

/// What a zip needs to know of a file.
#[derive(Debug, Clone)]
pub struct Zippable {
    /// The name under which it is stored.
    pub name: FileName,
    /// Its bytes, where they are in the catalog and not on the disk.
    pub text: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// CRC-32.
    pub crc32: u32,
    /// When it was received.
    pub received_at: Millis,
}

impl Catalog {
    /// One file.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn file(&self, id: FileId) -> Result<Option<FileRow>, CatalogError> {
        let row = sqlx::query("SELECT * FROM files WHERE id = $1").bind(id.to_string()).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(FileRow::read).transpose()?)
    }

    /// A page of the files of a dataset that are not in quarantine, by name, those that are lost included: the first `most` of
    /// those with a name after `after` that may be seen.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn files(
        &self,
        dataset: DatasetId,
        after: Option<&FileName>,
        most: u32,
        sight: &Sight,
    ) -> Result<Vec<FileRow>, CatalogError> {
        let after = after.map(FileName::folded).unwrap_or_default();
        let mut rows = sqlx::query(PAGE).bind(dataset.to_string()).bind(after).fetch(&self.read);
        let mut found = Vec::new();
        // Which names a pattern matches is no question for SQL, so each name is looked at.
        while found.len() < most as usize
            && let Some(row) = rows.try_next().await?
        {
            if sight.sees(&FileName::from_catalog(row.try_get("stored_name")?)) {
                found.push(FileRow::read(&row)?);
            }
        }
        Ok(found)
    }

    /// Shows `see` name and state of each file of a dataset that is not in quarantine. Only one of them is in memory.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn visit_files(&self, dataset: DatasetId, mut see: impl FnMut(&FileName, FileState)) -> Result<(), CatalogError> {
        let mut rows = sqlx::query(NAMES_AND_STATES).bind(dataset.to_string()).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            see(&FileName::from_catalog(row.try_get("stored_name")?), FileState::from_text(row.try_get("state")?));
        }
        Ok(())
    }

    /// Whether a dataset has a file of this name that is not in quarantine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn has_file(&self, dataset: DatasetId, name: &FileName) -> Result<bool, CatalogError> {
        let query = "SELECT 1 FROM files WHERE dataset = $1 AND folded_name = $2 AND stored_name = $3 AND held IS NULL \
             AND state IN ('placed', 'lost')";
        let found = sqlx::query(query).bind(dataset.to_string()).bind(name.folded()).bind(name.as_str());
        Ok(found.fetch_optional(&self.read).await?.is_some())
    }

    /// Shows `see` the files that a zip of a dataset is to hold, by name: those that everybody who gets the zip may see, and after
    /// them what people wrote about the dataset. Only one of them is in memory, and no more is asked of each than is needed.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn visit_files_to_zip(&self, dataset: DatasetId, sight: &Sight, mut see: impl FnMut(Zippable)) -> Result<(), CatalogError> {
        let query = "SELECT stored_name, size, crc32, received_at FROM files \
                     WHERE dataset = $1 AND held IS NULL AND state = 'placed' AND stored_name IS NOT NULL ORDER BY folded_name";
        let mut rows = sqlx::query_as::<_, (String, i64, i64, Millis)>(query).bind(dataset.to_string()).fetch(&self.read);
        let mut is_empty = true;
        while let Some((name, size, crc32, received_at)) = rows.try_next().await? {
            let name = FileName::from_catalog(name);
            if sight.sees(&name) {
                is_empty = false;
                see(Zippable { name, text: None, size: to_u64(size), crc32: to_crc32(crc32), received_at });
            }
        }
        if !is_empty && let Some(read_me) = self.read_me(dataset).await? {
            see(read_me);
        }
        Ok(())
    }

    /// One file of each of some datasets that have any that may be in a zip: mostly that is enough to know whether there is a zip.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn one_file_each(&self, datasets: &[DatasetId]) -> Result<Vec<(DatasetId, FileName)>, CatalogError> {
        let mut query = QueryBuilder::new(
            "SELECT d.uuid, (SELECT stored_name FROM files WHERE dataset = d.uuid AND held IS NULL AND state = 'placed' \
             AND stored_name IS NOT NULL LIMIT 1) AS name FROM datasets d WHERE d.uuid IN (",
        );
        push_list(&mut query, datasets);
        let rows = query.push(")").build().fetch_all(&self.read).await?;
        let named = |row: &SqliteRow| Ok((parsed(row, "uuid")?, row.try_get::<Option<String>, _>("name")?));
        let files: Vec<(DatasetId, Option<String>)> = rows.iter().map(named).collect::<Result<_, sqlx::Error>>()?;
        Ok(files.into_iter().filter_map(|(dataset, name)| Some((dataset, FileName::from_catalog(name?)))).collect())
    }

    /// Whether there is any file that a zip of a dataset is to hold. The first one is enough.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn has_file_to_zip(&self, dataset: DatasetId, sight: &Sight) -> Result<bool, CatalogError> {
        let query = "SELECT stored_name FROM files WHERE dataset = $1 AND held IS NULL AND state = 'placed' AND stored_name IS NOT NULL";
        let mut names = sqlx::query_scalar::<_, String>(query).bind(dataset.to_string()).fetch(&self.read);
        while let Some(name) = names.try_next().await? {
            if sight.sees(&FileName::from_catalog(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The files whose way into or out of the house was interrupted, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unsettled(&self, most: u32) -> Result<Vec<FileRow>, CatalogError> {
        let rows = sqlx::query(UNSETTLED).bind(most).fetch_all(&self.write).await?;
        Ok(rows.iter().map(FileRow::read).collect::<Result<_, _>>()?)
    }

    /// Gives a recorded file another name, since somebody who is not in the catalog has the one that it had.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn rename(&self, file: &FileRow) -> Result<FileName, CatalogError> {
        let mut tx = self.writing().await?;
        let wanted = file.sent_name.stored();
        let taken = match &file.whereabouts {
            Whereabouts::Dataset(name) => Some(name.folded()),
            Whereabouts::Quarantine(_) => None,
        };
        let name = reserve_name(&mut tx, file.id, file.dataset, &wanted, taken.as_deref()).await?;
        // The zip may hold it under the old name.
        datasets::count(&mut tx, file.dataset, 0, 0, self.now()).await?;
        tx.commit().await?;
        Ok(name)
    }

    /// Forgets files that did not come into their place.
    ///
    /// # Errors
    /// [`CatalogError`]; the next start drops them.
    pub async fn forget(&self, files: &[FileId]) -> Result<(), CatalogError> {
        let mut tx = self.writing().await?;
        for id in files {
            remove_row(&mut tx, *id).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Marks a file whose bytes are gone, so that its dataset can be zipped without it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn mark_lost(&self, file: &FileRow) -> Result<(), CatalogError> {
        let mut tx = self.writing().await?;
        sqlx::query("UPDATE files SET state = 'lost' WHERE id = $1").bind(file.id.to_string()).execute(&mut *tx).await?;
        if let Whereabouts::Dataset(_) = file.whereabouts {
            datasets::count(&mut tx, file.dataset, -1, -to_i64(file.size), self.now()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Shows `see` every file that is on the disk, or was. Only one of them is in memory.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn visit_settled(&self, mut see: impl FnMut(FileRow)) -> Result<(), CatalogError> {
        let mut rows = sqlx::query("SELECT * FROM files WHERE state IN ('placed', 'lost')").fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            see(FileRow::read(&row)?);
        }
        Ok(())
    }

    /// The stored names of a dataset's files, however far each has come.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn stored_names(&self, dataset: DatasetId) -> Result<HashSet<FileName>, CatalogError> {
        let query = "SELECT stored_name FROM files WHERE dataset = $1 AND held IS NULL AND stored_name IS NOT NULL";
        let names = sqlx::query_scalar(query).bind(dataset.to_string()).fetch(&self.read);
        Ok(names.map_ok(FileName::from_catalog).try_collect().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::made::Made,
        config::{PrivacyConfig, Role},
    };

    #[tokio::test]
    async fn files_come_by_name_a_page_at_a_time_and_only_those_that_may_be_seen() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let dataset = made.dataset(device).await;
        for name in ["d.csv", "B.csv", "a.csv", "c.3gp", "b:2.csv"] {
            made.file(dataset, device, name).await;
        }
        let names = async |role, after: Option<&str>, most| {
            let after = after.map(FileName::from_sent);
            let files = made.catalog.files(dataset, after.as_ref(), most, &PrivacyConfig::default().sight(role)).await.expect("files");
            files.iter().filter_map(|file| file.stored_name().map(ToString::to_string)).collect::<Vec<_>>()
        };
        assert_eq!(names(Role::Operator, None, 9).await, ["a.csv", "B.csv", "b_2.csv", "c.3gp", "d.csv"]);
        assert_eq!(names(Role::Researcher, None, 2).await, ["a.csv", "B.csv"]);
        assert_eq!(names(Role::Researcher, Some("B.csv"), 2).await, ["b_2.csv", "d.csv"]);
        assert_eq!(names(Role::Researcher, Some("d.csv"), 2).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_files_of_a_dataset_and_what_is_unsettled_are_found_by_an_index_and_in_its_order() {
        let made = Made::new().await;
        for (query, index) in [
            (PAGE, "INDEX files_by_name (dataset=? AND folded_name>?)"),
            (UNSETTLED, "INDEX files_unsettled"),
            (NAMES_AND_STATES, "(dataset=?"),
        ] {
            let plan = made.plan(query).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
