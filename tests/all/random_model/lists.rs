//! Datasets, the trash, the quarantine and the dashboard as JSON and as pages: a reader sees what the model allows, and
//! every count is the model's.

use std::collections::BTreeSet;

use reqwest::Method;

use super::{
    changes,
    context::{Context, Failure, Reply},
    history::Span,
    model::{Bounds, Model, Place, Reader, TAGS, Totals},
    names, pages,
    pages::{
        Dashboard, DatasetJson, DatasetPage, DatasetsJson, ListPage, ListedDataset, ListedDevice, ListedFile, QuarantineJson,
        QuarantinedFile,
    },
    uploads::dataset,
};

/// Asks for a page or JSON that everybody who logs in may read. Nothing where the server is stopped or killed.
async fn get(context: &Context, reader: Reader, path: &str) -> Result<Option<Reply>, Failure> {
    let request = context.ask(reader, Method::GET, path).await;
    let Some(reply) = context.send_now(request).await else { return Ok(None) };
    match reply.status.as_u16() {
        200 | 404 if reply.is_whole => Ok(Some(reply)),
        200 | 404 | 503 => Ok(None),
        _ => Err(reply.unexpected(None, path)),
    }
}

/// A dataset as JSON, with the files of all its pages.
pub async fn dataset_json(context: &Context, reader: Reader, uuid: &str) -> Result<Option<DatasetJson>, Failure> {
    let (mut files, mut after, mut asked) = (Vec::new(), String::new(), None);
    loop {
        let Some(reply) = get(context, reader, &format!("/api/v1/datasets/{uuid}?after={after}")).await? else { return Ok(None) };
        let asked = *asked.get_or_insert(reply.head.from);
        let mut model = context.model();
        if reply.status == 404 {
            let is_erased = dataset(&mut model, uuid)?.may_be(Place::Erased, reply.head);
            return if is_erased { Ok(None) } else { Err(reply.unexpected(Some(uuid), "it is not there")) };
        }
        let mut page: DatasetJson = pages::json(&reply.body)?;
        let wrong = |what| Failure::of(uuid, format!("as JSON for {reader:?} within {:?}: {what}; {}", reply.head, reply.text()));
        check_page(&mut model, reader, uuid, &page, &reply).map_err(wrong)?;
        files.append(&mut page.file_list);
        if let Some(next) = page.next.take() {
            after = next;
            continue;
        }
        check_files(&model, reader, uuid, &files, Span { from: asked, to: reply.head.to }).map_err(wrong)?;
        return Ok(Some(DatasetJson { file_list: files, ..page }));
    }
}

/// What one page says of the dataset, and the files that it lists.
fn check_page(model: &mut Model, reader: Reader, uuid: &str, page: &DatasetJson, reply: &Reply) -> Result<(), String> {
    let head = reply.head;
    check_counts(model, reader, uuid, page.files, Some(page.bytes), page.kept_back, reply)?;
    for file in &page.file_list {
        if !model.may_see(reader, &file.name, reply.last_look) {
            return Err(format!("{} is listed and is kept from researchers", file.name));
        }
        let known = model.datasets.get_mut(uuid).ok_or("no dataset")?.stored(&file.name, &file.sha256, head)?;
        if known.size != file.size || known.key.sent_name != file.sent_name {
            return Err(format!("{file:?} was sent as {known:?}"));
        }
    }
    let dataset = model.datasets.get(uuid).ok_or("no dataset")?;
    let place = if page.deleted_at.is_some() { Place::Trash } else { Place::Live };
    if !dataset.may_be(place, head) {
        return Err(format!("it is {place:?}, expected {:?}", dataset.place));
    }
    let is_tagged = TAGS.iter().enumerate().all(|(at, tag)| dataset.tags[at].may_equal(head, &page.tags.iter().any(|found| found == tag)));
    let is_described = dataset.title.may_equal(head, &page.title) && dataset.description.may_equal(head, &page.description);
    let is_rated = changes::QUALITIES.iter().any(|quality| *quality == page.quality.as_deref() && dataset.quality.may_equal(head, quality));
    if is_tagged && is_described && is_rated {
        Ok(())
    } else {
        Err(format!("another description, rating or tags than expected: {dataset:?}"))
    }
}

/// Every file that was there while all pages were read is on one of them.
fn check_files(model: &Model, reader: Reader, uuid: &str, files: &[ListedFile], span: Span) -> Result<(), String> {
    let mut listed = BTreeSet::new();
    if let Some(twice) = files.iter().find(|file| !listed.insert(&file.name)) {
        return Err(format!("{} is listed twice", twice.name));
    }
    let dataset = model.datasets.get(uuid).ok_or("no dataset")?;
    let missing = dataset.files.iter().find(|file| {
        let is_listed = file.stored_as.as_ref().is_some_and(|name| listed.contains(name));
        // While the dataset is being erased, its files go.
        let is_there = file.is_always_stored(span) && !dataset.may_be(Place::Erased, span);
        is_there && model.always_sees(reader, &file.name(), span) && !is_listed
    });
    missing.map_or(Ok(()), |file| Err(format!("{file:?} is not listed")))
}

fn check_counts(
    model: &Model,
    reader: Reader,
    uuid: &str,
    files: u64,
    bytes: Option<u64>,
    kept_back: u64,
    reply: &Reply,
) -> Result<(), String> {
    let dataset = model.datasets.get(uuid).ok_or("no dataset")?;
    let (files_expected, bytes_expected) = dataset.counts(reply.head);
    expect("files", files, files_expected)?;
    bytes.map_or(Ok(()), |bytes| expect("bytes", bytes, bytes_expected))?;
    let mut hidden = Bounds::default();
    let may_be_erased = dataset.may_be(Place::Erased, reply.head);
    for file in &dataset.files {
        let (never, maybe) = (!model.may_see(reader, &file.name(), reply.head), !model.always_sees(reader, &file.name(), reply.head));
        hidden.least += u64::from(never && !may_be_erased && file.is_always_stored(reply.head));
        hidden.most += u64::from(maybe && dataset.may_hold(file, reply.head));
    }
    expect("files that are kept from the reader", kept_back, hidden)
}

/// A dataset's page.
pub async fn dataset_page(context: &Context, reader: Reader, uuid: &str) -> Result<(), Failure> {
    let Some(reply) = get(context, reader, &format!("/recording/{uuid}/")).await? else { return Ok(()) };
    let mut model = context.model();
    if reply.status == 404 {
        let is_erased = dataset(&mut model, uuid)?.may_be(Place::Erased, reply.head);
        return if is_erased { Ok(()) } else { Err(reply.unexpected(Some(uuid), "its page is not there")) };
    }
    let page = DatasetPage::parse(&reply.text()).map_err(|what| Failure::of(uuid, what))?;
    let check = check_counts(&model, reader, uuid, page.files, None, page.kept_back, &reply);
    check.map_err(|what| Failure::of(uuid, format!("its page: {what}")))?;
    let dataset = dataset(&mut model, uuid)?;
    let names: Vec<_> = dataset.files.iter().map(|file| (file.name(), file.key.sha256.clone())).collect();
    for digest in page.digests {
        let is_seen = |(name, sha256): &(String, String)| *sha256 == digest && model.may_see(reader, name, reply.last_look);
        if !names.iter().any(is_seen) {
            return Err(Failure::of(uuid, format!("{reader:?} sees a file of digest {digest} on its page")));
        }
    }
    Ok(())
}

/// All pages of a list of datasets as JSON: of those that are live, or of the trash.
pub async fn datasets(context: &Context, reader: Reader, place: Place) -> Result<Option<Vec<ListedDataset>>, Failure> {
    let path = if place == Place::Trash { "/api/v1/trash" } else { "/api/v1/datasets" };
    let (mut found, mut after, mut span) = (Vec::new(), String::new(), None);
    loop {
        let Some(reply) = get(context, reader, &format!("{path}?after={after}")).await? else { return Ok(None) };
        let page: DatasetsJson = pages::json(&reply.body)?;
        let whole = *span.get_or_insert(reply.head);
        span = Some(Span { from: whole.from, to: reply.head.to });
        if place == Place::Trash {
            let totals = context.model().totals(Place::Trash, reply.head);
            let checked = expect("datasets in the trash", page.total, totals.datasets);
            checked.and_then(|()| expect("bytes in the trash", page.bytes, totals.bytes))?;
        }
        found.extend(page.datasets);
        let Some(next) = page.next else { break };
        after = next;
    }
    if let Some(span) = span {
        check_list(&context.model(), place, &found, span)?;
    }
    Ok(Some(found))
}

/// The list as CSV.
pub async fn csv(context: &Context, reader: Reader) -> Result<(), Failure> {
    let Some(reply) = get(context, reader, "/recording/list.csv").await? else { return Ok(()) };
    let found = pages::csv(&reply.body)?;
    // Its rows are read while it is sent.
    let mut model = context.model();
    let span = Span { from: reply.head.from, to: model.tick() };
    check_list(&model, Place::Live, &found, span)
}

fn check_list(model: &Model, place: Place, found: &[ListedDataset], span: Span) -> Result<(), Failure> {
    let mut listed = BTreeSet::new();
    for row in found {
        let Some(dataset) = model.datasets.get(&row.uuid) else {
            if model.unissued.is_empty() {
                return Err(Failure::of(&row.uuid, "it is listed, and its UUID was never issued"));
            }
            continue;
        };
        let (files, bytes) = dataset.counts(span);
        let counts = expect("files", row.files, files).and_then(|()| expect("bytes", row.bytes, bytes));
        counts.map_err(|what| Failure::of(&row.uuid, format!("in the list of {place:?}, {span:?}: {what}")))?;
        if !dataset.may_be(place, span) {
            return Err(Failure::of(&row.uuid, format!("it is in the list of {place:?} within {span:?}: {:?}", dataset.place)));
        }
        if !listed.insert(&row.uuid) {
            return Err(Failure::of(&row.uuid, "it is listed twice"));
        }
    }
    match model.datasets.iter().find(|(uuid, dataset)| dataset.is_always(place, span) && !listed.contains(uuid)) {
        Some((uuid, dataset)) => Err(Failure::of(uuid, format!("it is not in the list of {place:?}, {span:?}: {:?}", dataset.place))),
        None => Ok(()),
    }
}

/// The list as a page: the first one of them.
pub async fn list_page(context: &Context, reader: Reader) -> Result<(), Failure> {
    let Some(reply) = get(context, reader, "/recording/list/").await? else { return Ok(()) };
    let page = ListPage::parse(&reply.text())?;
    let model = context.model();
    if let Some(found) = page.found {
        expect("datasets on the list's page", found, model.totals(Place::Live, reply.head).datasets)?;
    }
    for (uuid, files) in &page.files {
        let Some(dataset) = model.datasets.get(uuid) else { continue };
        let checked = expect("files", *files, dataset.counts(reply.head).0);
        checked.map_err(|what| Failure::of(uuid, format!("on the list's page: {what}")))?;
        if !dataset.may_be(Place::Live, reply.last_look) {
            return Err(Failure::of(uuid, format!("it is on the list's page: {:?}", dataset.place)));
        }
    }
    Ok(())
}

/// The dashboard.
pub async fn dashboard(context: &Context, reader: Reader) -> Result<(), Failure> {
    let Some(reply) = get(context, reader, "/").await? else { return Ok(()) };
    let page = Dashboard::parse(&reply.text())?;
    let model = context.model();
    let Totals { datasets, files, .. } = model.totals(Place::Live, reply.head);
    let checked = expect("datasets", page.datasets, datasets).and_then(|()| expect("files", page.files, files));
    let quarantined = model.quarantined(reply.head, |_| true, |_| true);
    let checked = checked.and_then(|()| expect("files in quarantine", page.quarantined, quarantined));
    checked.map_err(|what| Failure::new(format!("on the dashboard, {:?}: {what}", reply.head)))
}

/// Whether other requests are in flight while a list is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing else: the list of all pages is complete.
    Nothing,
    /// Files come and go between two pages, so that one may be on neither. The total of each page is exact all the same.
    Requests,
}

/// The files in quarantine, all pages of them.
pub async fn quarantine(context: &Context, reader: Reader, meanwhile: Meanwhile) -> Result<Option<Vec<QuarantinedFile>>, Failure> {
    let (mut found, mut after, mut span) = (Vec::new(), String::new(), None);
    loop {
        let Some(reply) = get(context, reader, &format!("/api/v1/quarantine?after={after}")).await? else { return Ok(None) };
        let page: QuarantineJson = pages::json(&reply.body)?;
        let whole = *span.get_or_insert(reply.head);
        span = Some(Span { from: whole.from, to: reply.head.to });
        let model = context.model();
        expect("files in quarantine", page.total, model.quarantined(reply.head, |_| true, |_| true))?;
        let hidden = model.quarantined(
            reply.head,
            |file| !model.may_see(reader, &names::stored(&file.key.sent_name), reply.head),
            |file| !model.always_sees(reader, &names::stored(&file.key.sent_name), reply.head),
        );
        expect("files in quarantine that are kept from the reader", page.kept_back, hidden)?;
        for file in &page.files {
            if !model.may_see(reader, &names::stored(&file.sent_name), reply.last_look) {
                return Err(Failure::of(&file.dataset, format!("{file:?} is listed in quarantine and is kept from researchers")));
            }
        }
        found.extend(page.files);
        let Some(next) = page.next else { break };
        after = next;
    }
    if let Some(span) = span {
        check_quarantine(&context.model(), reader, &found, span, meanwhile)?;
    }
    Ok(Some(found))
}

fn check_quarantine(model: &Model, reader: Reader, found: &[QuarantinedFile], span: Span, meanwhile: Meanwhile) -> Result<(), Failure> {
    let mut listed = Vec::new();
    for line in found {
        let key = changes::key_of(model, line)?;
        let dataset = model.datasets.get(&line.dataset);
        let file = dataset.and_then(|dataset| Some((dataset, dataset.files.iter().find(|file| file.key == key)?)));
        let Some((dataset, file)) = file else { return Err(Failure::of(&line.dataset, format!("no device sent {line:?}"))) };
        if !dataset.is_quarantined(file, span).1 {
            return Err(Failure::of(
                &line.dataset,
                format!("{line:?} is listed in quarantine within {span:?}, {file:?}, {:?}", dataset.place),
            ));
        }
        listed.push((&line.dataset, key));
    }
    if meanwhile == Meanwhile::Requests {
        return Ok(());
    }
    for (uuid, dataset) in &model.datasets {
        for file in &dataset.files {
            let is_seen = model.always_sees(reader, &names::stored(&file.key.sent_name), span);
            if dataset.is_quarantined(file, span).0 && is_seen && !listed.iter().any(|(other, key)| *other == uuid && *key == file.key) {
                return Err(Failure::of(uuid, format!("{file:?} is not listed in quarantine within {span:?}")));
            }
        }
    }
    Ok(())
}

fn expect(what: &str, found: u64, expected: Bounds) -> Result<(), String> {
    let Bounds { least, most } = expected;
    if expected.holds(found) { Ok(()) } else { Err(format!("{what}: {found}, expected {least} to {most}")) }
}

/// The devices, as JSON lists them.
pub async fn devices(context: &Context) -> Result<Vec<ListedDevice>, Failure> {
    let reply = get(context, Reader::Operator, "/api/v1/devices").await?.ok_or_else(|| Failure::new("no devices"))?;
    Ok(pages::json(&reply.body)?)
}

/// The ids of the devices, in the order of their identifiers.
pub async fn device_ids(context: &Context, identifiers: &[&str]) -> Result<Vec<String>, Failure> {
    let listed = devices(context).await?;
    let id = |identifier: &&str| listed.iter().find(|device| device.identifier == **identifier).map(|device| device.id.clone());
    identifiers.iter().map(|identifier| id(identifier).ok_or_else(|| Failure::new(format!("no device {identifier}")))).collect()
}
