//! Models for watches. The app in the field sends no token and asks under its Android id; new clients show their token.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{
        auth::ApprovedDevice,
        delivery::{Label, send_labelled},
        error::Problem,
        extract::{ClientAddress, Params},
        limits::Downloader,
        state::App,
    },
    ids::DeviceId,
    models::Handout,
};

/// Which watch asks.
#[derive(Deserialize)]
pub struct Question {
    #[serde(default)]
    androidid: String,
}

/// `GET /tfmodel/check/latest/?androidid=…`: the name of the model that this watch is to have. It must be the very name under which
/// `get/latest` sends it: the app compares the two, and takes the file where they differ.
pub async fn check(State(app): State<App>, address: ClientAddress, Params(question): Params<Question>) -> Result<Json<Value>, Problem> {
    let (_, handout) = asked(&app, address, &question).await?;
    Ok(Json(json!({"activeModel": handout.name.as_str()})))
}

/// `GET /tfmodel/get/latest/?androidid=…`: the file.
pub async fn latest(
    State(app): State<App>,
    address: ClientAddress,
    Params(question): Params<Question>,
    request: Request,
) -> Result<Response, Problem> {
    let (device, handout) = asked(&app, address, &question).await?;
    let by = device.map_or_else(|| Downloader::at(address.0), Downloader::Device);
    let response = send(&app, &handout, by, request).await?;
    if let Some(device) = device {
        app.models.note_offer(device, handout.id, response.status().is_success());
    }
    Ok(response)
}

/// `GET /tfmodel/get/settings/?androidid=…`: its settings. The app takes them at each check.
pub async fn settings(State(app): State<App>, address: ClientAddress, Params(question): Params<Question>) -> Result<Response, Problem> {
    let (_, handout) = asked(&app, address, &question).await?;
    let disposition = (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=settings.json"));
    Ok(([disposition, json_type()], handout.settings.clone()).into_response())
}

/// `GET /api/v1/models/current`: the file of the model that the device is to have, with its name, a strong `ETag`, `Repr-Digest`, and
/// in parts where it is asked for those.
pub async fn current(ApprovedDevice(device): ApprovedDevice, State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let handout = of_device(&app, device).await?;
    let response = send(&app, &handout, Downloader::Device(device), request).await?;
    app.models.note_offer(device, handout.id, response.status().is_success());
    Ok(response)
}

/// `GET /api/v1/models/current/settings`: its settings.
pub async fn current_settings(ApprovedDevice(device): ApprovedDevice, State(app): State<App>) -> Result<Response, Problem> {
    let handout = of_device(&app, device).await?;
    app.models.note_offer(device, handout.id, false);
    let mut headers = HeaderMap::from_iter([json_type()]);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((headers, handout.settings.clone()).into_response())
}

/// Who asks, where it is let in, and its model, counted and noted; 404 where there is none.
async fn asked(app: &App, ClientAddress(address): ClientAddress, question: &Question) -> Result<(Option<DeviceId>, Arc<Handout>), Problem> {
    let (device, handout) = app.models.for_android_id(&question.androidid).await?;
    match device {
        Some(device) => app.limits.model(device)?,
        None => app.limits.anonymous(address)?,
    }
    let handout = handout.ok_or_else(none)?;
    if let Some(device) = device {
        app.models.note_offer(device, handout.id, false);
    }
    Ok((device, handout))
}

async fn of_device(app: &App, device: DeviceId) -> Result<Arc<Handout>, Problem> {
    app.models.for_device(device).await?.ok_or_else(none)
}

fn none() -> Problem {
    Problem::not_found("model: none was published for this watch yet")
}

fn json_type() -> (header::HeaderName, HeaderValue) {
    (header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

async fn send(app: &App, handout: &Handout, by: Downloader, request: Request) -> Result<Response, Problem> {
    let permit = app.limits.download(by)?;
    let layout = app.storage.layout();
    let label = Label::new(&handout.name, &handout.sha256);
    send_labelled(layout.root().to_owned(), layout.model(handout.id, &handout.name), request, permit, label).await
}
