//! One recording: what it is, what people say of it, and all its files.

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    search::{NONE, wearer},
    views::{ContentsView, DatasetView},
};
use crate::{
    audit::Action,
    catalog::{AuditEntry, FileRow, Verdict, Wearer},
    http::{
        admin::{broken_key, cut},
        error::Problem,
        extract::{Form, Id, Params, Sent},
        html::{Page, filters},
        markdown,
        passwords::Admin,
        state::App,
    },
    ids::{DatasetId, FileName, ParticipantId, Tag},
    recordings::{Change, DescribeError, Recordings},
};

/// Files on one page.
const FILES: u32 = 200;

/// The word for who wore the watch as the spans say.
const DAYS: &str = "days";

#[derive(Template)]
#[template(path = "admin/recording.html")]
pub struct RecordingPage {
    admin: Admin,
    contents: ContentsView,
    files: FilesQuery,
    /// The description, as sanitised HTML.
    description: String,
    participants: Vec<(ParticipantId, Tag)>,
    history: Vec<AuditEntry>,
    /// What was typed and not taken, since somebody else was quicker.
    overtaken: Option<Described>,
}

/// Which page of the files.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct FilesQuery {
    after: String,
}

impl FilesQuery {
    fn is_first(&self) -> bool {
        self.after.is_empty()
    }

    /// The name of the last file of the page before.
    fn key(&self) -> Result<Option<FileName>, Problem> {
        if self.is_first() { Ok(None) } else { FileName::from_stored(&self.after).ok_or_else(broken_key).map(Some) }
    }
}

/// What a person writes about a recording.
#[derive(Clone, Deserialize)]
pub struct Described {
    /// As it was when the person began to write.
    revision: i64,
    #[serde(default)]
    title: String,
    #[serde(default, rename = "description")]
    text: String,
}

/// What else a person says of a recording, each field by itself.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Said {
    verdict: Option<String>,
    reason: String,
    tag: Option<String>,
    untag: Option<String>,
    participant: Option<String>,
}

/// A change as JSON: what is not named stays, but for the reason of a verdict that is taken back. `revision` is needed where title or description change.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    revision: Option<i64>,
    title: Option<String>,
    description: Option<String>,
    verdict: Option<String>,
    reason: Option<String>,
    tags: Option<Vec<String>>,
    participant: Option<String>,
}

pub async fn page(
    admin: Admin,
    State(app): State<App>,
    Id(uuid): Id<DatasetId>,
    Params(files): Params<FilesQuery>,
) -> Result<Page<RecordingPage>, Problem> {
    show(admin, &app, uuid, files, None).await
}

pub async fn json(
    admin: Admin,
    State(recordings): State<Recordings>,
    Id(uuid): Id<DatasetId>,
    Params(files): Params<FilesQuery>,
) -> Result<Json<ContentsView>, Problem> {
    contents(&recordings, uuid, &admin, &files).await.map(Json)
}

/// `POST /recording/{uuid}/describe`. Where somebody else was quicker, 409 and the page with both texts.
pub async fn describe(
    admin: Admin,
    State(app): State<App>,
    Id(uuid): Id<DatasetId>,
    Form(form): Form<Described>,
) -> Result<Response, Problem> {
    match write(&app, &admin, uuid, form.revision, &form.title, &form.text).await {
        Err(DescribeError::Overtaken) => {
            Ok((StatusCode::CONFLICT, show(admin, &app, uuid, FilesQuery::default(), Some(form)).await?).into_response())
        }
        other => {
            other?;
            Ok(Redirect::to(&format!("/recording/{uuid}/#saved")).into_response())
        }
    }
}

/// Keeps title and description, and notes which of them are other ones.
async fn write(app: &App, admin: &Admin, uuid: DatasetId, revision: i64, title: &str, text: &str) -> Result<(), DescribeError> {
    let changed = app.recordings.describe(uuid, revision, title, text).await?;
    app.audit.note_edited(&admin.name, uuid, &changed).await;
    Ok(())
}

/// `POST /recording/{uuid}/say`: a verdict, a tag more or less, who wore the watch.
pub async fn say(admin: Admin, State(app): State<App>, Id(uuid): Id<DatasetId>, Form(said): Form<Said>) -> Result<Redirect, Problem> {
    apply(&app, &admin, &[uuid], &said.changes()?).await?;
    Ok(back(uuid))
}

/// `PATCH /api/v1/datasets/{uuid}`: all of it, or nothing.
pub async fn patch(
    admin: Admin,
    State(app): State<App>,
    Id(uuid): Id<DatasetId>,
    Sent(patch): Sent<Patch>,
) -> Result<Json<ContentsView>, Problem> {
    let before = contents(&app.recordings, uuid, &admin, &FilesQuery::default()).await?;
    let changes = patch.changes(&before)?;
    app.recordings.check(&changes).await?;
    if patch.title.is_some() || patch.description.is_some() {
        let revision =
            patch.revision.ok_or_else(|| Problem::malformed("revision: send the one that you have read, so that nobody is overwritten"))?;
        let (title, text) = (patch.title.unwrap_or(before.dataset.title), patch.description.unwrap_or(before.description));
        write(&app, &admin, uuid, revision, &title, &text).await?;
    }
    apply(&app, &admin, &[uuid], &changes).await?;
    contents(&app.recordings, uuid, &admin, &FilesQuery::default()).await.map(Json)
}

/// Carries out what a person says of recordings, all of it or nothing, and notes of which something else was said before.
pub async fn apply(app: &App, admin: &Admin, datasets: &[DatasetId], changes: &[Change]) -> Result<(), Problem> {
    app.recordings.check(changes).await?;
    for change in changes {
        let other = app.recordings.change(datasets, change).await?;
        let subjects: Vec<_> = other.iter().map(ToString::to_string).collect();
        let (action, detail) = told(change);
        app.audit.note_all(&admin.name, action, &subjects, &detail).await;
    }
    Ok(())
}

/// What stands of a change in the trail.
fn told(change: &Change) -> (Action, String) {
    match change {
        Change::Judge(None, _) => (Action::Judged, "verdict taken back".to_owned()),
        Change::Judge(Some(verdict), reason) if reason.is_empty() => (Action::Judged, verdict.as_str().to_owned()),
        Change::Judge(Some(verdict), reason) => (Action::Judged, format!("{}: {reason}", verdict.as_str())),
        Change::Tag(tag) => (Action::Tagged, tag.to_string()),
        Change::Untag(tag) => (Action::Untagged, tag.to_string()),
        Change::Assign(Wearer::Participant(id)) => (Action::Assigned, id.to_string()),
        Change::Assign(Wearer::Unassigned) => (Action::Assigned, "to nobody".to_owned()),
        Change::AssignBySpans => (Action::Assigned, "as the days say".to_owned()),
    }
}

impl Said {
    fn changes(&self) -> Result<Vec<Change>, Problem> {
        let verdict = self.verdict.as_deref().map(|text| verdict(text, &self.reason)).transpose()?;
        let put_on = self.tag.as_deref().map(|text| tag(text).map(Change::Tag)).transpose()?;
        let taken_off = self.untag.as_deref().map(|text| tag(text).map(Change::Untag)).transpose()?;
        let participant = self.participant.as_deref().map(assignment).transpose()?;
        Ok([verdict, put_on, taken_off, participant].into_iter().flatten().collect())
    }
}

impl Patch {
    fn changes(&self, before: &ContentsView) -> Result<Vec<Change>, Problem> {
        let mut changes = Vec::new();
        changes.extend(self.judged(&before.dataset)?);
        changes.extend(self.participant.as_deref().map(assignment).transpose()?);
        if let Some(tags) = &self.tags {
            let wanted = tags.iter().map(|text| tag(text)).collect::<Result<Vec<_>, _>>()?;
            let had = &before.dataset.tags;
            changes.extend(had.iter().filter(|tag| !wanted.contains(tag)).cloned().map(Change::Untag));
            changes.extend(wanted.iter().filter(|tag| !had.contains(tag)).cloned().map(Change::Tag));
        }
        Ok(changes)
    }

    /// The verdict and its reason, where one of them is named. A reason goes with its verdict.
    fn judged(&self, before: &DatasetView) -> Result<Option<Change>, Problem> {
        let had = before.verdict.map_or(NONE, Verdict::as_str);
        let (text, reason) = match (self.verdict.as_deref(), self.reason.as_deref()) {
            (None, None) => return Ok(None),
            (Some(NONE), None) => (NONE, ""),
            (text, reason) => (text.unwrap_or(had), reason.unwrap_or(&before.verdict_reason)),
        };
        if text == NONE && !reason.trim().is_empty() {
            return Err(Problem::field("reason", "Reason", "it is the reason of a verdict; send a verdict, too"));
        }
        verdict(text, reason).map(Some)
    }
}

/// Who wore the watch, as a field says it.
pub fn assignment(text: &str) -> Result<Change, Problem> {
    match text {
        "" => Err(Problem::field("participant", "Worn by", "choose who wore the watch")),
        DAYS => Ok(Change::AssignBySpans),
        _ => wearer("Worn by", text).map(Change::Assign),
    }
}

/// A verdict as a field says it; `none` takes it back.
pub fn verdict(text: &str, reason: &str) -> Result<Change, Problem> {
    let parse = |text: &str| text.parse::<Verdict>().map_err(|error| Problem::field("verdict", "Verdict", error));
    let verdict = if text == NONE { None } else { Some(parse(text)?) };
    Ok(Change::Judge(verdict, reason.trim().to_owned()))
}

/// A tag as a field says it.
pub fn tag(text: &str) -> Result<Tag, Problem> {
    text.parse().map_err(|error| Problem::field("tag", "Tag", error))
}

async fn show(
    admin: Admin,
    app: &App,
    uuid: DatasetId,
    files: FilesQuery,
    overtaken: Option<Described>,
) -> Result<Page<RecordingPage>, Problem> {
    let contents = contents(&app.recordings, uuid, &admin, &files).await?;
    let worn_by = contents.dataset.participant.as_ref().map(|participant| participant.id);
    let participants = app.recordings.participants(worn_by).await?;
    let mut history = app.audit.history(uuid).await?;
    // Who took a file home is told to those who may know that it is there.
    let privacy = app.settings.now();
    let sight = privacy.privacy.sight(admin.role);
    history.retain(|entry| FileName::from_stored(&entry.detail).is_none_or(|name| sight.sees(&name)));
    let description = markdown::to_html(&contents.description);
    Ok(Page(RecordingPage { admin, contents, files, description, participants, history, overtaken }))
}

async fn contents(recordings: &Recordings, uuid: DatasetId, admin: &Admin, files: &FilesQuery) -> Result<ContentsView, Problem> {
    // One more than is shown tells whether there is a next page.
    match recordings.contents(uuid, admin.role, files.key()?.as_ref(), FILES + 1).await? {
        Some(mut found) => {
            let next = cut(&mut found.files, FILES).and_then(FileRow::stored_name).cloned();
            Ok(ContentsView::of(found, next))
        }
        // Perhaps it can be said why.
        None => Err(recordings.known(uuid).await.map_or_else(Problem::from, |_| Problem::not_found("recording"))),
    }
}

fn back(uuid: DatasetId) -> Redirect {
    Redirect::to(&format!("/recording/{uuid}/"))
}
