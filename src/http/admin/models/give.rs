//! Giving models: to everyone, to a participant, to a device; and back to the one before.

use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    audit::Action,
    catalog::Audience,
    http::{
        error::Problem,
        extract::{Form, Sent},
        passwords::Admin,
        state::App,
    },
    ids::ModelId,
};

/// Who is to have which model, as a form or a script says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    to: To,
    /// The device's id, or what it is called.
    #[serde(default)]
    device: String,
    /// The participant's id.
    #[serde(default)]
    participant: String,
    /// Empty or `null` for no model of its own.
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    Everyone,
    Participant,
    Device,
}

impl Gift {
    async fn audience(&self, app: &App) -> Result<Audience, Problem> {
        Ok(match self.to {
            To::Everyone => Audience::Everyone,
            To::Participant => {
                let participant = self.participant.parse().map_err(|error| Problem::malformed(format!("participant: {error}")))?;
                Audience::Participant(participant)
            }
            To::Device => Audience::Device(app.handshake.device_called(&self.device).await?),
        })
    }

    fn model(&self) -> Result<Option<ModelId>, Problem> {
        let model = self.model.as_deref().map(str::trim).filter(|model| !model.is_empty());
        model.map(str::parse).transpose().map_err(|error| Problem::malformed(format!("model: {error}")))
    }
}

/// `POST /tfmodel/give`.
pub async fn give_on_page(admin: Admin, State(app): State<App>, Form(gift): Form<Gift>) -> Result<Redirect, Problem> {
    give_one(&app, &admin, &gift).await.map(back)
}

/// `POST /api/v1/models/give`.
pub async fn give(admin: Admin, State(app): State<App>, Sent(gift): Sent<Gift>) -> Result<StatusCode, Problem> {
    give_one(&app, &admin, &gift).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /tfmodel/back`: what it had before.
pub async fn go_back_on_page(admin: Admin, State(app): State<App>, Form(gift): Form<Gift>) -> Result<Redirect, Problem> {
    go_back_one(&app, &admin, &gift).await.map(|(audience, _)| back(audience))
}

/// `POST /api/v1/models/back`.
pub async fn go_back(admin: Admin, State(app): State<App>, Sent(gift): Sent<Gift>) -> Result<Json<Value>, Problem> {
    let (_, model) = go_back_one(&app, &admin, &gift).await?;
    Ok(Json(json!({"model": model})))
}

async fn give_one(app: &App, admin: &Admin, gift: &Gift) -> Result<Audience, Problem> {
    let (audience, model) = (gift.audience(app).await?, gift.model()?);
    app.models.give(audience, model, &admin.name).await?;
    note(app, admin, Action::Given, audience, model).await?;
    Ok(audience)
}

async fn go_back_one(app: &App, admin: &Admin, gift: &Gift) -> Result<(Audience, Option<ModelId>), Problem> {
    let audience = gift.audience(app).await?;
    let model = app.models.go_back(audience).await?;
    note(app, admin, Action::WentBack, audience, model).await?;
    Ok((audience, model))
}

async fn note(app: &App, admin: &Admin, action: Action, audience: Audience, model: Option<ModelId>) -> Result<(), Problem> {
    let subject = match audience {
        Audience::Everyone => "everyone".to_owned(),
        Audience::Participant(id) => id.to_string(),
        Audience::Device(id) => id.to_string(),
    };
    let detail = match model {
        Some(model) => app.models.one(model).await?.name.to_string(),
        None => "none of its own".to_owned(),
    };
    app.audit.note(&admin.name, action, subject, &detail).await;
    Ok(())
}

/// To the page of whoever has another model now.
fn back(audience: Audience) -> Redirect {
    match audience {
        Audience::Everyone => Redirect::to("/tfmodel/#given"),
        Audience::Participant(id) => Redirect::to(&format!("/participant/{id}/#given")),
        Audience::Device(id) => Redirect::to(&format!("/device/{id}/#given")),
    }
}
