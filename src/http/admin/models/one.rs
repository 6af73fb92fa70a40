//! One model: what its file says of itself, what people say of it, who is to have it.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::{
    typed::Typed,
    views::{ModelView, Shown},
};
use crate::{
    audit::Action,
    catalog::{AuditEntry, ModelNotes},
    http::{
        admin::SEGMENT,
        error::Problem,
        extract::{Form, Id, Sent},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::{ModelId, ParticipantId},
    models::SENSORS,
};

#[derive(Template)]
#[template(path = "admin/model.html")]
pub struct ModelPage {
    admin: Admin,
    model: ModelView,
    participants: Vec<(ParticipantId, String)>,
    watches: Vec<String>,
    history: Vec<AuditEntry>,
}

impl ModelPage {
    /// Where its file is.
    fn address(&self) -> String {
        format!("/uploads/tf_models/{}/{}", self.model.id, utf8_percent_encode(&self.model.name, SEGMENT))
    }

    /// The settings, each with its value as a person reads it.
    fn settings(&self) -> Vec<(&str, String)> {
        let Some(settings) = self.model.settings.as_object() else { return Vec::new() };
        let sensor = |value: &serde_json::Value| {
            let known = SENSORS.iter().find(|(sensor, _)| value.as_u64() == Some(u64::from(*sensor)));
            known.map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned())
        };
        let said = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
            "required_sensors" => value.as_array().into_iter().flatten().map(sensor).collect::<Vec<_>>().join("; "),
            "frame_size" => format!("{value} samples"),
            "mean_kernel_size" => format!("{value} predictions"),
            "notification_cool_down" => format!("{value} seconds"),
            _ => value.to_string(),
        };
        settings.iter().map(|setting| (Typed::label(setting.0), said(setting))).collect()
    }
}

/// What a person writes about a model; as JSON, what is not named stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Described {
    version: Option<String>,
    notes: Option<String>,
}

pub async fn page(admin: Admin, State(app): State<App>, Id(id): Id<ModelId>) -> Result<Page<ModelPage>, Problem> {
    let shown = Shown::now(&app).await?;
    let watches = shown.devices.iter().map(|device| device.watch.clone()).collect();
    let participants = shown.participants.clone();
    let (model, history) = (found(shown, id)?, app.audit.history(id).await?);
    Ok(Page(ModelPage { admin, model, participants, watches, history }))
}

pub async fn json(_: Admin, State(app): State<App>, Id(id): Id<ModelId>) -> Result<Json<ModelView>, Problem> {
    view(&app, id).await.map(Json)
}

/// A model, or 404.
pub async fn view(app: &App, id: ModelId) -> Result<ModelView, Problem> {
    found(Shown::now(app).await?, id)
}

fn found(shown: Shown, id: ModelId) -> Result<ModelView, Problem> {
    shown.models.into_iter().find(|model| model.id == id).ok_or_else(|| Problem::not_found("model"))
}

/// `POST /tfmodel/{id}/describe`: version and notes.
pub async fn describe(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ModelId>,
    Form(described): Form<Described>,
) -> Result<Redirect, Problem> {
    say(&app, &admin, id, described).await?;
    Ok(Redirect::to(&format!("/tfmodel/{id}/#saved")))
}

/// `PATCH /api/v1/models/{id}`.
pub async fn patch(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<ModelId>,
    Sent(described): Sent<Described>,
) -> Result<Json<ModelView>, Problem> {
    say(&app, &admin, id, described).await?;
    view(&app, id).await.map(Json)
}

async fn say(app: &App, admin: &Admin, id: ModelId, described: Described) -> Result<(), Problem> {
    let ModelNotes { version, notes } = app.models.one(id).await?.notes;
    let notes = ModelNotes { version: described.version.unwrap_or(version), notes: described.notes.unwrap_or(notes) };
    app.models.describe(id, notes).await?;
    app.audit.note(&admin.name, Action::Edited, id, "version and notes").await;
    Ok(())
}

pub async fn delete_on_page(admin: Admin, app: State<App>, id: Id<ModelId>) -> Result<Redirect, Problem> {
    delete(admin, app, id).await?;
    Ok(Redirect::to("/tfmodel/#removed"))
}

/// `DELETE /api/v1/models/{id}`: 409 with the list of who uses it, where somebody does.
pub async fn delete(admin: Admin, State(app): State<App>, Id(id): Id<ModelId>) -> Result<StatusCode, Problem> {
    let name = app.models.one(id).await?.name;
    app.models.remove(id).await?;
    app.audit.note(&admin.name, Action::Removed, id, name.as_str()).await;
    Ok(StatusCode::NO_CONTENT)
}
