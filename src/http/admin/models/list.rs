//! The list of models: a page, and JSON; who runs which.

use askama::Template;
use axum::{Json, extract::State};
use serde::Serialize;

use super::{
    typed::Typed,
    views::{ForEveryone, ModelView, OnDeviceView, OwnModel, Shown},
};
use crate::{
    catalog::Audience,
    http::{
        error::Problem,
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    models::Standing,
};

/// Devices that the page names; the JSON names them all.
const DEVICES_SHOWN: usize = 200;

/// Models as JSON.
#[derive(Serialize)]
pub struct ModelsView {
    models: Vec<ModelView>,
    everyone: ForEveryone,
}

#[derive(Template)]
#[template(path = "admin/models.html")]
pub struct ModelsPage {
    admin: Admin,
    shown: Shown,
    own: OwnModel,
    typed: Typed,
    max_mib: u64,
}

impl ModelsPage {
    /// The page with what was typed into its form.
    pub async fn new(admin: Admin, app: &App, typed: Typed) -> Result<Self, Problem> {
        let mut shown = Shown::now(app).await?;
        shown.devices.sort_by_key(|device| device.standing != Standing::Behind);
        let own = OwnModel::of(app, Audience::Everyone).await?;
        Ok(Self { admin, shown, own, typed, max_mib: app.settings.now().models.max_mib })
    }
}

pub async fn page(admin: Admin, State(app): State<App>) -> Result<Page<ModelsPage>, Problem> {
    Ok(Page(ModelsPage::new(admin, &app, Typed::default()).await?))
}

pub async fn json(_: Admin, State(app): State<App>) -> Result<Json<ModelsView>, Problem> {
    let Shown { models, everyone, .. } = Shown::now(&app).await?;
    Ok(Json(ModelsView { models, everyone }))
}

/// `GET /api/v1/models/devices`: each device that is let in, what it is to have, was offered, and says that it runs.
pub async fn devices(_: Admin, State(app): State<App>) -> Result<Json<Vec<OnDeviceView>>, Problem> {
    Ok(Json(Shown::now(&app).await?.devices))
}
