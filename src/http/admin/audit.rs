//! The audit trail, for operators: who did what, as a page and as CSV.

use std::collections::HashMap;

use askama::Template;
use axum::{extract::State, response::Response};
use futures_util::stream;
use serde::Deserialize;

use super::{broken_key, cut, query_of, table};
use crate::{
    audit::{Action, Audit},
    catalog::{AuditEntry, AuditFilter, Subject},
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
    subjects: HashMap<String, Subject>,
    next: Option<String>,
}

impl AuditPage {
    /// The page of what an entry is about, if there is one.
    fn address_of(&self, entry: &AuditEntry) -> Option<String> {
        let id = entry.id();
        if entry.action == Action::Configured.as_str() {
            return Some("/settings/".to_owned());
        }
        Some(match self.subjects.get(id)? {
            Subject::Recording => format!("/recording/{id}/"),
            Subject::Device => format!("/device/{id}/"),
            Subject::Participant => format!("/participant/{id}/"),
            Subject::Model => format!("/tfmodel/{id}/"),
        })
    }
}

pub async fn page(
    Operator(admin): Operator,
    State(audit): State<Audit>,
    State(settings): State<Settings>,
    Params(search): Params<Search>,
) -> Result<Page<AuditPage>, Problem> {
    let mut entries = audit.entries(&search.filter()?, PAGE + 1).await?;
    let next = cut(&mut entries, PAGE).map(|last| search.address("/audit/", Some(last.number)));
    let subjects = audit.subjects(&entries).await?;
    let first = (!search.before.trim().is_empty()).then(|| search.address("/audit/", None));
    let mut users: Vec<_> = settings.now().users.iter().map(|user| user.name.clone()).collect();
    // Somebody who is no user any more, or the house.
    if !search.who.is_empty() && !users.contains(&search.who) {
        users.push(search.who.clone());
    }
    Ok(Page(AuditPage { admin, search, users, entries, first, subjects, next }))
}

/// The same as CSV, all of it.
pub async fn csv(_: Operator, State(audit): State<Audit>, Params(search): Params<Search>) -> Result<Response, Problem> {
    let rows = stream::try_unfold(search.filter()?, move |mut filter| {
        let audit = audit.clone();
        async move {
            let entries = audit.entries(&filter, table::ROWS).await?;
            let Some(last) = entries.last() else { return Ok(None) };
            filter.before = Some(last.number);
            Ok(Some((entries.into_iter().map(row).collect(), filter)))
        }
    });
    table::send("audit.csv", ["at", "who", "action", "subject", "detail"], rows).await
}

fn row(entry: AuditEntry) -> [String; 5] {
    [filters::iso(entry.at), entry.who, entry.action, entry.subject, entry.detail]
}

impl Search {
    fn filter(&self) -> Result<AuditFilter, Problem> {
        let given = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let known = |word: &String| Action::ALL.iter().any(|action| action.as_str() == word);
        if given(&self.action).is_some_and(|word| !known(&word)) {
            return Err(Problem::field("action", "What", "choose one from the list"));
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
