//! `GET /tokenauth/request/?identifier=…`: asks to be let in, and collects the token, once.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    handshake::{Answer, Handshake},
    http::{
        error::Problem,
        extract::{ClientAddress, Params},
        limits::Limits,
    },
    ids::Identifier,
};

#[derive(Deserialize)]
pub struct Question {
    #[serde(default)]
    identifier: String,
}

pub async fn ask(
    State(handshake): State<Handshake>,
    State(limits): State<Arc<Limits>>,
    ClientAddress(address): ClientAddress,
    Params(question): Params<Question>,
) -> Result<Json<Value>, Problem> {
    limits.anonymous(address)?;
    let identifier: Identifier = question.identifier.parse()?;
    if !handshake.knows(&identifier).await? {
        limits.newcomer(address)?;
    }
    Ok(Json(match handshake.ask(&identifier, address).await? {
        Answer::New => json!({"status": "new", "msg": "created request"}),
        Answer::Pending => json!({"status": "pending", "msg": "waiting for confirmation"}),
        Answer::Granted(token) => json!({"status": "grant", "token": token}),
    }))
}
