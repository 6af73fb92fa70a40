//! Recordings as JSON, and as the templates read them. Times are milliseconds since 1970 (UTC).

use std::time::SystemTime;

use percent_encoding::utf8_percent_encode;
use serde::Serialize;

use crate::{
    catalog::{FileRow, FileState, Millis, Verdict, Whereabouts},
    http::{
        admin::{SEGMENT, query_of},
        html::filters,
    },
    ids::{DatasetId, DeviceId, FileName, Identifier, Kind, ParticipantId, SentName, Tag},
    recordings::{Contents, FileCounts, Listed},
};

/// A dataset.
#[derive(Serialize)]
pub struct DatasetView {
    pub uuid: DatasetId,
    pub title: String,
    pub device: Option<DeviceId>,
    pub identifier: Option<Identifier>,
    /// The name of the watch to show; a dataset that was found on the disk has none yet.
    pub watch: Option<String>,
    pub participant: Option<ParticipantView>,
    /// Whether a person said who wore the watch.
    pub participant_by_hand: bool,
    pub verdict: Option<Verdict>,
    pub verdict_reason: String,
    pub tags: Vec<Tag>,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Of the run, where a plausible time is known.
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    pub run_number: Option<i64>,
    pub app_version: Option<String>,
    pub model: Option<String>,
    pub files: u64,
    pub bytes: u64,
    /// Counts the edits of title and description: `PATCH` wants the one that was read.
    pub revision: i64,
    pub zip_is_fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip_error: Option<String>,
    /// Since when it lies in the trash, and who put it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<String>,
    /// Whether a watch brought something since.
    #[serde(skip)]
    pub came_since: bool,
}

/// Who wore a watch.
#[derive(Serialize)]
pub struct ParticipantView {
    pub id: ParticipantId,
    pub label: Tag,
}

/// A file of a dataset.
#[derive(Serialize)]
pub struct FileView {
    pub name: String,
    pub sent_name: SentName,
    pub size: u64,
    pub sha256: String,
    pub received_at: Millis,
    /// Its bytes were not found when somebody looked (`wearhouse reindex`).
    pub lost: bool,
    pub address: String,
}

/// A dataset with a page of its files.
#[derive(Serialize)]
pub struct ContentsView {
    #[serde(flatten)]
    pub dataset: DatasetView,
    pub description: String,
    /// The run's `metaInfo`, as it was sent.
    pub meta_info: Option<String>,
    /// Files of this page, by name.
    pub file_list: Vec<FileView>,
    /// The key of the next page, for `after`: the name of the last file of this one; none on the last page.
    pub next: Option<FileName>,
    /// How many more files there are, kept from researchers.
    pub kept_back: u64,
    #[serde(skip)]
    pub counts: FileCounts,
    pub zip: Option<ZipView>,
}

/// The published zip.
#[derive(Serialize)]
pub struct ZipView {
    pub address: String,
    pub size: u64,
    #[serde(skip)]
    pub made: SystemTime,
}

impl DatasetView {
    pub fn of(listed: Listed) -> Self {
        let Listed { dataset, tags } = listed;
        let (came_since, (deleted_at, deleted_by)) = (dataset.came_since(), dataset.deleted.clone().unzip());
        Self {
            watch: dataset.watch().map(str::to_owned),
            uuid: dataset.uuid,
            title: dataset.notes.title,
            device: dataset.device,
            identifier: dataset.identifier,
            participant: dataset.participant.map(|(id, label)| ParticipantView { id, label }),
            participant_by_hand: dataset.participant_by_hand,
            verdict: dataset.notes.verdict,
            verdict_reason: dataset.notes.verdict_reason,
            tags,
            created_at: dataset.created_at,
            updated_at: dataset.updated_at,
            started_at: dataset.run.started_at,
            ended_at: dataset.run.ended_at,
            run_number: dataset.run.number,
            app_version: dataset.run.app_version,
            model: dataset.run.model,
            files: dataset.files,
            bytes: dataset.bytes,
            revision: dataset.notes.revision,
            zip_is_fresh: dataset.zip_is_fresh,
            zip_error: dataset.zip_error,
            deleted_at,
            deleted_by,
            came_since,
        }
    }

    /// The name to show.
    pub fn watch(&self) -> &str {
        self.watch.as_deref().unwrap_or("(no device yet)")
    }

    /// Whether a participant is the one who wore the watch.
    pub fn is_worn_by(&self, participant: &ParticipantId) -> bool {
        self.participant.as_ref().is_some_and(|worn_by| worn_by.id == *participant)
    }

    /// The title, or what stands for it.
    pub fn heading(&self) -> String {
        if self.title.is_empty() { format!("Recording {}", self.uuid) } else { self.title.clone() }
    }
}

impl FileView {
    /// Where it is published as a model, if it is one and the dataset is not in the trash.
    pub fn publish(&self, dataset: &DatasetView) -> Option<String> {
        let is_model = FileName::from_catalog(self.name.clone()).kind() == Kind::Model;
        let name = utf8_percent_encode(&self.name, SEGMENT);
        (is_model && !self.lost && dataset.deleted_at.is_none()).then(|| format!("/recording/{}/models/{name}/publish", dataset.uuid))
    }

    pub fn of(file: FileRow) -> Option<Self> {
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
    /// `next` is the name of the last file of the page, where there is a further page.
    pub fn of(contents: Contents, next: Option<FileName>) -> Self {
        let zip_address = format!("/uploads/zips/{}.zip", contents.dataset.uuid);
        Self {
            zip: contents.zip.map(|(size, made)| ZipView { address: zip_address, size, made }),
            description: contents.texts.description,
            meta_info: contents.texts.meta_info,
            kept_back: contents.counts.kept_back,
            counts: contents.counts,
            next,
            file_list: contents.files.into_iter().filter_map(FileView::of).collect(),
            dataset: DatasetView::of(Listed { dataset: contents.dataset, tags: contents.tags }),
        }
    }

    /// How many files the person may see on all pages, in words.
    pub fn file_count(&self) -> String {
        filters::grouped(self.counts.visible)
    }

    /// The address of the next page.
    pub fn next_page(&self) -> Option<String> {
        let query = query_of([("after", self.next.as_ref()?.as_str())]);
        Some(format!("/recording/{}/?{query}#files", self.dataset.uuid))
    }

    /// What the run's `metaInfo` says, key by key; nested values as JSON.
    pub fn meta(&self) -> Vec<(String, String)> {
        let parsed = self.meta_info.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let Some(serde_json::Value::Object(entries)) = parsed else { return Vec::new() };
        let show = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        entries.into_iter().map(|(key, value)| (key, show(value))).collect()
    }
}

fn address(dataset: DatasetId, name: &FileName) -> String {
    let folder = name.kind().folder();
    format!("/uploads/{folder}/{dataset}/{}", utf8_percent_encode(name.as_str(), SEGMENT))
}
