//! What a search for recordings says, in an address or in a form: parsed once, refused with a sentence.

use std::fmt::Display;

use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;

use crate::{
    catalog::{DatasetFilter, Millis, PageKey, Sort, Wearer},
    http::{
        admin::{broken_key, query_of},
        error::Problem,
    },
};

/// A search as it was sent. Fields that are empty say nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    device: String,
    participant: String,
    tag: String,
    verdict: String,
    app: String,
    model: String,
    from: String,
    to: String,
    sort: String,
    after: String,
}

/// The word for what has none, in the fields `participant` and `verdict`.
pub const NONE: &str = "none";

impl Search {
    /// What the search lets through.
    ///
    /// # Errors
    /// 400 where a field makes no sense.
    pub fn filter(&self) -> Result<DatasetFilter, Problem> {
        let (from, to) = (time("from", &self.from, false)?, time("to", &self.to, true)?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::malformed("nothing lies between these dates: the first is behind the last; turn them round"));
        }
        Ok(DatasetFilter {
            text: given(&self.q).map(str::to_owned),
            device: given(&self.device).map(|text| parse("device", text)).transpose()?,
            participant: given(&self.participant).map(|text| wearer("Participant", text)).transpose()?,
            tag: given(&self.tag).map(|text| parse("tag", text)).transpose()?,
            verdict: given(&self.verdict).map(|text| if text == NONE { Ok(None) } else { parse("verdict", text).map(Some) }).transpose()?,
            app_version: given(&self.app).map(str::to_owned),
            model: given(&self.model).map(str::to_owned),
            from,
            to,
            in_trash: false,
        })
    }

    /// In which order.
    ///
    /// # Errors
    /// 400 for a word that we do not know.
    pub fn order(&self) -> Result<Sort, Problem> {
        match given(&self.sort) {
            None | Some("newest") => Ok(Sort::Newest),
            Some("oldest") => Ok(Sort::Oldest),
            Some("date") => Ok(Sort::Date),
            Some("largest") => Ok(Sort::Largest),
            Some(_) => Err(Problem::field("sort", label("sort"), "write one of newest, oldest, date, largest")),
        }
    }

    /// Behind which dataset.
    ///
    /// # Errors
    /// 400 for a key that was cut.
    pub fn key(&self) -> Result<Option<PageKey>, Problem> {
        given(&self.after).map(key_of).transpose()
    }

    /// What was typed into a field, for the form that shows it again.
    pub fn typed(&self, field: &str) -> &str {
        self.fields().into_iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value)
    }

    /// Whether there is a field of this name.
    pub fn knows(field: &str) -> bool {
        field == "after" || Self::default().fields().iter().any(|(name, _)| *name == field)
    }

    /// Whether a field says this.
    pub fn is(&self, field: &str, value: &dyn Display) -> bool {
        self.typed(field) == value.to_string()
    }

    /// Whether it leaves anything out.
    pub fn is_narrow(&self) -> bool {
        self.fields().into_iter().any(|(name, value)| name != "sort" && !value.is_empty())
    }

    /// The key of the page, behind the first one.
    pub fn after(&self) -> Option<&str> {
        given(&self.after)
    }

    /// Whether a field holds a day, or nothing yet: a browser offers days for it then.
    pub fn is_day(&self, field: &str) -> bool {
        let typed = self.typed(field);
        typed.is_empty() || typed.contains('-')
    }

    /// Everything that is bounded by a field of its own, behind the text: whether the filters are to be shown.
    pub fn has_bounds(&self) -> bool {
        self.fields().into_iter().any(|(name, value)| !matches!(name, "q" | "sort" | "device") && !value.is_empty())
    }

    /// The query of the same search from its beginning, or behind the key of a page.
    pub fn query(&self, after: Option<&str>) -> String {
        query_of(self.fields().into_iter().chain(after.map(|key| ("after", key))))
    }

    /// The address of a page of the search.
    pub fn address(&self, after: Option<&str>) -> String {
        format!("/recording/list/?{}", self.query(after))
    }

    fn fields(&self) -> [(&'static str, &str); 10] {
        [
            ("q", self.q.trim()),
            ("device", &self.device),
            ("participant", &self.participant),
            ("tag", &self.tag),
            ("verdict", &self.verdict),
            ("app", &self.app),
            ("model", &self.model),
            ("from", &self.from),
            ("to", &self.to),
            ("sort", &self.sort),
        ]
    }
}

/// The words of a page's key.
pub fn key_text(key: PageKey) -> String {
    format!("{}.{}", key.value, key.number)
}

/// The key that these words say.
pub fn key_of(text: &str) -> Result<PageKey, Problem> {
    let numbers = text.split_once('.').and_then(|(value, number)| Some((value.parse().ok()?, number.parse().ok()?)));
    let (value, number) = numbers.ok_or_else(broken_key)?;
    Ok(PageKey { value, number })
}

/// Who wore a device, as a field with this label says it.
pub fn wearer(label: &str, text: &str) -> Result<Wearer, Problem> {
    let parse = |text: &str| text.parse().map_err(|error| Problem::field("participant", label, error));
    if text == NONE { Ok(Wearer::Unassigned) } else { parse(text).map(Wearer::Participant) }
}

/// What stands beside a field on the page.
fn label(field: &str) -> &'static str {
    match field {
        "tag" => "Tag",
        "verdict" => "Verdict",
        "from" => "Begun from (UTC)",
        "to" => "until",
        "sort" => "Order",
        _ => "Watch",
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn parse<T: std::str::FromStr<Err = crate::ids::Malformed>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::field(field, label(field), error))
}

/// A day as `2026-11-20`, UTC: its beginning, or, for the end of a search, that of the next one. Or milliseconds since 1970.
fn time(field: &str, text: &str, end: bool) -> Result<Option<Millis>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    if let Ok(millis) = text.parse() {
        return Ok(Some(millis));
    }
    let day = text.parse::<Date>().ok().and_then(|day| if end { day.tomorrow().ok() } else { Some(day) });
    let start = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let start = start.ok_or_else(|| Problem::field(field, label(field), "write a day as in 2026-11-20, or milliseconds since 1970"))?;
    Ok(Some(start.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_at_both_ends() {
        let day = |field, end| time(field, "2026-11-20", end).ok().flatten().expect("a time");
        assert_eq!(day("to", true) - day("from", false), 24 * 60 * 60 * 1000);
        assert_eq!(day("from", false), 1_795_132_800_000);
        assert!(time("from", "yesterday", false).is_err() && time("from", "2026-13-01", false).is_err());
    }
}
