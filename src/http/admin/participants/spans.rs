//! Spans: on which days a participant wore which device. Both days are included.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Redirect,
};
use serde::Deserialize;

use super::{one::enrolled, views::EnrolledView};
use crate::{
    audit::Action,
    http::{
        error::Problem,
        extract::{Form, Id, Sent},
        passwords::Admin,
        state::App,
    },
    ids::ParticipantId,
    participants::{Changed, Day},
};

/// A span as a form or a script says it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanForm {
    /// The device's id, or what it is called.
    device: String,
    from: String,
    /// Empty while it is worn.
    until: Option<String>,
}

/// The last day of a span.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Empty or `null` while it is worn; but it must be said.
    #[serde(deserialize_with = "Option::deserialize")]
    until: Option<String>,
}

/// A participant and one of its spans, in an address.
type Ids = Path<(String, String)>;

/// `POST /participant/{id}/spans`.
pub async fn add_on_page(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ParticipantId>,
    Form(said): Form<SpanForm>,
) -> Result<Redirect, Problem> {
    begin(&app, &admin, id, &said).await?;
    Ok(back(id))
}

/// `POST /api/v1/participants/{id}/spans`.
pub async fn add(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ParticipantId>,
    Sent(said): Sent<SpanForm>,
) -> Result<(StatusCode, Json<EnrolledView>), Problem> {
    begin(&app, &admin, id, &said).await?;
    Ok((StatusCode::CREATED, Json(enrolled(&app.participants, id).await?)))
}

/// `POST /participant/{id}/spans/{span}/end`.
pub async fn end_on_page(admin: Admin, State(app): State<App>, Path(ids): Ids, Form(said): Form<End>) -> Result<Redirect, Problem> {
    let until = last_day(said.until.as_deref())?;
    let until = until.ok_or_else(|| Problem::field("until", "Last day", "choose the last day on which the watch was worn"))?;
    end_one(&app, &admin, &ids, Some(until)).await.map(back)
}

/// `POST /participant/{id}/spans/{span}/reopen`: it is worn still.
pub async fn reopen_on_page(admin: Admin, State(app): State<App>, Path(ids): Ids) -> Result<Redirect, Problem> {
    end_one(&app, &admin, &ids, None).await.map(back)
}

/// `PATCH /api/v1/participants/{id}/spans/{span}`.
pub async fn end(admin: Admin, State(app): State<App>, Path(ids): Ids, Sent(said): Sent<End>) -> Result<Json<EnrolledView>, Problem> {
    let id = end_one(&app, &admin, &ids, last_day(said.until.as_deref())?).await?;
    enrolled(&app.participants, id).await.map(Json)
}

/// `POST /participant/{id}/spans/{span}/delete`.
pub async fn delete_on_page(admin: Admin, State(app): State<App>, Path(ids): Ids) -> Result<Redirect, Problem> {
    delete_one(&app, &admin, &ids).await.map(back)
}

/// `DELETE /api/v1/participants/{id}/spans/{span}`.
pub async fn delete(admin: Admin, State(app): State<App>, Path(ids): Ids) -> Result<StatusCode, Problem> {
    delete_one(&app, &admin, &ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn begin(app: &App, admin: &Admin, id: ParticipantId, said: &SpanForm) -> Result<(), Problem> {
    let (from, until) = (day("from", "First day", &said.from)?, last_day(said.until.as_deref())?);
    enrolled(&app.participants, id).await?;
    let device = app.handshake.device_called(&said.device).await?;
    let changed = app.participants.add_span(id, device, from, until).await?;
    let until = until.map_or("on".to_owned(), |day| format!("until {day}"));
    note(app, admin, id, &changed, &format!("worn from {from} {until}")).await;
    Ok(())
}

async fn end_one(app: &App, admin: &Admin, (id, span): &(String, String), until: Option<Day>) -> Result<ParticipantId, Problem> {
    let id = participant(id)?;
    let before = enrolled(&app.participants, id).await?.spans.into_iter().find(|before| before.id == *span);
    // What changes nothing leaves nothing in the trail.
    if before.is_some_and(|before| before.until == until.map(|day| day.to_string())) {
        return Ok(id);
    }
    let changed = app.participants.end_span(id, span, until).await?;
    let what = until.map_or("worn still, without a last day".to_owned(), |day| format!("worn until {day}"));
    note(app, admin, id, &changed, &what).await;
    Ok(id)
}

async fn delete_one(app: &App, admin: &Admin, (id, span): &(String, String)) -> Result<ParticipantId, Problem> {
    let id = participant(id)?;
    let changed = app.participants.remove_span(id, span).await?;
    note(app, admin, id, &changed, "a span was taken back").await;
    Ok(id)
}

/// Notes a change at the participant and at the device.
async fn note(app: &App, admin: &Admin, id: ParticipantId, changed: &Changed, what: &str) {
    let detail = format!("{id}: {what}; recordings assigned anew: {}", changed.recordings);
    app.audit.note_all(&admin.name, Action::Assigned, &[id.to_string(), changed.device.to_string()], &detail).await;
}

fn participant(text: &str) -> Result<ParticipantId, Problem> {
    text.parse().map_err(|_| Problem::not_found("participant"))
}

fn last_day(text: Option<&str>) -> Result<Option<Day>, Problem> {
    text.filter(|text| !text.trim().is_empty()).map(|text| day("until", "Last day", text)).transpose()
}

fn day(field: &str, label: &str, text: &str) -> Result<Day, Problem> {
    text.parse().map_err(|error| Problem::field(field, label, error))
}

fn back(id: ParticipantId) -> Redirect {
    Redirect::to(&format!("/participant/{id}/"))
}
