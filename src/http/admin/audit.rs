//! The audit trail, for operators: who did what, as a page and as CSV.

use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

use super::{broken_key, cut, query_of, table};
use crate::{
    audit::{Action, Audit},
    catalog::{AuditEntry, AuditFilter},
    config::Settings,
    http::{
        auth::Operator,
        error::Problem,
        extract::Params,
        html::{Page, filters},
        passwords::Admin,
    },
};

/// Entries on one page.
const PAGE: u32 = 100;
/// Entries in one CSV.
const CSV_ROWS: u32 = 100_000;

/// Which entries to show. Fields that are empty say nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Search {
    who: String,
    action: String,
    subject: String,
    before: String,
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
pub struct AuditPage {
    admin: Admin,
    search: Search,
    users: Vec<String>,
    entries: Vec<AuditEntry>,
    first: Option<String>,
    next: Option<String>,
}

pub async fn page(
    Operator(admin): Operator,
    State(audit): State<Audit>,
    State(settings): State<Settings>,
    Params(search): Params<Search>,
) -> Result<Page<AuditPage>, Problem> {
    let mut entries = audit.entries(&search.filter()?, PAGE + 1).await?;
    let next = cut(&mut entries, PAGE).map(|last| search.address("/audit/", Some(last.number)));
    let first = (!search.before.trim().is_empty()).then(|| search.address("/audit/", None));
    let mut users: Vec<_> = settings.now().users.iter().map(|user| user.name.clone()).collect();
    // Somebody who is no user any more, or the house.
    if !search.who.is_empty() && !users.contains(&search.who) {
        users.push(search.who.clone());
    }
    Ok(Page(AuditPage { admin, search, users, entries, first, next }))
}

/// The same as CSV, all of it.
pub async fn csv(_: Operator, State(audit): State<Audit>, Params(search): Params<Search>) -> Result<Response, Problem> {
    let entries = audit.entries(&search.filter()?, CSV_ROWS).await?;
    let rows = entries.into_iter().map(|entry| [filters::iso(entry.at), entry.who, entry.action, entry.subject, entry.detail]);
    table::send("audit.csv", ["at", "who", "action", "subject", "detail"], rows)
}

impl Search {
    fn filter(&self) -> Result<AuditFilter, Problem> {
        let given = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let known = |word: &String| Action::ALL.iter().any(|action| action.as_str() == word);
        if given(&self.action).is_some_and(|word| !known(&word)) {
            return Err(Problem::malformed("action: choose one from the list"));
        }
        let before = given(&self.before).map(|text| text.parse().map_err(|_| broken_key())).transpose()?;
        Ok(AuditFilter { who: given(&self.who), action: given(&self.action), subject: given(&self.subject), before })
    }

    fn address(&self, path: &str, before: Option<i64>) -> String {
        let before = before.map(|number| number.to_string()).unwrap_or_default();
        let query = query_of([("who", &*self.who), ("action", &self.action), ("subject", &self.subject), ("before", &before)]);
        format!("{path}?{query}")
    }
}
