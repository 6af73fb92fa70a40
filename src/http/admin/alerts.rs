//! Alerts: whether a way of telling somebody works.

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use crate::{
    alerts::{AlertError, Alerts, Channel},
    http::{auth::Operator, error::Problem, extract::Form, html::Page, passwords::Admin},
};

/// Which way to try.
#[derive(Deserialize)]
pub struct Trial {
    channel: String,
}

#[derive(Template)]
#[template(path = "admin/alert_test.html")]
pub struct TestPage {
    admin: Admin,
    outcome: Result<(), AlertError>,
}

/// `POST /settings/alerts/test`: sends a test over a way with the settings in force, and says how it went.
pub async fn test(Operator(admin): Operator, State(alerts): State<Alerts>, Form(trial): Form<Trial>) -> Result<Page<TestPage>, Problem> {
    let channel = match trial.channel.as_str() {
        "mail" => Channel::Mail,
        "webhook" => Channel::Webhook,
        _ => return Err(Problem::malformed("channel: mail or webhook")),
    };
    Ok(Page(TestPage { admin, outcome: alerts.send_test(channel).await }))
}
