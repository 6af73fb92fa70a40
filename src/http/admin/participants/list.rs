//! The list of participants: a page, and JSON; and a new one.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use super::one::{self, Described};
use super::views::{EnrolledView, ParticipantView};
use crate::{
    audit::Action,
    http::{
        admin::{cut, query_of, sought},
        error::Problem,
        extract::{Form, Params, Sent},
        html::Page,
        passwords::Admin,
        state::App,
    },
    ids::ParticipantId,
    participants::Participants,
};

/// Participants on one page.
const PAGE: u32 = 100;

/// Which participants, as an address says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    after: String,
}

/// One page of participants.
#[derive(Serialize)]
pub struct ParticipantsView {
    participants: Vec<ParticipantView>,
    /// The key of the next page, for `after`; none on the last one.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/participants.html")]
pub struct ParticipantsPage {
    admin: Admin,
    search: Search,
    list: ParticipantsView,
}

impl Search {
    fn query(&self, after: Option<&str>) -> String {
        query_of([("q", self.q.trim()), ("after", after.unwrap_or_default())])
    }
}

pub async fn page(
    admin: Admin,
    State(room): State<Participants>,
    Params(search): Params<Search>,
) -> Result<Page<ParticipantsPage>, Problem> {
    let list = find(&room, &search).await?;
    Ok(Page(ParticipantsPage { admin, search, list }))
}

pub async fn json(_: Admin, State(room): State<Participants>, Params(search): Params<Search>) -> Result<Json<ParticipantsView>, Problem> {
    find(&room, &search).await.map(Json)
}

/// `POST /participant/add`.
pub async fn add_on_page(admin: Admin, State(app): State<App>, Form(form): Form<Described>) -> Result<Redirect, Problem> {
    let id = enrol(&app, &admin, &form).await?;
    Ok(Redirect::to(&format!("/participant/{id}/")))
}

/// `POST /api/v1/participants`.
pub async fn add(admin: Admin, State(app): State<App>, Sent(sent): Sent<Described>) -> Result<(StatusCode, Json<EnrolledView>), Problem> {
    let id = enrol(&app, &admin, &sent).await?;
    Ok((StatusCode::CREATED, Json(one::enrolled(&app.participants, id).await?)))
}

async fn enrol(app: &App, admin: &Admin, described: &Described) -> Result<ParticipantId, Problem> {
    let id = app.participants.add(&one::label(&described.label)?, &described.note).await?;
    app.audit.note(&admin.name, Action::Edited, id, "added").await;
    Ok(id)
}

async fn find(room: &Participants, search: &Search) -> Result<ParticipantsView, Problem> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    // One more than is shown tells whether there is a next page.
    let mut found = room.list(sought("Label or note", &search.q)?.as_deref(), given(&search.after).as_deref(), PAGE + 1).await?;
    let next = cut(&mut found, PAGE).map(|last| last.label.to_string());
    Ok(ParticipantsView { participants: found.into_iter().map(ParticipantView::of).collect(), next })
}
