//! Quarantine: files that a person must look at.

use std::collections::HashMap;

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use super::{broken_key, cut, query_of};
use crate::{
    audit::Action,
    catalog::{FileRow, HeldKey, Millis, Whereabouts},
    handshake::Handshake,
    http::{
        error::Problem,
        extract::{Id, Params},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::{DatasetId, DeviceId, FileId, SentName},
    recordings::{Quarantined, Recordings},
};

/// Files on one page.
const PAGE: u32 = 200;

/// Which page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct At {
    after: String,
}

impl At {
    fn key(&self) -> Result<Option<HeldKey>, Problem> {
        let key = |text: &str| {
            let (received_at, file) = text.split_once('.')?;
            Some(HeldKey { received_at: received_at.parse().ok()?, file: file.parse().ok()? })
        };
        if self.after.is_empty() { Ok(None) } else { key(&self.after).ok_or_else(broken_key).map(Some) }
    }

    /// The query that leads there; none for the first page.
    fn query(&self) -> String {
        if self.after.is_empty() { String::new() } else { format!("?{}", query_of([("after", &*self.after)])) }
    }
}

/// A file in quarantine, as JSON.
#[derive(Serialize)]
pub struct HeldView {
    id: FileId,
    dataset: DatasetId,
    device: Option<DeviceId>,
    sent_name: SentName,
    size: u64,
    sha256: String,
    received_at: Millis,
    reason: &'static str,
    explanation: &'static str,
}

/// One page of the quarantine, as JSON, the newest files first.
#[derive(Serialize)]
pub struct QuarantineView {
    files: Vec<HeldView>,
    /// How many there are in all.
    total: u64,
    /// How many of them are kept from researchers.
    kept_back: u64,
    /// The key of the next page, for `after`; none on the last one.
    next: Option<String>,
}

impl QuarantineView {
    /// How many there are that whoever asks may see.
    fn seen(&self) -> u64 {
        self.total.saturating_sub(self.kept_back)
    }
}

#[derive(Template)]
#[template(path = "admin/quarantine.html")]
pub struct QuarantinePage {
    admin: Admin,
    quarantine: QuarantineView,
    at: At,
    watches: HashMap<DeviceId, String>,
}

impl QuarantinePage {
    /// The name of the watch that brought a file.
    fn watch(&self, device: &DeviceId) -> &str {
        self.watches.get(device).map_or("a watch", String::as_str)
    }
}

impl HeldView {
    fn of(file: FileRow) -> Option<Self> {
        let Whereabouts::Quarantine(held) = file.whereabouts else { return None };
        Some(Self {
            id: file.id,
            dataset: file.dataset,
            device: file.device,
            sent_name: file.sent_name,
            size: file.size,
            sha256: file.sha256,
            received_at: file.received_at,
            reason: held.as_str(),
            explanation: held.explain(),
        })
    }
}

async fn view(recordings: &Recordings, admin: &Admin, at: &At) -> Result<QuarantineView, Problem> {
    // One more than is shown tells whether there is a next page.
    let Quarantined { mut files, total, kept_back } = recordings.quarantined(admin.role, at.key()?, PAGE + 1).await?;
    let next = cut(&mut files, PAGE).map(|last| format!("{}.{}", last.received_at, last.id));
    Ok(QuarantineView { files: files.into_iter().filter_map(HeldView::of).collect(), total, kept_back, next })
}

pub async fn page(
    admin: Admin,
    State(recordings): State<Recordings>,
    State(handshake): State<Handshake>,
    Params(at): Params<At>,
) -> Result<Page<QuarantinePage>, Problem> {
    let watches = handshake.devices_in_quarantine().await?.into_iter().map(|device| (device.id, device.watch().to_owned())).collect();
    let quarantine = view(&recordings, &admin, &at).await?;
    Ok(Page(QuarantinePage { admin, quarantine, at, watches }))
}

/// Comes back to the same page of the list.
pub async fn release_on_page(admin: Admin, app: State<App>, id: Id<FileId>, Params(at): Params<At>) -> Result<Redirect, Problem> {
    release(admin, app, id).await.map(|_| Redirect::to(&format!("/quarantine/{}#released", at.query())))
}

/// Comes back to the same page of the list.
pub async fn discard_on_page(admin: Admin, app: State<App>, id: Id<FileId>, Params(at): Params<At>) -> Result<Redirect, Problem> {
    discard(admin, app, id).await.map(|_| Redirect::to(&format!("/quarantine/{}#discarded", at.query())))
}

pub async fn list(admin: Admin, State(recordings): State<Recordings>, Params(at): Params<At>) -> Result<Json<QuarantineView>, Problem> {
    view(&recordings, &admin, &at).await.map(Json)
}

pub async fn release(admin: Admin, State(app): State<App>, Id(id): Id<FileId>) -> Result<StatusCode, Problem> {
    app.recordings.release(admin.role, id).await?;
    decided(&app, &admin, Action::Released, id).await
}

pub async fn discard(admin: Admin, State(app): State<App>, Id(id): Id<FileId>) -> Result<StatusCode, Problem> {
    app.recordings.discard(admin.role, id).await?;
    decided(&app, &admin, Action::Discarded, id).await
}

async fn decided(app: &App, admin: &Admin, action: Action, id: FileId) -> Result<StatusCode, Problem> {
    app.audit.note(&admin.name, action, id, "a file in quarantine").await;
    Ok(StatusCode::NO_CONTENT)
}
