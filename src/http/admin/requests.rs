//! Requests: who asks to be let in, and who may not ask.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use crate::{
    audit::Action,
    catalog::{Blocked, Millis},
    handshake::{DoorError, Handshake, OpenRequest},
    http::{
        error::Problem,
        extract::{Form, Id, Params},
        html::{Page, filters},
        passwords::Admin,
        state::App,
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
    /// From one poll to the next, on average, in milliseconds; none before the second.
    cadence: Option<Millis>,
    callers: usize,
    /// Shortly after the same device had collected a token: it was reset, or somebody else took the token.
    asked_again: bool,
    granted_at: Option<Millis>,
    granted_by: Option<String>,
    /// When the grant lapses, if nobody collects it.
    lapses_at: Option<Millis>,
    known_device: bool,
    /// What people call the device, where that is another name than the alias.
    device_name: Option<String>,
    device_last_used_at: Option<Millis>,
    device_revoked: bool,
}

impl RequestView {
    fn of(open: OpenRequest) -> Self {
        let cadence = open.cadence();
        let OpenRequest { request, known, callers, lapses_at } = open;
        Self {
            id: request.id,
            alias: request.identifier.alias().to_owned(),
            android_id: request.identifier.android_id().map(str::to_owned),
            identifier: request.identifier,
            device: request.device,
            created_at: request.created_at,
            polled_at: request.polled_at,
            polls: request.polls,
            cadence,
            callers,
            asked_again: request.asked_again,
            granted_at: request.granted_at,
            granted_by: request.granted_by,
            lapses_at,
            known_device: known.is_some(),
            device_name: known.as_ref().map(|device| device.name.clone()).filter(|name| !name.is_empty()),
            device_last_used_at: known.as_ref().and_then(|device| device.last_used_at),
            device_revoked: known.is_some_and(|device| device.revoked_at.is_some()),
        }
    }
}

/// A device that may not ask any more, as JSON.
#[derive(Serialize)]
pub struct BlockedView {
    device: DeviceId,
    alias: String,
    android_id: Option<String>,
    blocked_at: Millis,
    blocked_by: String,
}

impl BlockedView {
    fn of(blocked: Blocked) -> Self {
        Self {
            device: blocked.device,
            alias: blocked.identifier.alias().to_owned(),
            android_id: blocked.identifier.android_id().map(str::to_owned),
            blocked_at: blocked.at,
            blocked_by: blocked.by,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/requests.html")]
pub struct RequestsPage {
    admin: Admin,
    /// The number of the last change that the page shows.
    seen: u64,
    requests: Vec<RequestView>,
    blocked: Vec<BlockedView>,
}

#[derive(Deserialize)]
pub struct Grant {
    /// Grants although several callers ask under the identifier.
    #[serde(default, rename = "override")]
    override_callers: bool,
    /// Why that is right.
    #[serde(default)]
    reason: String,
}

/// Why a request is granted although several callers ask.
#[derive(Deserialize)]
pub struct Reason {
    #[serde(default)]
    reason: String,
}

async fn views(handshake: &Handshake) -> Result<Vec<RequestView>, Problem> {
    Ok(handshake.requests().await?.into_iter().map(RequestView::of).collect())
}

async fn blocked_views(handshake: &Handshake) -> Result<Vec<BlockedView>, Problem> {
    Ok(handshake.blocked().await?.into_iter().map(BlockedView::of).collect())
}

pub async fn page(admin: Admin, State(handshake): State<Handshake>) -> Result<Page<RequestsPage>, Problem> {
    // Before the look: what changes meanwhile is looked at again.
    let seen = *handshake.changes().borrow();
    let (requests, blocked) = (views(&handshake).await?, blocked_views(&handshake).await?);
    Ok(Page(RequestsPage { admin, seen, requests, blocked }))
}

pub async fn grant_on_page(admin: Admin, State(app): State<App>, Id(id): Id<String>) -> Result<Redirect, Problem> {
    decide(&app, &admin, &id, Decision::Grant).await.map(back)
}

pub async fn override_on_page(
    admin: Admin,
    State(app): State<App>,
    Id(id): Id<String>,
    Form(why): Form<Reason>,
) -> Result<Redirect, Problem> {
    decide(&app, &admin, &id, Decision::Override(why.reason)).await.map(back)
}

pub async fn deny_on_page(admin: Admin, State(app): State<App>, Id(id): Id<String>) -> Result<Redirect, Problem> {
    decide(&app, &admin, &id, Decision::Deny).await.map(|_| Redirect::to("/tokenauth/check/#denied"))
}

pub async fn block_on_page(admin: Admin, State(app): State<App>, Id(id): Id<String>) -> Result<Redirect, Problem> {
    decide(&app, &admin, &id, Decision::Block).await.map(back)
}

pub async fn unblock_on_page(admin: Admin, app: State<App>, id: Id<DeviceId>) -> Result<Redirect, Problem> {
    unblock(admin, app, id).await.map(back)
}

pub async fn list(_: Admin, State(handshake): State<Handshake>) -> Result<Json<Vec<RequestView>>, Problem> {
    Ok(Json(views(&handshake).await?))
}

pub async fn grant(admin: Admin, State(app): State<App>, Id(id): Id<String>, Params(how): Params<Grant>) -> Result<StatusCode, Problem> {
    let decision = if how.override_callers { Decision::Override(how.reason) } else { Decision::Grant };
    decide(&app, &admin, &id, decision).await
}

pub async fn deny(admin: Admin, State(app): State<App>, Id(id): Id<String>) -> Result<StatusCode, Problem> {
    decide(&app, &admin, &id, Decision::Deny).await
}

pub async fn block(admin: Admin, State(app): State<App>, Id(id): Id<String>) -> Result<StatusCode, Problem> {
    decide(&app, &admin, &id, Decision::Block).await
}

pub async fn blocked(_: Admin, State(handshake): State<Handshake>) -> Result<Json<Vec<BlockedView>>, Problem> {
    Ok(Json(blocked_views(&handshake).await?))
}

pub async fn unblock(admin: Admin, State(app): State<App>, Id(device): Id<DeviceId>) -> Result<StatusCode, Problem> {
    if !app.handshake.unblock(device).await? {
        return Err(Problem::not_found("blocked device (any more)"));
    }
    app.audit.note(&admin.name, Action::Unblocked, device, "").await;
    Ok(StatusCode::NO_CONTENT)
}

/// What becomes of a request.
enum Decision {
    Grant,
    /// Granted although several callers ask, and why.
    Override(String),
    Deny,
    Block,
}

/// Carries a decision out, and notes it at the device, which outlives the request.
async fn decide(app: &App, admin: &Admin, id: &str, decision: Decision) -> Result<StatusCode, Problem> {
    let (device, action, detail) = carry_out(&app.handshake, admin, id, decision).await?;
    app.audit.note(&admin.name, action, device, &detail).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn carry_out(door: &Handshake, admin: &Admin, id: &str, decision: Decision) -> Result<(DeviceId, Action, String), DoorError> {
    Ok(match decision {
        Decision::Grant => (door.grant(id, &admin.name, None).await?, Action::Granted, String::new()),
        Decision::Override(why) => {
            let device = door.grant(id, &admin.name, Some(&why)).await?;
            (device, Action::Granted, format!("although several callers may ask: {}", why.trim()))
        }
        Decision::Deny => {
            let denied = door.deny(id).await?;
            let detail = denied.granted_at.map_or("", |_| "its grant was taken back");
            (denied.device, Action::Denied, detail.to_owned())
        }
        Decision::Block => (door.block(id, &admin.name).await?, Action::Blocked, String::new()),
    })
}

fn back(_: StatusCode) -> Redirect {
    Redirect::to("/tokenauth/check/")
}
