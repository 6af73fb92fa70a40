//! The trash: what was deleted, restored or erased; and devices and participants that are to be forgotten.

use askama::Template;
use axum::{Json, extract::State, http::StatusCode, response::Redirect};
use serde::{Deserialize, Serialize};

use super::{
    cut,
    recordings::search::{key_of, key_text},
};
use crate::{
    audit::Action,
    catalog::{Dataset, Millis, PageKey},
    http::{
        auth::Operator,
        error::Problem,
        extract::{Id, Params},
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    ids::{DatasetId, DeviceId, ParticipantId},
    recordings::Recordings,
};

/// Datasets on one page.
const PAGE: u32 = 50;

/// Which page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct At {
    after: String,
}

impl At {
    fn goes_on(&self) -> bool {
        !self.after.is_empty()
    }

    fn key(&self) -> Result<Option<PageKey>, Problem> {
        if self.goes_on() { key_of(&self.after).map(Some) } else { Ok(None) }
    }

    /// The query that leads there; none for the first page, nor for a key that was cut.
    fn query(&self) -> String {
        self.key().ok().flatten().map(|key| format!("?after={}", key_text(key))).unwrap_or_default()
    }
}

/// A dataset in the trash, as JSON. Times are milliseconds since 1970 (UTC).
#[derive(Serialize)]
pub struct DeletedView {
    uuid: DatasetId,
    title: String,
    device: Option<DeviceId>,
    watch: Option<String>,
    deleted_at: Millis,
    /// The user's name; empty for the house itself.
    deleted_by: String,
    /// When it goes for good, if nothing comes to it.
    goes_at: Millis,
    /// Whether a watch brought something since.
    came_since: bool,
    files: u64,
    bytes: u64,
}

/// One page of the trash.
#[derive(Serialize)]
pub struct TrashView {
    datasets: Vec<DeletedView>,
    /// How many there are in all.
    total: u64,
    /// Bytes of their files.
    bytes: u64,
    /// The key of the next page, for `after`; none on the last one.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/trash.html")]
pub struct TrashPage {
    admin: Admin,
    trash: TrashView,
    days: u64,
    at: At,
    /// Whether the clock is not trusted, so that nothing is erased before its full time has passed.
    erasing_waits: bool,
}

impl DeletedView {
    fn of((dataset, goes_at): (Dataset, Millis)) -> Option<Self> {
        let watch = dataset.watch().map(str::to_owned);
        let came_since = dataset.came_since();
        let (deleted_at, deleted_by) = dataset.deleted?;
        let (uuid, title, files, bytes) = (dataset.uuid, dataset.notes.title, dataset.files, dataset.bytes);
        Some(Self { uuid, title, device: dataset.device, watch, deleted_at, deleted_by, goes_at, came_since, files, bytes })
    }
}

async fn view(recordings: &Recordings, at: &At) -> Result<TrashView, Problem> {
    // One more than is shown tells whether there is a next page.
    let mut trash = recordings.trash(at.key()?, PAGE + 1).await?;
    let key = |(dataset, _): &(Dataset, Millis)| Some(PageKey { value: dataset.deleted.as_ref()?.0, number: dataset.number });
    let next = cut(&mut trash.datasets, PAGE).and_then(key).map(key_text);
    let datasets = trash.datasets.into_iter().filter_map(DeletedView::of).collect();
    Ok(TrashView { datasets, total: trash.total, bytes: trash.bytes, next })
}

pub async fn page(admin: Admin, State(app): State<App>, Params(at): Params<At>) -> Result<Page<TrashPage>, Problem> {
    let (trash, days) = (view(&app.recordings, &at).await?, app.settings.now().trash.days);
    let erasing_waits = !app.timekeeping.status().is_trusted;
    Ok(Page(TrashPage { admin, trash, days, at, erasing_waits }))
}

pub async fn list(_: Admin, State(recordings): State<Recordings>, Params(at): Params<At>) -> Result<Json<TrashView>, Problem> {
    view(&recordings, &at).await.map(Json)
}

/// Puts recordings into the trash, and notes it.
pub async fn put_into_trash(app: &App, admin: &Admin, datasets: &[DatasetId]) -> Result<(), Problem> {
    let deleted = app.recordings.delete(datasets, &admin.name).await?;
    let subjects: Vec<_> = deleted.iter().map(ToString::to_string).collect();
    app.audit.note_all(&admin.name, Action::Deleted, &subjects, "").await;
    Ok(())
}

/// `DELETE /api/v1/datasets/{uuid}`.
pub async fn delete(admin: Admin, State(app): State<App>, Id(uuid): Id<DatasetId>) -> Result<StatusCode, Problem> {
    app.recordings.known(uuid).await?;
    put_into_trash(&app, &admin, &[uuid]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /recording/{uuid}/delete`.
pub async fn delete_on_page(admin: Admin, app: State<App>, Id(uuid): Id<DatasetId>) -> Result<Redirect, Problem> {
    delete(admin, app, Id(uuid)).await?;
    Ok(Redirect::to(&format!("/recording/{uuid}/")))
}

/// `POST /api/v1/datasets/{uuid}/restore`.
pub async fn restore(admin: Admin, State(app): State<App>, Id(uuid): Id<DatasetId>) -> Result<StatusCode, Problem> {
    if app.recordings.restore(uuid).await? {
        app.audit.note(&admin.name, Action::Restored, uuid, "").await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /recording/{uuid}/restore`.
pub async fn restore_on_page(admin: Admin, app: State<App>, Id(uuid): Id<DatasetId>) -> Result<Redirect, Problem> {
    restore(admin, app, Id(uuid)).await?;
    Ok(Redirect::to(&format!("/recording/{uuid}/#restored")))
}

/// `POST /trash/{uuid}/restore`: comes back to the same page of the list.
pub async fn restore_in_list(admin: Admin, app: State<App>, id: Id<DatasetId>, Params(at): Params<At>) -> Result<Redirect, Problem> {
    restore(admin, app, id).await?;
    Ok(Redirect::to(&format!("/trash/{}#restored", at.query())))
}

/// `DELETE /api/v1/trash/{uuid}`: erases what lies in the trash before its time.
pub async fn erase(Operator(admin): Operator, State(app): State<App>, Id(uuid): Id<DatasetId>) -> Result<StatusCode, Problem> {
    app.recordings.erase_now(uuid, &admin.name, &app.audit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /trash/{uuid}/erase`.
pub async fn erase_on_page(operator: Operator, app: State<App>, id: Id<DatasetId>, Params(at): Params<At>) -> Result<Redirect, Problem> {
    erase(operator, app, id).await?;
    Ok(Redirect::to(&format!("/trash/{}#erased", at.query())))
}

/// `POST /api/v1/devices/{id}/forget`.
pub async fn forget_device(admin: Admin, State(app): State<App>, Id(id): Id<DeviceId>) -> Result<StatusCode, Problem> {
    if !app.handshake.forget(id, &admin.name).await? {
        return Err(Problem::not_found("device"));
    }
    app.audit.note(&admin.name, Action::Forgotten, id, "").await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /device/{id}/forget`.
pub async fn forget_device_on_page(admin: Admin, app: State<App>, id: Id<DeviceId>) -> Result<Redirect, Problem> {
    forget_device(admin, app, id).await?;
    Ok(Redirect::to("/device/list/#forgotten"))
}

/// `POST /api/v1/participants/{id}/forget`.
pub async fn forget_participant(admin: Admin, State(app): State<App>, Id(id): Id<ParticipantId>) -> Result<StatusCode, Problem> {
    if !app.recordings.forget_participant(id, &admin.name).await? {
        return Err(Problem::not_found("participant"));
    }
    app.audit.note(&admin.name, Action::Forgotten, id, "").await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /participant/{id}/forget`.
pub async fn forget_participant_on_page(admin: Admin, app: State<App>, id: Id<ParticipantId>) -> Result<Redirect, Problem> {
    forget_participant(admin, app, id).await?;
    Ok(Redirect::to("/trash/#forgotten"))
}
