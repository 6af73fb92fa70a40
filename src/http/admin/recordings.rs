//! Recordings: what arrived, newest first, and one of them with all its files.

use std::time::SystemTime;

use askama::Template;
use axum::{Json, extract::State};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Dataset, DatasetFilter, FileRow, FileState, Millis, Whereabouts},
    http::{
        error::Problem,
        extract::{Id, Params},
        html::{Page, filters},
        passwords::Admin,
    },
    ids::{DatasetId, DeviceId, FileName, Identifier},
    recordings::{Contents, Recordings},
};

/// Datasets on one page.
const PAGE: u32 = 50;

/// Files of a dataset on its page; the JSON and the zip hold those behind them, too.
const FILES_SHOWN: usize = 1000;

/// What a path segment cannot hold as it is (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which datasets to list. `after` is the key of the page before: its `next`.
#[derive(Deserialize)]
pub struct Search {
    q: Option<String>,
    device: Option<String>,
    from: Option<Millis>,
    to: Option<Millis>,
    after: Option<String>,
}

/// A dataset, as JSON. Times are milliseconds since 1970 (UTC).
#[derive(Serialize)]
pub struct DatasetView {
    uuid: DatasetId,
    device: Option<DeviceId>,
    identifier: Option<Identifier>,
    created_at: Millis,
    updated_at: Millis,
    files: u64,
    bytes: u64,
    zip_is_fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip_error: Option<String>,
}

/// One page of datasets, newest first.
#[derive(Serialize)]
pub struct DatasetsView {
    datasets: Vec<DatasetView>,
    /// The key of the next page, for `after`; none on the last one.
    next: Option<String>,
}

/// A file of a dataset, as JSON.
#[derive(Serialize)]
pub struct FileView {
    name: String,
    sent_name: String,
    size: u64,
    sha256: String,
    received_at: Millis,
    /// Its bytes were not found when somebody looked (`wearhouse reindex`).
    lost: bool,
    address: String,
}

/// A dataset with all its files, as JSON.
#[derive(Serialize)]
pub struct ContentsView {
    #[serde(flatten)]
    dataset: DatasetView,
    file_list: Vec<FileView>,
    zip: Option<ZipView>,
}

/// The published zip.
#[derive(Serialize)]
pub struct ZipView {
    address: String,
    size: u64,
    #[serde(skip)]
    made: SystemTime,
}

#[derive(Template)]
#[template(path = "admin/recordings.html")]
pub struct RecordingsPage {
    admin: Admin,
    search: Search,
    /// Whose recordings these are, where the search names one device.
    watch: Option<String>,
    list: DatasetsView,
}

#[derive(Template)]
#[template(path = "admin/recording.html")]
pub struct RecordingPage {
    admin: Admin,
    contents: ContentsView,
}

pub async fn page(
    admin: Admin,
    State(recordings): State<Recordings>,
    Params(search): Params<Search>,
) -> Result<Page<RecordingsPage>, Problem> {
    let list = find(&recordings, &search).await?;
    let one = search.device.as_ref().filter(|id| !id.is_empty()).and(list.datasets.first());
    Ok(Page(RecordingsPage { admin, watch: one.map(|dataset| dataset.alias().to_owned()), search, list }))
}

pub async fn recording_page(
    admin: Admin,
    State(recordings): State<Recordings>,
    Id(uuid): Id<DatasetId>,
) -> Result<Page<RecordingPage>, Problem> {
    Ok(Page(RecordingPage { admin, contents: contents(&recordings, uuid).await? }))
}

pub async fn list(_: Admin, State(recordings): State<Recordings>, Params(search): Params<Search>) -> Result<Json<DatasetsView>, Problem> {
    find(&recordings, &search).await.map(Json)
}

pub async fn show(_: Admin, State(recordings): State<Recordings>, Id(uuid): Id<DatasetId>) -> Result<Json<ContentsView>, Problem> {
    contents(&recordings, uuid).await.map(Json)
}

async fn find(recordings: &Recordings, search: &Search) -> Result<DatasetsView, Problem> {
    let filter = search.filter()?;
    // One more than is shown tells whether there is a next page.
    let mut found = recordings.datasets(&filter, PAGE + 1).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let next = found.last().filter(|_| more).map(|last| format!("{}-{}", last.created_at, last.uuid));
    Ok(DatasetsView { datasets: found.into_iter().map(DatasetView::of).collect(), next })
}

async fn contents(recordings: &Recordings, uuid: DatasetId) -> Result<ContentsView, Problem> {
    let found = recordings.contents(uuid).await?;
    found.map(ContentsView::of).ok_or_else(|| Problem::not_found("recording"))
}

impl Search {
    fn filter(&self) -> Result<DatasetFilter, Problem> {
        let after = self
            .after
            .as_ref()
            .map(|key| parse_key(key).ok_or_else(|| Problem::malformed("this page key is broken; start again at the first page")));
        let device = self.device.as_ref().filter(|text| !text.is_empty()).map(|text| text.parse());
        Ok(DatasetFilter {
            text: Some(self.text().to_owned()).filter(|text| !text.is_empty()),
            device: device.transpose()?,
            from: self.from,
            to: self.to,
            after: after.transpose()?,
        })
    }

    /// The text that is searched for; empty for everything.
    fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default().trim()
    }

    /// What the search is bounded by beside its text, as in the query.
    fn bounds(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<Millis>| time.map(|millis| millis.to_string());
        let bounds = [("device", self.device.clone()), ("from", time(self.from)), ("to", time(self.to))];
        bounds.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
    }

    /// Whether it leaves anything out.
    fn is_narrow(&self) -> bool {
        !self.text().is_empty() || !self.bounds().is_empty()
    }

    /// The address of the same search from its beginning, or behind the key of a page.
    fn address(&self, after: Option<&str>) -> String {
        let (text, key) = (("q", self.text().to_owned()), after.map(|key| ("after", key.to_owned())));
        let pairs = std::iter::once(text).chain(self.bounds()).chain(key);
        let query: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, SEGMENT))).collect();
        format!("/recording/list/?{}", query.join("&"))
    }
}

fn parse_key(key: &str) -> Option<(Millis, DatasetId)> {
    let (created_at, uuid) = key.split_once('-')?;
    Some((created_at.parse().ok()?, uuid.parse().ok()?))
}

impl DatasetView {
    fn of(dataset: Dataset) -> Self {
        Self {
            uuid: dataset.uuid,
            device: dataset.device,
            identifier: dataset.identifier,
            created_at: dataset.created_at,
            updated_at: dataset.updated_at,
            files: dataset.files,
            bytes: dataset.bytes,
            zip_is_fresh: dataset.zip_is_fresh,
            zip_error: dataset.zip_error,
        }
    }

    /// The alias to show; a dataset that was found on the disk has no device yet.
    fn alias(&self) -> &str {
        self.identifier.as_ref().map_or("(no device yet)", Identifier::alias)
    }
}

impl FileView {
    fn of(file: FileRow) -> Option<Self> {
        let Whereabouts::Dataset(name) = &file.whereabouts else { return None };
        Some(Self {
            name: name.to_string(),
            address: address(file.dataset, name),
            sent_name: file.sent_name,
            size: file.size,
            sha256: file.sha256,
            received_at: file.received_at,
            lost: file.state == FileState::Lost,
        })
    }
}

impl ContentsView {
    /// The files that the page shows.
    fn shown(&self) -> &[FileView] {
        &self.file_list[..self.file_list.len().min(FILES_SHOWN)]
    }

    /// How many files are not on the disk.
    fn lost(&self) -> usize {
        self.file_list.iter().filter(|file| file.lost).count()
    }

    fn of(contents: Contents) -> Self {
        let zip_address = format!("/uploads/zips/{}.zip", contents.dataset.uuid);
        Self {
            zip: contents.zip.map(|(size, made)| ZipView { address: zip_address, size, made }),
            dataset: DatasetView::of(contents.dataset),
            file_list: contents.files.into_iter().filter_map(FileView::of).collect(),
        }
    }
}

fn address(dataset: DatasetId, name: &FileName) -> String {
    let folder = name.kind().folder();
    format!("/uploads/{folder}/{dataset}/{}", utf8_percent_encode(name.as_str(), SEGMENT))
}
