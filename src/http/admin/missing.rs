//! What is missing: devices that are silent, runs that never came, recordings that stopped in the middle.

use std::sync::Arc;

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use crate::{
    audit::Action,
    catalog::Millis,
    http::{
        error::Problem,
        extract::{Form, Sent},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::{DatasetId, DeviceId},
    runs::{Missing, MissingKind, Reader},
};

/// Of each kind, on the page.
const MOST: usize = 100;

#[derive(Template)]
#[template(path = "admin/missing.html")]
pub struct MissingPage {
    admin: Admin,
    missing: Arc<Missing>,
}

/// Something that somebody says is known: of which kind, and which of them, as `GET` names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    kind: String,
    subject: String,
}

/// What is missing, as JSON. Times are milliseconds since 1970 (UTC).
#[derive(Serialize)]
pub struct MissingView {
    looked_at: Millis,
    silent: Vec<SilentView>,
    skipped: Vec<SkippedView>,
    unfinished: Vec<UnfinishedView>,
}

/// A device that brings nothing.
#[derive(Serialize)]
struct SilentView {
    device: DeviceId,
    name: String,
    since: Millis,
    allowed_ms: Millis,
    /// What `known` takes; so below.
    subject: String,
}

/// Runs that never came.
#[derive(Serialize)]
struct SkippedView {
    device: DeviceId,
    name: String,
    first: i64,
    last: i64,
    before: DatasetId,
    subject: String,
}

/// A recording that stopped in the middle.
#[derive(Serialize)]
struct UnfinishedView {
    uuid: DatasetId,
    device: DeviceId,
    name: String,
    subject: String,
}

pub async fn page(admin: Admin, State(reader): State<Reader>) -> Page<MissingPage> {
    Page(MissingPage { admin, missing: reader.missing() })
}

pub async fn json(_: Admin, State(reader): State<Reader>) -> Json<MissingView> {
    let missing = reader.missing();
    let silent = missing.silent.iter().map(|it| SilentView {
        device: it.device,
        name: it.name.clone(),
        since: it.since,
        allowed_ms: it.allowed,
        subject: it.subject(),
    });
    let skipped = missing.skipped.iter().map(|it| SkippedView {
        device: it.device,
        name: it.name.clone(),
        first: it.first,
        last: it.last,
        before: it.before,
        subject: it.subject(),
    });
    let unfinished = missing.unfinished.iter().map(|it| UnfinishedView {
        uuid: it.uuid,
        device: it.device,
        name: it.name.clone(),
        subject: it.subject(),
    });
    Json(MissingView {
        looked_at: missing.looked_at,
        silent: silent.collect(),
        skipped: skipped.collect(),
        unfinished: unfinished.collect(),
    })
}

/// `POST /missing/known`: it is told no more.
pub async fn known_on_page(admin: Admin, State(app): State<App>, Form(known): Form<Known>) -> Result<Redirect, Problem> {
    settle(&app, &admin, &known).await?;
    Ok(Redirect::to("/missing/#known"))
}

/// `POST /api/v1/missing/known`.
pub async fn known(admin: Admin, State(app): State<App>, Sent(known): Sent<Known>) -> Result<StatusCode, Problem> {
    settle(&app, &admin, &known).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn settle(app: &App, admin: &Admin, Known { kind, subject }: &Known) -> Result<(), Problem> {
    let kind = MissingKind::from_text(kind).ok_or_else(|| Problem::malformed("kind: silent, skipped or unfinished"))?;
    if !app.reader.settle(kind, subject, &admin.name).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, "this is not missing (any more); look again at what is"));
    }
    app.audit.note(&admin.name, Action::Settled, subject, kind.as_str()).await;
    Ok(())
}
