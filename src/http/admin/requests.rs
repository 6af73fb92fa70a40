//! Requests: who asks to be let in.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Millis,
    handshake::{Handshake, OpenRequest},
    http::{
        error::Problem,
        extract::{Id, Params},
        html::{Page, filters},
        passwords::Admin,
    },
    ids::{DeviceId, Identifier},
};

/// An open request, as JSON. Times are milliseconds since 1970 (UTC).
#[derive(Serialize)]
pub struct RequestView {
    id: String,
    identifier: Identifier,
    alias: String,
    android_id: Option<String>,
    device: DeviceId,
    created_at: Millis,
    polled_at: Millis,
    polls: u64,
    callers: usize,
    /// Shortly after the same device had collected a token: it was reset, or somebody else took the token.
    asked_again: bool,
    granted_at: Option<Millis>,
    known_device: bool,
    device_last_used_at: Option<Millis>,
    device_revoked: bool,
}

impl RequestView {
    fn of(open: OpenRequest) -> Self {
        let OpenRequest { request, known, callers } = open;
        Self {
            id: request.id,
            alias: request.identifier.alias().to_owned(),
            android_id: request.identifier.android_id().map(str::to_owned),
            identifier: request.identifier,
            device: request.device,
            created_at: request.created_at,
            polled_at: request.polled_at,
            polls: request.polls,
            callers,
            asked_again: request.asked_again,
            granted_at: request.granted_at,
            known_device: known.is_some(),
            device_last_used_at: known.as_ref().and_then(|device| device.last_used_at),
            device_revoked: known.is_some_and(|device| device.revoked_at.is_some()),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/requests.html")]
pub struct RequestsPage {
    admin: Admin,
    requests: Vec<RequestView>,
}

#[derive(Deserialize)]
pub struct Grant {
    /// Grants although several callers ask under the identifier.
    #[serde(default, rename = "override")]
    override_callers: bool,
}

async fn views(handshake: &Handshake) -> Result<Vec<RequestView>, Problem> {
    Ok(handshake.requests().await?.into_iter().map(RequestView::of).collect())
}

pub async fn page(admin: Admin, State(handshake): State<Handshake>) -> Result<Page<RequestsPage>, Problem> {
    Ok(Page(RequestsPage { admin, requests: views(&handshake).await? }))
}

pub async fn grant_on_page(admin: Admin, handshake: State<Handshake>, id: Id<String>, how: Params<Grant>) -> Result<Redirect, Problem> {
    grant(admin, handshake, id, how).await?;
    Ok(Redirect::to("/tokenauth/check/"))
}

pub async fn deny_on_page(admin: Admin, handshake: State<Handshake>, id: Id<String>) -> Result<Redirect, Problem> {
    deny(admin, handshake, id).await?;
    Ok(Redirect::to("/tokenauth/check/"))
}

pub async fn list(_: Admin, State(handshake): State<Handshake>) -> Result<Json<Vec<RequestView>>, Problem> {
    Ok(Json(views(&handshake).await?))
}

pub async fn grant(
    _: Admin,
    State(handshake): State<Handshake>,
    Id(id): Id<String>,
    Params(how): Params<Grant>,
) -> Result<StatusCode, Problem> {
    handshake.grant(&id, how.override_callers).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn deny(_: Admin, State(handshake): State<Handshake>, Id(id): Id<String>) -> Result<StatusCode, Problem> {
    if handshake.deny(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("request")) }
}
