//! Devices: who was let in, and when each was last heard of.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::Serialize;

use crate::{
    catalog::{Device, Millis},
    handshake::Handshake,
    http::{
        error::Problem,
        extract::Id,
        html::{Page, filters},
        passwords::Admin,
    },
    ids::{DeviceId, Identifier},
};

/// A device, as JSON. Times are milliseconds since 1970 (UTC).
#[derive(Serialize)]
pub struct DeviceView {
    id: DeviceId,
    identifier: Identifier,
    alias: String,
    android_id: Option<String>,
    created_at: Millis,
    last_used_at: Option<Millis>,
    collected_at: Option<Millis>,
    revoked_at: Option<Millis>,
    /// The generation of its newest token.
    generation: u32,
    /// Whether a token of an older generation is good, too.
    older_tokens: bool,
    datasets: u64,
    files: u64,
    bytes: u64,
}

impl DeviceView {
    fn of(device: Device) -> Self {
        Self {
            id: device.id,
            alias: device.identifier.alias().to_owned(),
            android_id: device.identifier.android_id().map(str::to_owned),
            older_tokens: device.has_older_tokens(),
            identifier: device.identifier,
            created_at: device.created_at,
            last_used_at: device.last_used_at,
            collected_at: device.collected_at,
            revoked_at: device.revoked_at,
            generation: device.generation,
            datasets: device.datasets,
            files: device.files,
            bytes: device.bytes,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/devices.html")]
pub struct DevicesPage {
    admin: Admin,
    devices: Vec<DeviceView>,
}

async fn views(handshake: &Handshake) -> Result<Vec<DeviceView>, Problem> {
    Ok(handshake.devices().await?.into_iter().map(DeviceView::of).collect())
}

fn done(known: bool) -> Result<StatusCode, Problem> {
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("device")) }
}

fn back(_: StatusCode) -> Redirect {
    Redirect::to("/device/list/")
}

pub async fn page(admin: Admin, State(handshake): State<Handshake>) -> Result<Page<DevicesPage>, Problem> {
    Ok(Page(DevicesPage { admin, devices: views(&handshake).await? }))
}

pub async fn revoke_on_page(admin: Admin, handshake: State<Handshake>, id: Id<DeviceId>) -> Result<Redirect, Problem> {
    revoke(admin, handshake, id).await.map(back)
}

pub async fn restore_on_page(admin: Admin, handshake: State<Handshake>, id: Id<DeviceId>) -> Result<Redirect, Problem> {
    restore(admin, handshake, id).await.map(back)
}

pub async fn end_older_tokens_on_page(admin: Admin, handshake: State<Handshake>, id: Id<DeviceId>) -> Result<Redirect, Problem> {
    end_older_tokens(admin, handshake, id).await.map(back)
}

pub async fn list(_: Admin, State(handshake): State<Handshake>) -> Result<Json<Vec<DeviceView>>, Problem> {
    Ok(Json(views(&handshake).await?))
}

pub async fn revoke(admin: Admin, State(handshake): State<Handshake>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    done(handshake.set_revoked(id, true, &admin.name).await?)
}

pub async fn restore(admin: Admin, State(handshake): State<Handshake>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    done(handshake.set_revoked(id, false, &admin.name).await?)
}

pub async fn end_older_tokens(_: Admin, State(handshake): State<Handshake>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    done(handshake.end_older_tokens(id).await?)
}
