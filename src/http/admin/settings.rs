//! Settings: what is in force, with the words of the commented file.

use askama::Template;
use axum::extract::State;

use crate::{
    config::{SettingInForce, Settings},
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
    State(in_force): State<Settings>,
    State(handshake): State<Handshake>,
) -> Result<Page<SettingsPage>, Problem> {
    Ok(Page(SettingsPage { admin, settings: in_force.now().in_force(), locked_out: handshake.locked_out().await? }))
}
