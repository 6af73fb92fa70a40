//! The list of recordings: a page, JSON, and CSV.

use std::{collections::HashSet, sync::Arc};

use askama::Template;
use axum::{Json, extract::State, response::Response};
use futures_util::stream;
use serde::Serialize;

use super::{
    search::{Search, key_text},
    views::DatasetView,
};
use crate::{
    catalog::{Choices, PageKey, Verdict, Wearer},
    http::{
        admin::{cut, table},
        error::Problem,
        extract::Params,
        html::{Page, filters},
        passwords::Admin,
    },
    ids::DatasetId,
    recordings::Recordings,
};

/// Datasets on one page.
const PAGE: u32 = 50;

/// One page of datasets.
#[derive(Serialize)]
pub struct DatasetsView {
    datasets: Vec<DatasetView>,
    /// The key of the next page, for `after`; none on the last one.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/recordings.html")]
pub struct RecordingsPage {
    admin: Admin,
    search: Search,
    /// Whose recordings these are, where the search names one device.
    watch: Option<String>,
    choices: Choices,
    participants: Vec<(crate::ids::ParticipantId, crate::ids::Tag)>,
    list: DatasetsView,
    /// Those of which there is a zip to take home.
    zips: HashSet<DatasetId>,
    /// How many there are, in words.
    found: String,
}

pub async fn page(
    admin: Admin,
    State(recordings): State<Recordings>,
    Params(search): Params<Search>,
) -> Result<Page<RecordingsPage>, Problem> {
    let list = find(&recordings, &search).await?;
    let of_one = !search.typed("device").is_empty();
    let watch = list.datasets.first().filter(|_| of_one).map(|dataset| dataset.watch().to_owned());
    let chosen = match search.filter()?.participant {
        Some(Wearer::Participant(id)) => Some(id),
        _ => None,
    };
    let (choices, participants) = (recordings.choices().await?, recordings.participants(chosen).await?);
    let zips = recordings.with_zip(list.datasets.iter().map(|dataset| dataset.uuid)).await?;
    let found = count(&recordings, &search, &list).await?;
    Ok(Page(RecordingsPage { admin, search, watch, choices, participants, list, zips, found }))
}

/// How many a search finds, in words. Nobody counts what is more than one page: that could take as long as to find it all.
async fn count(recordings: &Recordings, search: &Search, list: &DatasetsView) -> Result<String, Problem> {
    let number = if search.after().is_none() && list.next.is_none() {
        list.datasets.len() as u64
    } else if search.is_narrow() {
        return Ok(format!("More than {PAGE} recordings"));
    } else {
        recordings.totals().await?.datasets
    };
    Ok(if number == 1 { "1 recording".to_owned() } else { format!("{} recordings", filters::grouped(number)) })
}

pub async fn json(_: Admin, State(recordings): State<Recordings>, Params(search): Params<Search>) -> Result<Json<DatasetsView>, Problem> {
    find(&recordings, &search).await.map(Json)
}

/// Everything that a search finds, as CSV.
pub async fn csv(_: Admin, State(recordings): State<Recordings>, Params(search): Params<Search>) -> Result<Response, Problem> {
    let head = [
        "uuid",
        "title",
        "watch",
        "participant",
        "verdict",
        "reason",
        "tags",
        "issued",
        "started",
        "ended",
        "run",
        "app",
        "model",
        "files",
        "bytes",
    ];
    let (filter, order) = (Arc::new(search.filter()?), search.order()?);
    let rows = stream::try_unfold(search.key()?, move |after| {
        let (recordings, filter) = (recordings.clone(), Arc::clone(&filter));
        async move {
            let found = recordings.datasets(&filter, order, after, table::ROWS).await?;
            let last = found.last().map(|last| PageKey::of(&last.dataset, order));
            Ok(last.map(|last| (found.into_iter().map(|listed| row(&DatasetView::of(listed))).collect(), Some(last))))
        }
    });
    table::send("recordings.csv", head, rows).await
}

fn row(dataset: &DatasetView) -> [String; 15] {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let time = |millis: Option<i64>| millis.map(filters::iso).unwrap_or_default();
    let tags: Vec<_> = dataset.tags.iter().map(ToString::to_string).collect();
    [
        dataset.uuid.to_string(),
        dataset.title.clone(),
        dataset.watch.clone().unwrap_or_default(),
        dataset.participant.as_ref().map(|participant| participant.label.to_string()).unwrap_or_default(),
        dataset.verdict.map(Verdict::as_str).unwrap_or_default().to_owned(),
        dataset.verdict_reason.clone(),
        tags.join(", "),
        time(Some(dataset.created_at)),
        time(dataset.started_at),
        time(dataset.ended_at),
        number(dataset.run_number),
        dataset.app_version.clone().unwrap_or_default(),
        dataset.model.clone().unwrap_or_default(),
        dataset.files.to_string(),
        dataset.bytes.to_string(),
    ]
}

async fn find(recordings: &Recordings, search: &Search) -> Result<DatasetsView, Problem> {
    let (filter, order, key) = (search.filter()?, search.order()?, search.key()?);
    // One more than is shown tells whether there is a next page.
    let mut found = recordings.datasets(&filter, order, key, PAGE + 1).await?;
    let next = cut(&mut found, PAGE).map(|last| key_text(PageKey::of(&last.dataset, order)));
    Ok(DatasetsView { datasets: found.into_iter().map(DatasetView::of).collect(), next })
}
