//! Models that a watch brought with a recording: published with one click.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Redirect,
};

use super::{one, publish::publish_model, views::ModelView};
use crate::{
    catalog::ModelNotes,
    http::{error::Problem, passwords::Admin, state::App},
    ids::{DatasetId, FileName, Kind, ModelId},
    models::{ModelSettings, NewModel},
};

/// A recording and one of its files, in an address.
type Ids = Path<(String, String)>;

/// `POST /recording/{uuid}/models/{name}/publish`.
pub async fn publish_on_page(admin: Admin, State(app): State<App>, Path(ids): Ids) -> Result<Redirect, Problem> {
    let id = publish_file(&app, &admin, &ids).await?;
    Ok(Redirect::to(&format!("/tfmodel/{id}/#published")))
}

/// `POST /api/v1/datasets/{uuid}/models/{name}/publish`.
pub async fn publish(admin: Admin, State(app): State<App>, Path(ids): Ids) -> Result<(StatusCode, Json<ModelView>), Problem> {
    let id = publish_file(&app, &admin, &ids).await?;
    Ok((StatusCode::CREATED, Json(one::view(&app, id).await?)))
}

/// The settings are those that the run's `metaInfo` names, where it names good ones, and else the usual ones.
async fn publish_file(app: &App, admin: &Admin, (uuid, name): &(String, String)) -> Result<ModelId, Problem> {
    let missing = || Problem::not_found("model in this recording");
    let dataset = uuid.parse::<DatasetId>().map_err(|_| missing())?;
    let name = FileName::from_stored(name).filter(|name| name.kind() == Kind::Model).ok_or_else(missing)?;
    let contents = app.recordings.contents(dataset, admin.role, None, 0).await?.filter(|contents| contents.dataset.deleted.is_none());
    let contents = contents.ok_or_else(missing)?;
    if !app.recordings.has_file(dataset, admin.role, &name).await? {
        return Err(missing());
    }
    let settings = contents.texts.meta_info.as_deref().and_then(ModelSettings::of_meta_info).unwrap_or_default();
    let bytes = app.models.brought(dataset, &name).await?;
    let notes = ModelNotes { version: String::new(), notes: format!("Brought by a watch, with recording {dataset}.") };
    Ok(publish_model(app, admin, NewModel { name, bytes, notes, settings }).await?)
}
