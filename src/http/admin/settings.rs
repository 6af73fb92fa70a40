//! Settings: what is in force, with the words of the commented file.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use crate::{
    config::{Config, SettingInForce},
    handshake::Handshake,
    http::{auth::Operator, error::Problem, html::Page, passwords::Admin},
};

#[derive(Template)]
#[template(path = "admin/settings.html")]
pub struct SettingsPage {
    admin: Admin,
    settings: Vec<SettingInForce>,
    locked_out: u64,
}

pub async fn page(
    Operator(admin): Operator,
    State(config): State<Arc<Config>>,
    State(handshake): State<Handshake>,
) -> Result<Page<SettingsPage>, Problem> {
    Ok(Page(SettingsPage { admin, settings: config.in_force(), locked_out: handshake.locked_out().await? }))
}
