//! The same said of many recordings at once: those that are ticked, or all that a search finds.

use std::collections::HashSet;

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    one::{apply, assignment, tag, verdict},
    search::Search,
};
use crate::{
    http::{admin::trash::put_into_trash, error::Problem, extract::Form, passwords::Admin, state::App},
    ids::DatasetId,
    recordings::Change,
};

/// Recordings that one form may change.
const MOST: u32 = 10_000;

/// What is to be done, and with which recordings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bulk {
    /// `tag`, `untag`, `verdict`, `participant` or `delete`.
    act: String,
    /// Those that are ticked.
    uuid: Vec<String>,
    /// `all`: everything that the search finds.
    which: String,
    tag: String,
    verdict: String,
    reason: String,
    participant: String,
    /// The search that was shown, as its query.
    search: String,
}

/// `POST /recording/bulk`: carries it out and comes back to the same page of the list.
pub async fn change(admin: Admin, State(app): State<App>, Form(bulk): Form<Bulk>) -> Result<Response, Problem> {
    let search = bulk.search()?;
    let done = if bulk.act == "delete" {
        put_into_trash(&app, &admin, &bulk.chosen(&app, &search).await?).await?;
        "deleted"
    } else {
        let change = bulk.change()?;
        apply(&app, &admin, &bulk.chosen(&app, &search).await?, &[change]).await?;
        "changed"
    };
    Ok(Redirect::to(&format!("{}#{done}", search.address(search.after()))).into_response())
}

impl Bulk {
    fn change(&self) -> Result<Change, Problem> {
        match self.act.as_str() {
            "tag" => tag(&self.tag).map(Change::Tag),
            "untag" => tag(&self.tag).map(Change::Untag),
            "verdict" => verdict(&self.verdict, &self.reason),
            "participant" => assignment(&self.participant),
            _ => Err(Problem::malformed("choose what is to be done with the recordings")),
        }
    }

    /// The search that was shown. A field that we do not know would be left out, and more be changed than was meant.
    pub fn search(&self) -> Result<Search, Problem> {
        let unreadable = |error| Problem::malformed(format!("search: it cannot be read: {error}; search again"));
        let fields: Vec<(String, String)> = serde_html_form::from_str(&self.search).map_err(unreadable)?;
        if let Some((name, _)) = fields.iter().find(|(name, _)| !Search::knows(name)) {
            return Err(Problem::malformed(format!(
                "search: no search has a field {name:?}; nothing was done: take it out, or search again"
            )));
        }
        serde_html_form::from_str(&self.search).map_err(unreadable)
    }

    /// The recordings that are meant, each once.
    pub async fn chosen(&self, app: &App, search: &Search) -> Result<Vec<DatasetId>, Problem> {
        let mut chosen = if self.which == "all" {
            app.recordings.uuids(&search.filter()?, MOST + 1).await?
        } else {
            self.uuid.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?
        };
        let mut seen = HashSet::new();
        chosen.retain(|uuid| seen.insert(*uuid));
        if chosen.is_empty() {
            return Err(Problem::malformed("tick at least one recording, and go back to do so"));
        }
        if chosen.len() > MOST as usize {
            return Err(Problem::malformed(format!("these are more than {MOST} recordings; narrow the search")));
        }
        Ok(chosen)
    }
}
