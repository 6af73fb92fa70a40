//! One participant: its label, its spans, and what was done to it.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::Deserialize;

use super::views::EnrolledView;
use crate::{
    audit::Action,
    catalog::{Audience, AuditEntry, Device, DeviceFilter},
    http::{
        admin::models::OwnModel,
        error::Problem,
        extract::{Form, Id, Sent},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::{ParticipantId, Tag},
    participants::Participants,
};

/// Devices that the page proposes; any other can be typed.
const PROPOSED: u32 = 200;

/// What a person writes about a participant.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Described {
    pub label: String,
    pub note: String,
}

#[derive(Template)]
#[template(path = "admin/participant.html")]
pub struct ParticipantPage {
    admin: Admin,
    enrolled: EnrolledView,
    devices: Vec<Device>,
    own: OwnModel,
    history: Vec<AuditEntry>,
}

/// A change as JSON: what is not named stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    label: Option<String>,
    note: Option<String>,
}

pub async fn page(admin: Admin, State(app): State<App>, Id(id): Id<ParticipantId>) -> Result<Page<ParticipantPage>, Problem> {
    let enrolled = enrolled(&app.participants, id).await?;
    let devices = app.handshake.devices(&DeviceFilter::default(), None, PROPOSED).await?;
    let own = OwnModel::of(&app, Audience::Participant(id)).await?;
    let history = app.audit.history(id).await?;
    Ok(Page(ParticipantPage { admin, enrolled, devices, own, history }))
}

pub async fn json(_: Admin, State(room): State<Participants>, Id(id): Id<ParticipantId>) -> Result<Json<EnrolledView>, Problem> {
    enrolled(&room, id).await.map(Json)
}

/// `POST /participant/{id}/describe`: label and note.
pub async fn describe(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ParticipantId>,
    Form(form): Form<Described>,
) -> Result<Redirect, Problem> {
    change(&app, &admin, id, &form).await?;
    Ok(Redirect::to(&format!("/participant/{id}/#saved")))
}

/// `PATCH /api/v1/participants/{id}`.
pub async fn patch(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ParticipantId>,
    Sent(patch): Sent<Patch>,
) -> Result<Json<EnrolledView>, Problem> {
    let before = enrolled(&app.participants, id).await?.participant;
    let label = patch.label.unwrap_or_else(|| before.label.to_string());
    change(&app, &admin, id, &Described { label, note: patch.note.unwrap_or(before.note) }).await?;
    enrolled(&app.participants, id).await.map(Json)
}

pub async fn delete_on_page(admin: Admin, app: State<App>, id: Id<ParticipantId>) -> Result<Redirect, Problem> {
    delete(admin, app, id).await?;
    Ok(Redirect::to("/participant/list/#deleted"))
}

pub async fn delete(admin: Admin, State(app): State<App>, Id(id): Id<ParticipantId>) -> Result<StatusCode, Problem> {
    app.participants.remove(id).await?;
    app.audit.note(&admin.name, Action::Edited, id, "deleted, with its spans").await;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(app: &App, admin: &Admin, id: ParticipantId, described: &Described) -> Result<(), Problem> {
    let changed = app.participants.change(id, &label(&described.label)?, &described.note).await?;
    app.audit.note_edited(&admin.name, id, &changed).await;
    Ok(())
}

/// A label as a field says it.
pub fn label(text: &str) -> Result<Tag, Problem> {
    text.parse().map_err(|error| Problem::field("label", "Label", error))
}

/// A participant with its spans, or 404.
pub async fn enrolled(room: &Participants, id: ParticipantId) -> Result<EnrolledView, Problem> {
    room.one(id).await?.map(EnrolledView::of).ok_or_else(|| Problem::not_found("participant"))
}
