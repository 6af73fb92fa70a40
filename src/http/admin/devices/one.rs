//! One device: what it is, what people say of it, its tokens, who wore it, and what was done to it.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Deserializer};

use super::{
    calendar::{CalendarSpan, CalendarView},
    views::{KnownView, MissingOf},
};
use crate::{
    audit::Action,
    catalog::{AuditEntry, DeviceNotes},
    handshake::DeviceError,
    http::{
        admin::models::ModelsOfDevice,
        error::Problem,
        extract::{Form, Id, Params, Sent},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::DeviceId,
};

#[derive(Template)]
#[template(path = "admin/device.html")]
pub struct DevicePage {
    admin: Admin,
    known: KnownView,
    missing: MissingOf,
    models: ModelsOfDevice,
    calendar: CalendarView,
    history: Vec<AuditEntry>,
}

/// What a person writes about a device.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Described {
    name: String,
    note: String,
    /// Empty for what its rhythm says.
    silent_hours: String,
}

/// The same as JSON: what is not named stays.
#[expect(clippy::option_option, reason = "a field that is null is another thing than one that is not there")]
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    note: Option<String>,
    /// `null` for what its rhythm says.
    #[serde(deserialize_with = "given")]
    silent_hours: Option<Option<u32>>,
}

/// Tells `null` from a field that is not there.
#[expect(clippy::option_option, reason = "as above")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub async fn page(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<DeviceId>,
    Params(span): Params<CalendarSpan>,
) -> Result<Page<DevicePage>, Problem> {
    let known = known(&app, id).await?;
    let history = app.audit.history(id).await?;
    let calendar = CalendarView::of(&app.reader, id, &span, app.timekeeping.now()).await?;
    let models = ModelsOfDevice::now(&app, id).await?;
    let missing = MissingOf::device(&app.reader.missing(), id);
    Ok(Page(DevicePage { admin, known, missing, models, calendar, history }))
}

pub async fn json(_: Admin, State(app): State<App>, Id(id): Id<DeviceId>) -> Result<Json<KnownView>, Problem> {
    known(&app, id).await.map(Json)
}

/// `POST /device/{id}/describe`: name, note, and how long it may be silent.
pub async fn describe(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<DeviceId>,
    Form(form): Form<Described>,
) -> Result<Redirect, Problem> {
    let silent_hours = match form.silent_hours.trim() {
        "" => None,
        // What is too large for us is too large for the rule, too.
        hours if hours.bytes().all(|byte| byte.is_ascii_digit()) => Some(hours.parse().unwrap_or(u32::MAX)),
        _ => return Err(DeviceError::Silence.into()),
    };
    say(&app, &admin, id, DeviceNotes { name: form.name, note: form.note, silent_hours }).await?;
    Ok(back(id, "#saved"))
}

/// `PATCH /api/v1/devices/{id}`.
pub async fn patch(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<DeviceId>,
    Sent(patch): Sent<Patch>,
) -> Result<Json<KnownView>, Problem> {
    let before = known(&app, id).await?.device;
    let (name, note) = (patch.name.unwrap_or(before.name), patch.note.unwrap_or(before.note));
    say(&app, &admin, id, DeviceNotes { name, note, silent_hours: patch.silent_hours.unwrap_or(before.silent_hours) }).await?;
    known(&app, id).await.map(Json)
}

async fn say(app: &App, admin: &Admin, id: DeviceId, notes: DeviceNotes) -> Result<(), Problem> {
    let changed = app.handshake.describe_device(id, notes).await?;
    app.reader.mark();
    app.audit.note_edited(&admin.name, id, &changed).await;
    Ok(())
}

async fn known(app: &App, id: DeviceId) -> Result<KnownView, Problem> {
    let known = app.handshake.device(id).await?.ok_or_else(|| Problem::not_found("device"))?;
    let standing = app.models.standings().await?.get(&id).copied();
    Ok(KnownView::of(known, standing))
}

pub async fn revoke_on_page(admin: Admin, app: State<App>, Id(id): Id<DeviceId>) -> Result<Redirect, Problem> {
    revoke(admin, app, Id(id)).await.map(|_| back(id, ""))
}

pub async fn restore_on_page(admin: Admin, app: State<App>, Id(id): Id<DeviceId>) -> Result<Redirect, Problem> {
    restore(admin, app, Id(id)).await.map(|_| back(id, "#let-in"))
}

pub async fn end_older_tokens_on_page(admin: Admin, app: State<App>, Id(id): Id<DeviceId>) -> Result<Redirect, Problem> {
    end_older_tokens(admin, app, Id(id)).await.map(|_| back(id, "#ended"))
}

pub async fn revoke(admin: Admin, State(app): State<App>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    let known = app.handshake.set_revoked(id, true, &admin.name).await?;
    done(&app, &admin, id, known, Action::Revoked).await
}

pub async fn restore(admin: Admin, State(app): State<App>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    let known = app.handshake.set_revoked(id, false, &admin.name).await?;
    done(&app, &admin, id, known, Action::LetInAgain).await
}

pub async fn end_older_tokens(admin: Admin, State(app): State<App>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    let known = app.handshake.end_older_tokens(id, &admin.name).await?;
    done(&app, &admin, id, known, Action::EndedTokens).await
}

async fn done(app: &App, admin: &Admin, id: DeviceId, known: bool, action: Action) -> Result<StatusCode, Problem> {
    if !known {
        return Err(Problem::not_found("device"));
    }
    app.audit.note(&admin.name, action, id, "").await;
    Ok(StatusCode::NO_CONTENT)
}

/// To the device's page, and to what it says of what was done.
fn back(id: DeviceId, done: &str) -> Redirect {
    Redirect::to(&format!("/device/{id}/{done}"))
}
