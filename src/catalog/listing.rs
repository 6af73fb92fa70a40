//! Listing datasets: searched, filtered, sorted, and a page at a time, each from an index.

use sqlx::{QueryBuilder, Row, Sqlite};
use unicode_normalization::char::is_combining_mark;

use super::{
    Catalog, CatalogError, Dataset, Millis, Verdict,
    columns::{parsed, push_list},
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

impl Sort {
    /// What a row is sorted by.
    fn value(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "d.number",
            Self::Date => "COALESCE(d.started_at, d.created_at)",
            Self::Largest => "d.weight",
        }
    }

    fn direction(self) -> &'static str {
        if self == Self::Oldest { "ASC" } else { "DESC" }
    }
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
        push_filter(&mut query, filter, sort);
        if let Some(key) = after {
            push_key(&mut query, sort, key);
        }
        push_order(&mut query, sort);
        let rows = query.push(" LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Dataset::read).collect::<Result<_, _>>()?)
    }

    /// The uuids of the datasets that a filter lets through, the last issued first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn uuids(&self, filter: &DatasetFilter, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        let mut query = QueryBuilder::new("SELECT d.uuid FROM datasets d");
        push_filter(&mut query, filter, Sort::Newest);
        push_order(&mut query, Sort::Newest);
        let rows = query.push(" LIMIT ").push_bind(most).build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(|row| parsed(row, "uuid")).collect::<Result<_, _>>()?)
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

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &DatasetFilter, sort: Sort) {
    query.push(if filter.in_trash { " WHERE d.deleted_at IS NOT NULL AND d.number IS NOT NULL" } else { " WHERE d.deleted_at IS NULL" });
    if sort == Sort::Largest {
        query.push(" AND d.weight IS NOT NULL");
    }
    if let Some(text) = &filter.text {
        match match_expression(text) {
            Some(words) => query.push(" AND d.number IN (SELECT rowid FROM words WHERE words MATCH ").push_bind(words).push(")"),
            // Without a word in it, everything would be found, and all that is found may be deleted at once.
            None => query.push(" AND FALSE"),
        };
    }
    if let Some(tag) = &filter.tag {
        query.push(" AND d.number IN (SELECT number FROM tags WHERE tag = ").push_bind(tag.as_str().to_owned()).push(")");
    }
    // What is to be there, or, where the value is none, is not to be there.
    let participant = filter.participant.map(|wearer| match wearer {
        Wearer::Participant(id) => Some(id.to_string()),
        Wearer::Unassigned => None,
    });
    for (column, value) in [
        ("participant", participant),
        ("verdict", filter.verdict.map(|verdict| verdict.map(|verdict| verdict.as_str().to_owned()))),
        ("device", filter.device.map(|device| Some(device.to_string()))),
        ("app_version", filter.app_version.clone().map(Some)),
        ("model", filter.model.clone().map(Some)),
    ] {
        match value {
            Some(Some(value)) => query.push(format_args!(" AND d.{column} = ")).push_bind(value),
            Some(None) => query.push(format_args!(" AND d.{column} IS NULL")),
            None => continue,
        };
    }
    for (bound, at) in [(">=", filter.from), ("<", filter.to)] {
        if let Some(at) = at {
            query.push(format_args!(" AND COALESCE(d.started_at, d.created_at) {bound} ")).push_bind(at);
        }
    }
}

/// What comes behind the last page. The first condition is what an index understands.
fn push_key(query: &mut QueryBuilder<Sqlite>, sort: Sort, key: PageKey) {
    let (value, behind) = (sort.value(), if sort == Sort::Oldest { ">" } else { "<" });
    query.push(format_args!(" AND {value} {behind}= ")).push_bind(key.value);
    query.push(format_args!(" AND ({value} {behind} ")).push_bind(key.value);
    query.push(format_args!(" OR d.number {behind} ")).push_bind(key.number).push(")");
}

fn push_order(query: &mut QueryBuilder<Sqlite>, sort: Sort) {
    let (value, direction) = (sort.value(), sort.direction());
    query.push(format_args!(" ORDER BY {value} {direction}"));
    if value != "d.number" {
        query.push(format_args!(", d.number {direction}"));
    }
}

/// What FTS5 is asked: each word as the beginning of one, all of them. Nothing that was typed is read as FTS5's own language.
fn match_expression(text: &str) -> Option<String> {
    // Accents that stand behind their letters count for nothing, as in the index.
    let text: String = text.chars().filter(|c| !('\u{300}'..='\u{331}').contains(c)).collect();
    let words = text.split(|c: char| !is_of_a_word(c)).filter(|word| !word.is_empty());
    let quoted: Vec<_> = words.map(|word| format!("\"{word}\"*")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

/// Whether a character is a part of a word for FTS5's `unicode61`, too. A word that it takes for several is a phrase, and an index
/// without places refuses those.
fn is_of_a_word(c: char) -> bool {
    // Letters to Unicode and none to FTS5: what is circled or squared, and two scripts' vowels.
    let is_mark = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}' | '\u{19b0}'..='\u{19c9}' | '\u{1cf2}'..='\u{1cf3}');
    c.is_alphanumeric() && !is_combining_mark(c) && !is_mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    #[test]
    fn what_is_typed_is_no_language() {
        assert_eq!(match_expression("Kitchen watch[9774]").as_deref(), Some("\"Kitchen\"* \"watch\"* \"9774\"*"));
        assert_eq!(match_expression("a OR \"b* NEAR(c)").as_deref(), Some("\"a\"* \"OR\"* \"b\"* \"NEAR\"* \"c\"*"));
        assert_eq!(match_expression(" -\"*^ "), None);
    }

    #[tokio::test]
    async fn no_character_is_too_odd_to_search_for_and_words_of_all_scripts_are_found() {
        let made = Made::new().await;
        let ask = async |text: &str| {
            let filter = DatasetFilter { text: Some(text.to_owned()), ..DatasetFilter::default() };
            made.catalog.uuids(&filter, 10).await
        };
        let odd: Vec<_> = ('\u{80}'..='\u{1FBFF}').map(|c| format!("a{c}b")).collect();
        for some in odd.chunks(200) {
            assert!(ask(&some.join(" ")).await.is_ok(), "{some:?}");
        }
        made.dataset(made.device("kitchen[1]").await).await;
        for title in ["हिन्दी", "ที่บ้าน", "e\u{301}cole", "x\u{302}y", "Küche ⓐ"] {
            made.change("DELETE FROM words").await;
            made.change(&format!("INSERT INTO words (rowid, text) VALUES (1, '{title}')")).await;
            assert_eq!(ask(title).await.expect("an answer").len(), 1, "{title}");
        }
        assert_eq!(ask("école kuche").await.expect("an answer").len(), 0);
        assert!(ask("*** 🎉").await.expect("an answer").is_empty(), "a search without a word must not find everything");
    }
}
