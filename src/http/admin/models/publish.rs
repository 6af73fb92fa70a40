//! Publishing a model: a file with its settings, from a form or a script.

use axum::{
    Json,
    extract::{Multipart, State, multipart::MultipartError},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde_json::Value;

use super::{
    list::ModelsPage,
    one,
    typed::{Typed, TypedSettings},
};
use crate::{
    audit::Action,
    catalog::ModelNotes,
    http::{error::Problem, html::Page, passwords::Admin, state::App},
    ids::{FileName, ModelId},
    models::{ModelError, ModelSettings, NewModel, WrongSetting, WrongSettings},
};

/// Bytes of everything in the form but the file.
const MOST_TEXT: usize = 64 << 10;

/// What came: the file, what was typed, and, from a script, the settings as JSON.
#[derive(Default)]
struct Parts {
    file: Option<(String, Vec<u8>)>,
    typed: Typed,
    json: Option<String>,
}

impl Parts {
    async fn read(mut form: Multipart, most: usize) -> Result<Self, Problem> {
        let mut parts = Self {
            typed: Typed { settings: TypedSettings { sensors: Vec::new(), ..TypedSettings::default() }, ..Typed::default() },
            ..Self::default()
        };
        let mut text = 0;
        while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                let sent = field.file_name().unwrap_or_default().to_owned();
                parts.file = Some((sent, bytes(field, most).await?));
            } else {
                let value = field.text().await.map_err(|error| unreadable(&error))?;
                text += value.len();
                if text > MOST_TEXT {
                    return Err(Problem::malformed("the form holds more than 64 KiB of text; shorten it"));
                }
                parts.take(&name, value)?;
            }
        }
        Ok(parts)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), Problem> {
        let Typed { settings, .. } = &mut self.typed;
        match name {
            "name" => self.typed.name = value,
            "version" => self.typed.version = value,
            "notes" => self.typed.notes = value,
            "settings" => self.json = Some(value),
            "frame_size" => settings.frame_size = value,
            "mean_threshold" => settings.mean_threshold = value,
            "mean_kernel_size" => settings.mean_kernel_size = value,
            "notification_cool_down" => settings.notification_cool_down = value,
            "required_sensors" => settings.sensors.extend(value.split([' ', ',']).filter(|part| !part.is_empty()).map(str::to_owned)),
            "further" => settings.further = value,
            other => return Err(Problem::malformed(format!("there is no field {other:?} in this form"))),
        }
        Ok(())
    }

    fn settings(&self) -> Result<ModelSettings, WrongSettings> {
        let Some(json) = &self.json else { return self.typed.settings.parse() };
        match serde_json::from_str(json) {
            Ok(Value::Object(said)) => ModelSettings::parse(said),
            _ => Err(WrongSettings(vec![WrongSetting { field: "settings".to_owned(), detail: "write a JSON object".to_owned() }])),
        }
    }
}

/// `POST /tfmodel/publish`. What cannot be taken comes back with the form as it was typed; the file must be chosen again.
pub async fn publish_on_page(admin: Admin, State(app): State<App>, form: Multipart) -> Result<Response, Problem> {
    let mut parts = Parts::read(form, app.settings.now().models.most_bytes()).await?;
    match publish_parts(&app, &admin, &mut parts).await {
        Ok(id) => Ok(Redirect::to(&format!("/tfmodel/{id}/#published")).into_response()),
        Err(error) => {
            let typed = Typed { wrong: at_its_field(error)?, ..parts.typed };
            Ok((StatusCode::BAD_REQUEST, Page(ModelsPage::new(admin, &app, typed).await?)).into_response())
        }
    }
}

/// `POST /api/v1/models`: `file`, and beside it `settings` as JSON, or each setting by itself; `name`, `version`, `notes`.
pub async fn publish(admin: Admin, State(app): State<App>, form: Multipart) -> Result<Response, Problem> {
    let mut parts = Parts::read(form, app.settings.now().models.most_bytes()).await?;
    let id = publish_parts(&app, &admin, &mut parts).await?;
    Ok((StatusCode::CREATED, Json(one::view(&app, id).await?)).into_response())
}

/// What a form shows at its fields; what has nothing to do with a field is a problem of its own.
fn at_its_field(error: ModelError) -> Result<Vec<WrongSetting>, Problem> {
    let field = match error {
        ModelError::Settings(wrong) => return Ok(wrong.0),
        ModelError::NoFile | ModelError::NotAModel(_) | ModelError::TooLarge(_) => "file",
        ModelError::Taken(..) => "name",
        ModelError::BadVersion => "version",
        ModelError::NotesTooLong => "notes",
        error => return Err(error.into()),
    };
    Ok(vec![WrongSetting { field: field.to_owned(), detail: error.to_string() }])
}

async fn publish_parts(app: &App, admin: &Admin, parts: &mut Parts) -> Result<ModelId, ModelError> {
    let settings = parts.settings()?;
    let file = parts.file.take().filter(|(sent, bytes)| !sent.is_empty() || !bytes.is_empty());
    let (sent, bytes) = file.ok_or(ModelError::NoFile)?;
    let name = FileName::from_sent(if parts.typed.name.trim().is_empty() { &sent } else { &parts.typed.name });
    let notes = ModelNotes { version: parts.typed.version.clone(), notes: parts.typed.notes.clone() };
    publish_model(app, admin, NewModel { name, bytes, notes, settings }).await
}

/// Publishes a model, and notes it.
pub async fn publish_model(app: &App, admin: &Admin, new: NewModel) -> Result<ModelId, ModelError> {
    let name = new.name.clone();
    let id = app.models.publish(new, &admin.name).await?;
    app.audit.note(&admin.name, Action::Published, id, name.as_str()).await;
    Ok(id)
}

async fn bytes(mut field: axum::extract::multipart::Field<'_>, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unreadable(&error))? {
        if bytes.len() + chunk.len() > most {
            let detail = format!("the file is larger than {} MiB; the operator can allow more (models.max_mib)", most >> 20);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreadable(error: &MultipartError) -> Problem {
    Problem::malformed(format!("the form cannot be read: {}; send it again", error.body_text()))
}
