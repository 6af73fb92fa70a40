//! Finding datasets: the narrow query behind a list, which knows numbers and nothing else.
//!
//! A list takes whole rows only of what it shows. What it leaves out is seen in one index, `datasets_listed`, that holds everything
//! a filter asks for: so a search is as quick when nothing passes it as when everything does. `+ 0` and `COALESCE` keep a database
//! without statistics from an index that knows one of the conditions and must fetch whole rows for the others.

use sqlx::{QueryBuilder, Sqlite};
use unicode_normalization::char::is_combining_mark;

use super::{
    Catalog, CatalogError, DatasetFilter, Wearer,
    listing::{PageKey, Sort},
};

const DATE: &str = "COALESCE(d.started_at, d.created_at)";

/// Recordings that have the words of a search. Where there are as many, the words are looked up in the order of the list; where there
/// are fewer, the recordings are put in order. Tests have but a few hundred recordings.
const COMMON: u32 = if cfg!(test) { 100 } else { 10_000 };

/// What is to be found.
pub(super) struct Finding<'a> {
    pub filter: &'a DatasetFilter,
    pub words: Option<Words>,
    pub sort: Sort,
    pub after: Option<PageKey>,
    pub most: u32,
}

/// Of a filter's text, what FTS5 is asked.
pub(super) struct Words {
    matching: String,
    /// At least [`COMMON`] recordings have them. Not known where the order is that of the index of words, and nothing else is left out.
    are_common: bool,
}

impl Sort {
    fn value(self) -> &'static str {
        match self {
            Self::Newest | Self::Oldest => "d.number",
            Self::Date => DATE,
            Self::Largest => "d.weight",
        }
    }

    fn direction(self) -> &'static str {
        if self == Self::Oldest { "ASC" } else { "DESC" }
    }

    fn is_by_number(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }
}

impl Finding<'_> {
    /// Of a query for datasets as `d`: that they are those that are found, in their order.
    pub fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE d.number IN (");
        self.push_numbers(query);
        let (value, direction) = (self.sort.value(), self.sort.direction());
        query.push(format_args!(") ORDER BY {value} + 0 {direction}, d.number + 0 {direction}"));
    }

    /// The query for the numbers of those that are found, in their order.
    pub fn push_numbers(&self, query: &mut QueryBuilder<Sqlite>) {
        let Self { filter, words, sort, .. } = self;
        // Words and tags come in the order of numbers. Whichever is first is walked through, and the others are looked up.
        let is_led_by_words = words.as_ref().is_some_and(|words| !words.are_common);
        let place = if is_led_by_words { "w.rowid" } else { filter.tag.as_ref().map_or("d.number", |_| "t.number") };
        query.push(format_args!("SELECT {place} FROM "));
        query.push(if is_led_by_words { "words w CROSS JOIN " } else { "" });
        query.push(if filter.tag.is_some() { "tags t CROSS JOIN " } else { "" });
        query.push(if filter.in_trash {
            "datasets d WHERE d.deleted_at IS NOT NULL AND d.number IS NOT NULL"
        } else {
            "datasets d WHERE d.deleted_at IS NULL"
        });
        if place != "d.number" {
            // An equation would choose the index that knows the number alone, and fetch the row for the rest.
            query.push(format_args!(" AND d.number BETWEEN {place} AND {place}"));
        }
        if let Some(tag) = &filter.tag {
            query.push(" AND t.tag = ").push_bind(tag.as_str().to_owned());
            query.push(if is_led_by_words { " AND t.number = w.rowid" } else { "" });
        }
        self.push_columns(query);
        // Behind all others: where they let nothing through, nobody asks for the words.
        if let Some(words) = words {
            let asked = if is_led_by_words { "w.words".to_owned() } else { format!("+{place} IN (SELECT rowid FROM words WHERE words") };
            query.push(format_args!(" AND {asked} MATCH ")).push_bind(words.matching.clone());
            query.push(if is_led_by_words { "" } else { ")" });
        } else if filter.text.is_some() {
            // Without a word in it, everything would be found, and all that is found may be deleted at once.
            query.push(" AND FALSE");
        }
        let value = self.value(place);
        self.push_key(query, &value, place);
        let direction = sort.direction();
        query.push(format_args!(" ORDER BY {value} {direction}"));
        if !sort.is_by_number() {
            query.push(format_args!(", {place} {direction}"));
        }
        query.push(" LIMIT ").push_bind(self.most);
    }

    /// What is sorted by. Where much is left out, no order is worth fetching a row for each that is not.
    fn value(&self, place: &str) -> String {
        match self.sort {
            Sort::Newest | Sort::Oldest => place.to_owned(),
            Sort::Date if is_narrow(self.filter, self.sort) => format!("{DATE} + 0"),
            Sort::Largest if is_narrow(self.filter, self.sort) => "COALESCE(d.weight, -1)".to_owned(),
            Sort::Date | Sort::Largest => self.sort.value().to_owned(),
        }
    }

    fn push_columns(&self, query: &mut QueryBuilder<Sqlite>) {
        let filter = self.filter;
        if self.sort == Sort::Largest {
            query.push(if is_narrow(self.filter, self.sort) { " AND COALESCE(d.weight, -1) >= 0" } else { " AND d.weight IS NOT NULL" });
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
                Some(Some(value)) => query.push(format_args!(" AND COALESCE(d.{column}, '') = ")).push_bind(value),
                Some(None) => query.push(format_args!(" AND d.{column} IS NULL")),
                None => continue,
            };
        }
        let date = if is_narrow(self.filter, self.sort) { format!("{DATE} + 0") } else { DATE.to_owned() };
        for (bound, at) in [(">=", filter.from), ("<", filter.to)] {
            if let Some(at) = at {
                query.push(format_args!(" AND {date} {bound} ")).push_bind(at);
            }
        }
    }

    /// What comes behind the last page. The first condition is what an index understands.
    fn push_key(&self, query: &mut QueryBuilder<Sqlite>, value: &str, place: &str) {
        let Some(key) = self.after else { return };
        let behind = if self.sort == Sort::Oldest { ">" } else { "<" };
        if self.sort.is_by_number() {
            query.push(format_args!(" AND {place} {behind} ")).push_bind(key.number);
            return;
        }
        query.push(format_args!(" AND {value} {behind}= ")).push_bind(key.value);
        query.push(format_args!(" AND ({value} {behind} ")).push_bind(key.value);
        query.push(format_args!(" OR {place} {behind} ")).push_bind(key.number).push(")");
    }
}

/// Whether anything is left out that the index of the order does not know.
fn is_narrow(filter: &DatasetFilter, sort: Sort) -> bool {
    let DatasetFilter { text: _, tag: _, device, participant, verdict, app_version, model, from, to, in_trash } = filter;
    let is_bounded = sort != Sort::Date && (from.is_some() || to.is_some());
    is_bounded || *in_trash || device.is_some() || participant.is_some() || verdict.is_some() || app_version.is_some() || model.is_some()
}

impl Catalog {
    /// The words that a filter's text looks for.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub(super) async fn words(&self, filter: &DatasetFilter, sort: Sort) -> Result<Option<Words>, CatalogError> {
        let Some(matching) = self.matching(filter).await? else { return Ok(None) };
        let are_common = (!sort.is_by_number() || is_narrow(filter, sort)) && {
            let found = sqlx::query_scalar::<_, i64>(MATCHES).bind(&matching).bind(COMMON).fetch_one(&self.read).await?;
            found >= COMMON.into()
        };
        Ok(Some(Words { matching, are_common }))
    }

    /// What FTS5 is asked for a filter's text: each word as the beginning of one, all of them. Nothing that was typed is read as FTS5's
    /// own language.
    async fn matching(&self, filter: &DatasetFilter) -> Result<Option<String>, sqlx::Error> {
        let mut quoted = Vec::new();
        // Accents that stand behind their letters count for nothing, as in the index.
        let text: String = filter.text.iter().flat_map(|text| text.chars()).filter(|c| !('\u{300}'..='\u{331}').contains(c)).collect();
        for word in text.split(|c: char| !is_of_a_word(c)).filter(|word| !word.is_empty()) {
            // FTS5 first puts together all recordings of all words that begin so; a whole word it reads only as far as is needed.
            let star = if self.begins_no_longer_word(word).await? { "" } else { "*" };
            quoted.push(format!("\"{word}\"{star}"));
        }
        Ok((!quoted.is_empty()).then(|| quoted.join(" ")))
    }

    /// Whether surely no word that is longer begins so.
    async fn begins_no_longer_word(&self, word: &str) -> Result<bool, sqlx::Error> {
        let Some([from, to]) = longer(word) else { return Ok(false) };
        let found = sqlx::query(LONGER).bind(from).bind(to).fetch_optional(&self.read).await?;
        Ok(found.is_none())
    }
}

const MATCHES: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM words WHERE words MATCH $1 LIMIT $2)";
const LONGER: &str = "SELECT 1 FROM words_terms WHERE term >= $1 AND term < $2 LIMIT 1";

/// Whether a character is a part of a word for FTS5's `unicode61`, too. A word that it takes for several is a phrase, and an index
/// without places refuses those.
fn is_of_a_word(c: char) -> bool {
    // Letters to Unicode and none to FTS5: what is circled or squared, and two scripts' vowels.
    let is_mark = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}' | '\u{19b0}'..='\u{19c9}' | '\u{1cf2}'..='\u{1cf3}');
    c.is_alphanumeric() && !is_combining_mark(c) && !is_mark
}

/// Between what the words lie that begin with this one and are longer; only ASCII is written in the index as we would guess.
fn longer(word: &str) -> Option<[String; 2]> {
    let word = Some(word.to_ascii_lowercase()).filter(|word| word.is_ascii())?;
    // The first character that a word may have, and the end of them all.
    Some([format!("{word}0"), format!("{word}\u{10ffff}")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn what_is_typed_is_no_language() {
        let made = Made::new().await;
        made.change("INSERT INTO words (rowid, text) VALUES (1, 'kitchens watch 97745 orange bee nearly küchen')").await;
        let asked = async |text: &str| {
            let filter = DatasetFilter { text: Some(text.to_owned()), ..DatasetFilter::default() };
            made.catalog.matching(&filter).await.expect("asked")
        };
        assert_eq!(asked("Kitchen watch[9774] Küche").await.as_deref(), Some("\"Kitchen\"* \"watch\" \"9774\"* \"Küche\"*"));
        assert_eq!(asked("x OR \"b* NEAR(y)").await.as_deref(), Some("\"x\" \"OR\"* \"b\"* \"NEAR\"* \"y\""));
        assert_eq!(asked(" -\"*^ ").await, None);
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
