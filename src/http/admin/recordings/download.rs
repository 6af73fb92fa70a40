//! Many recordings taken home as one zip, made as it is sent.

use std::io;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::sync::mpsc;

use super::bulk::Bulk;
use crate::{
    audit::Action,
    http::{
        error::Problem,
        extract::{Form, ManyParams},
        limits::{DownloadPermit, Downloader},
        passwords::Admin,
        state::App,
    },
    recordings::Collection,
};

/// Pieces that wait for a client: it is never far behind the disk.
const AHEAD: usize = 4;
/// How soon to ask again where something changed while the zip was laid out, in seconds.
const CHANGED: u32 = 1;

/// `POST /recording/download`: those that are ticked, or all that the search finds.
pub async fn chosen(admin: Admin, State(app): State<App>, Form(bulk): Form<Bulk>) -> Result<Response, Problem> {
    take_home(&admin, &app, &bulk).await
}

/// `GET /api/v1/datasets.zip?uuid=…&uuid=…`, or `?which=all&search=` and a search as its query.
pub async fn named(admin: Admin, State(app): State<App>, ManyParams(bulk): ManyParams<Bulk>) -> Result<Response, Problem> {
    take_home(&admin, &app, &bulk).await
}

async fn take_home(admin: &Admin, app: &App, bulk: &Bulk) -> Result<Response, Problem> {
    let chosen = bulk.chosen(app, &bulk.search()?).await?;
    let collection = app.recordings.collect(&chosen).await?;
    let place = app.limits.download(Downloader::Users)?;
    let subjects: Vec<_> = collection.datasets().iter().map(ToString::to_string).collect();
    app.audit.note_all(&admin.name, Action::Downloaded, &subjects, "together").await;
    // Laying it out and noting it wait for the catalog.
    if !app.recordings.may_send(&collection).await? {
        return Err(Problem::unavailable("recordings were deleted, or the privacy settings were changed, meanwhile; try again", CHANGED));
    }
    Ok(stream_of(collection, place))
}

fn stream_of(collection: Collection, place: DownloadPermit) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, collection.length().to_string()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"recordings.zip\"".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // nginx would else write what the client is slow to take into a file of its own.
        (HeaderName::from_static("x-accel-buffering"), "no".to_owned()),
    ];
    let (pieces, coming) = mpsc::channel(AHEAD);
    // A thread of its own: a slow client must not keep one of those that uploads need.
    std::thread::spawn(move || {
        let _place = place;
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        if let Err(error) = collection.send(|piece| pieces.blocking_send(Ok(piece)).map_err(gone)) {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::error!(%error, "a zip of many recordings ended before its time");
            }
            drop(pieces.blocking_send(Err(error)));
        }
    });
    let body = stream::unfold(coming, |mut coming| async { Some((coming.recv().await?, coming)) });
    (headers, Body::from_stream(body)).into_response()
}
