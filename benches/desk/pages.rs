//! The pages that are measured.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::facts::{Facts, SORTS};

/// A page. Of those of a group, only the slowest is written down.
pub struct Page {
    pub group: Option<&'static str>,
    pub what: String,
    pub path: String,
}

/// A word that stands in every recording, for it begins the name of a file.
const COMMON: &str = "accelerometer";

impl Page {
    fn new(what: impl Into<String>, path: impl Into<String>) -> Self {
        Self { group: None, what: what.into(), path: path.into() }
    }

    /// The list, searched.
    fn list(what: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        Self::new(what, format!("/recording/list/?{}", query(fields)))
    }

    pub fn name(&self) -> String {
        self.group.map_or(self.what.clone(), |group| format!("{group}: {}", self.what))
    }
}

fn query(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

pub fn all(facts: &Facts) -> Vec<Page> {
    let mut pages = vec![Page::new("front page", "/"), Page::list("list", &[])];
    pages.extend(words());
    pages.extend(orders(facts));
    pages.extend(filters(facts));
    pages.extend(others(facts));
    pages
}

fn words() -> impl Iterator<Item = Page> {
    let searches = [
        ("a word that all have", COMMON),
        ("the beginning of one that all have", "acc"),
        ("a word that one has", "zebra"),
        ("a word that none has", "giraffe"),
        ("two words that all have", "accelerometer gyroscope"),
        ("one that all have, and one that one has", "accelerometer zebra"),
        ("two that some have", "breakfast room"),
        ("a number", "2026"),
    ];
    searches.into_iter().map(|(what, words)| Page::list(what, &[("q", words)]))
}

fn orders(facts: &Facts) -> impl Iterator<Item = Page> {
    let first = SORTS.into_iter().map(|(sort, ..)| Page::list(format!("{sort} first"), &[("sort", sort)]));
    let deep = facts.keys.iter().map(|(sort, place, key)| Page::list(format!("{sort} first, {place}"), &[("sort", sort), ("after", key)]));
    let common = facts.keys.iter().map(|(sort, place, key)| {
        let fields = [("q", COMMON), ("sort", sort), ("after", key)];
        Page { group: Some("a word that all have, on a deep page"), ..Page::list(format!("{sort} first, {place}"), &fields) }
    });
    first.chain(deep).chain(common)
}

fn filters(facts: &Facts) -> Vec<Page> {
    let day = |back: i64| (Timestamp::now().to_zoned(TimeZone::UTC).date() - back.days()).to_string();
    let (new, old, old_end) = (day(7), day(360), day(350));
    let filters: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("a word that all have", vec![("q", COMMON)]),
        ("a word that one has", vec![("q", "zebra")]),
        ("a device", vec![("device", &facts.device)]),
        ("a participant", vec![("participant", &facts.participant)]),
        ("unassigned", vec![("participant", "none")]),
        ("a common tag", vec![("tag", "breakfast")]),
        ("a rare tag", vec![("tag", "seldom")]),
        ("a verdict", vec![("verdict", "usable")]),
        ("no verdict", vec![("verdict", "none")]),
        ("a version", vec![("app", "1.4.2")]),
        ("a version that none has", vec![("app", "9")]),
        ("a model", vec![("model", "hands-3.tflite")]),
        ("this week", vec![("from", &new)]),
        ("a week a year ago", vec![("from", &old), ("to", &old_end)]),
    ];
    let mut pages: Vec<_> = filters.iter().map(|(what, fields)| Page::list(*what, fields)).collect();
    for (what, fields) in &filters {
        for (sort, ..) in &SORTS[1..] {
            let fields: Vec<_> = fields.iter().copied().chain([("sort", *sort)]).collect();
            pages.push(Page { group: Some("a filter, in another order"), ..Page::list(format!("{what}, {sort} first"), &fields) });
        }
    }
    for (at, (what, fields)) in filters.iter().enumerate() {
        let beside = filters[at + 1..].iter().filter(|(_, other)| other[0].0 != fields[0].0);
        pages.extend(beside.map(|(other, more)| {
            let fields = [&fields[..], more].concat();
            Page { group: Some("two filters"), ..Page::list(format!("{what}, {other}"), &fields) }
        }));
    }
    pages
}

fn others(facts: &Facts) -> Vec<Page> {
    let Facts { uuid, device, .. } = facts;
    let week = (Timestamp::now() - 72.hours()).as_millisecond().to_string();
    vec![
        Page::new("a recording", format!("/recording/{uuid}/")),
        Page::new("the list as JSON", "/api/v1/datasets"),
        Page::new("a search as JSON", format!("/api/v1/datasets?q={COMMON}&tag=breakfast")),
        Page::new("three days as CSV, 800 rows", format!("/recording/list.csv?from={week}")),
        Page::new("devices", "/device/list/"),
        Page::new("a device", format!("/device/{device}/")),
        Page::new("requests", "/tokenauth/check/"),
        Page::new("missing", "/missing/"),
        Page::new("quarantine", "/quarantine/"),
        Page::new("audit", "/audit/"),
        Page::new("audit, of one user", "/audit/?who=ada"),
        Page::new("audit, of a user who did little", "/audit/?who=eve"),
        Page::new("audit, of a rare action", "/audit/?action=changed%20settings"),
        Page::new("audit, of a rare action and a user who never did it", "/audit/?action=changed%20settings&who=ada"),
        Page::new("audit, of a common action and a user who did little", "/audit/?action=downloaded&who=eve"),
        Page::new("audit, of a recording", format!("/audit/?subject={uuid}")),
        Page::new("audit, in the middle", "/audit/?before=100000"),
    ]
}
