//! Listing datasets: searched, filtered, sorted, and a page at a time, each from an index.

use sqlx::{QueryBuilder, Row};

use super::{
    Catalog, CatalogError, Dataset, Millis, Verdict,
    columns::{collected, parsed, push_list},
    finding::Finding,
};
use crate::ids::{DatasetId, DeviceId, ParticipantId, Tag};

/// Which datasets to list. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct DatasetFilter {
    /// Words that something of the dataset begins with: see [`Catalog::datasets`].
    pub text: Option<String>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of this participant, or of nobody that is known.
    pub participant: Option<Wearer>,
    /// With this tag.
    pub tag: Option<Tag>,
    /// With this verdict, or without one.
    pub verdict: Option<Option<Verdict>>,
    /// Recorded by this version of the app.
    pub app_version: Option<String>,
    /// With this detection model.
    pub model: Option<String>,
    /// Begun at or after this time; where no start is known, the dataset was issued then.
    pub from: Option<Millis>,
    /// Begun before this time.
    pub to: Option<Millis>,
    /// Those in the trash, instead of those that are not.
    pub in_trash: bool,
}

/// Who wore a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wearer {
    /// A participant.
    Participant(ParticipantId),
    /// Nobody said.
    Unassigned,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The last issued first.
    #[default]
    Newest,
    /// The first issued first.
    Oldest,
    /// The last begun first.
    Date,
    /// The largest first.
    Largest,
}

/// The last dataset of a page: what comes behind it is on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// What the page was sorted by.
    pub value: i64,
    /// The dataset's number.
    pub number: i64,
}

/// What a filter may be chosen from.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Every tag.
    pub tags: Vec<Tag>,
    /// Every version of the app.
    pub app_versions: Vec<String>,
    /// Every detection model.
    pub models: Vec<String>,
}

impl PageKey {
    /// The key of a dataset.
    #[must_use]
    pub fn of(dataset: &Dataset, sort: Sort) -> Self {
        let value = match sort {
            Sort::Newest | Sort::Oldest => dataset.number,
            Sort::Date => dataset.run.started_at.unwrap_or(dataset.created_at),
            Sort::Largest => dataset.weight,
        };
        Self { value, number: dataset.number }
    }
}

impl Catalog {
    /// The datasets that a filter lets through, behind `after`, at most `most`.
    ///
    /// Each word of the text must begin a word of the dataset's title, description, tags, uuid or file names, of its watch, or of
    /// its participant; capitals and accents count for nothing. Words are taken up some seconds after what they stand in.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets(
        &self,
        filter: &DatasetFilter,
        sort: Sort,
        after: Option<PageKey>,
        most: u32,
    ) -> Result<Vec<Dataset>, CatalogError> {
        let mut query = QueryBuilder::new(Dataset::SELECT);
        let words = self.words(filter, sort).await?;
        Finding { filter, words, sort, after, most }.push(&mut query);
        let rows = query.build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Dataset::read).collect::<Result<_, _>>()?)
    }

    /// The uuids of the datasets that a filter lets through, the last issued first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn uuids(&self, filter: &DatasetFilter, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        let mut query = QueryBuilder::new("SELECT d.uuid FROM datasets d");
        let words = self.words(filter, Sort::Newest).await?;
        Finding { filter, words, sort: Sort::Newest, after: None, most }.push(&mut query);
        Ok(collected(query.build().fetch(&self.read), |row| parsed(row, "uuid")).await?)
    }

    /// The tags of some datasets.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn tags_of(&self, datasets: &[DatasetId]) -> Result<Vec<(DatasetId, Tag)>, CatalogError> {
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new("SELECT dataset, tag FROM tags WHERE dataset IN (");
        push_list(&mut query, datasets);
        let rows = query.push(") ORDER BY tag").build().fetch_all(&self.read).await?;
        let tag = |row| Ok((parsed(row, "dataset")?, Tag::from_catalog(row.try_get("tag")?)));
        Ok(rows.iter().map(tag).collect::<Result<_, sqlx::Error>>()?)
    }

    /// What a filter may be chosen from, at most a few hundred of each.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn choices(&self) -> Result<Choices, CatalogError> {
        let tags = self.distinct("tags", "tag").await?.into_iter().map(Tag::from_catalog).collect();
        let (app_versions, models) = (self.distinct("datasets", "app_version").await?, self.distinct("datasets", "model").await?);
        Ok(Choices { tags, app_versions, models })
    }

    /// The values of a column that leads an index: one step in the index for each value, however many rows have it.
    async fn distinct(&self, table: &str, column: &str) -> Result<Vec<String>, sqlx::Error> {
        let next = |behind: &str| format!("(SELECT {column} FROM {table} WHERE {column} > {behind} ORDER BY {column} LIMIT 1)");
        let text = format!(
            "WITH RECURSIVE found(value) AS (SELECT {} UNION ALL SELECT {} FROM found WHERE value IS NOT NULL) \
             SELECT value FROM found WHERE value IS NOT NULL LIMIT 500",
            next("''"),
            next("found.value")
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_all(&self.read).await
    }
}
