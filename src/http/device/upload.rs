//! `/recording/new/`: a new dataset's uuid, and the upload of its files.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Request, State},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Span;

use super::multipart::{self, Arrived};
use crate::{
    http::{auth::ApprovedDevice, error::Problem, extract::Params, limits::Limits, state::App},
    ids::{DatasetId, DeviceId},
    metrics::{METRICS, Outcome, UploadLabels},
    recordings::{Receipt, Recordings},
};

#[derive(Deserialize)]
pub struct Address {
    uuid: Option<String>,
}

/// What a watch is told: of the first file as the app knows it, of all in `files` where there are several.
#[derive(Serialize)]
pub struct Uploaded {
    status: String,
    #[serde(flatten)]
    first: Receipt,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Receipt>,
}

/// A `uuid` here is an upload that a redirect turned into a GET: answered 200, the app would delete the file.
pub async fn new_dataset(
    ApprovedDevice(device): ApprovedDevice,
    State(recordings): State<Recordings>,
    State(limits): State<Arc<Limits>>,
    Params(address): Params<Address>,
) -> Result<Json<Value>, Problem> {
    if address.uuid.is_some() {
        return Err(Problem::malformed("a GET brings no file: send the upload as a POST, and look for a redirect on the way"));
    }
    let _place = limits.upload(device)?;
    let uuid = recordings.new_dataset(device).await?;
    Ok(Json(json!({"status": "success", "uuid": uuid})))
}

pub async fn upload(
    ApprovedDevice(device): ApprovedDevice,
    State(app): State<App>,
    Params(address): Params<Address>,
    request: Request,
) -> Result<Json<Uploaded>, Problem> {
    let counted = Counted::begin();
    let receipts = receive(device, app, address, request).await?;
    counted.end(&receipts);
    Uploaded::of(receipts).map(Json)
}

async fn receive(device: DeviceId, app: App, address: Address, request: Request) -> Result<Vec<Receipt>, Problem> {
    let uuid = address.uuid.ok_or_else(|| Problem::malformed("no uuid: add ?uuid= with one from GET /recording/new/"))?;
    let dataset: DatasetId = uuid.parse()?;
    let place = app.limits.upload(device)?;
    // Boxed, like what is asked of the catalog before: ten thousand of these wait for slow watches at once.
    let Arrived { uploads, held } = Box::pin(multipart::receive(&app, device, request)).await?;
    let (tasks, span) = (app.tasks.clone(), Span::current());
    // On a thread of its own, which a connection that drops now does not end: it must not cancel a commit under way.
    let committed = tasks.spawn_blocking(move || {
        let _held = (place, held);
        span.in_scope(|| app.recordings.receive(device, dataset, uploads))
    });
    Ok(committed.await.map_err(|error| Problem::internal(&error))??)
}

/// An upload under way. Dropped before its end, it was refused or broke off.
struct Counted {
    began: Instant,
    ended: bool,
}

impl Counted {
    fn begin() -> Self {
        METRICS.uploads_in_flight.inc();
        Self { began: Instant::now(), ended: false }
    }

    fn end(mut self, receipts: &[Receipt]) {
        self.ended = true;
        METRICS.upload_seconds.observe(self.began.elapsed().as_secs_f64());
        for receipt in receipts {
            let outcome = match receipt {
                Receipt { new: false, .. } => Outcome::Repeated,
                Receipt { quarantined: true, .. } => Outcome::Quarantined,
                _ => Outcome::Stored,
            };
            count(outcome);
            if receipt.new {
                METRICS.upload_bytes.inc_by(receipt.size);
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        METRICS.uploads_in_flight.dec();
        if !self.ended {
            count(Outcome::Refused);
        }
    }
}

fn count(outcome: Outcome) {
    METRICS.uploads.get_or_create(&UploadLabels { outcome }).inc();
}

impl Uploaded {
    fn of(receipts: Vec<Receipt>) -> Result<Self, Problem> {
        let first = receipts.first().cloned().ok_or_else(|| Problem::internal(&"an upload without a receipt"))?;
        let names: Vec<_> = receipts.iter().map(|receipt| receipt.name.as_str()).collect();
        let status = format!("success, uploaded {}", names.join(", "));
        let files = if receipts.len() > 1 { receipts } else { Vec::new() };
        Ok(Self { status, first, files })
    }
}
