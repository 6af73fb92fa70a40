//! Whether a way of telling somebody works: a test over it, and back to the form with what was typed.

use axum::{extract::State, response::Response};

use super::{Desk, Note, steps::SentForm};
use crate::{
    alerts::Channel,
    config::Refusal,
    http::{auth::Operator, error::Problem},
};

/// `POST /settings/alerts/test`: sends a test over a way with the settings in force, and says how it went.
pub async fn trial(Operator(admin): Operator, State(desk): State<Desk>, form: SentForm) -> Result<Response, Problem> {
    let (source, standing, mut filled) = desk.take(admin, form).await?;
    let channel = match filled.typed.remove("channel").as_deref() {
        Some("mail") => Channel::Mail,
        Some("webhook") => Channel::Webhook,
        _ => return Err(Problem::malformed("channel: mail or webhook")),
    };
    let outcome = desk.alerts.send_test(channel).await;
    desk.form(&source, &standing, filled, Note::Tried(outcome), Refusal::default()).await
}
