//! While nothing is in flight, every count and list is exact, what had no response is found out, and the disk holds what the model
//! says: no file less, none more, each with its bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use reqwest::Method;

use super::{
    changes,
    context::{Context, Failure},
    lists,
    model::{Dataset, Model, OnErasure, Place, Reader, State, TAGS},
    names,
    pages::{DatasetJson, ERASED, ListedDataset, ListedDevice, QuarantinedFile},
};
use crate::support::{list, sha256};

/// Compares everything, and settles the model on what was found. Nothing may be in flight.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let operator = Reader::Operator;
    let missing = || Failure::new("no response, and the server runs");
    finish_erasures(context).await?;
    let live = lists::datasets(context, operator, Place::Live).await?.ok_or_else(missing)?;
    let trash = lists::datasets(context, operator, Place::Trash).await?.ok_or_else(missing)?;
    adopt(context, &live).await?;
    let quarantine = lists::quarantine(context, operator, lists::Meanwhile::Nothing).await?.ok_or_else(missing)?;
    settle_places(&mut context.model(), &live, &trash)?;
    settle_quarantine(&mut context.model(), &quarantine)?;
    for uuid in live.iter().chain(&trash).map(|row| &row.uuid) {
        let found = lists::dataset_json(context, operator, uuid).await?.ok_or_else(missing)?;
        settle_dataset(&mut context.model(), uuid, &found)?;
    }
    // Everything is known now: these are exact.
    for reader in [Reader::Operator, Reader::Researcher] {
        lists::datasets(context, reader, Place::Live).await?.ok_or_else(missing)?;
        lists::datasets(context, reader, Place::Trash).await?.ok_or_else(missing)?;
        lists::quarantine(context, reader, lists::Meanwhile::Nothing).await?.ok_or_else(missing)?;
        lists::dashboard(context, reader).await?;
        lists::list_page(context, reader).await?;
    }
    lists::csv(context, Reader::Researcher).await?;
    let devices = lists::devices(context).await?;
    settle_devices(&mut context.model(), &devices)?;
    check_disk(context).await?;
    context.model().forget_what_is_gone();
    Ok(())
}

/// What the ledger says is erased is erased by the server, also where it was killed meanwhile: waits until it is done.
async fn finish_erasures(context: &Context) -> Result<(), Failure> {
    let ledger = context.server().await.uploads().join(".house/ledger.jsonl");
    let ledger = std::fs::read_to_string(ledger).unwrap_or_default();
    let unknown: Vec<_> = {
        let model = context.model();
        let is_unknown = |dataset: &Dataset| dataset.may_be(Place::Erased, model.now()) && !dataset.is_always(Place::Erased, model.now());
        model
            .datasets
            .iter()
            .filter(|(uuid, dataset)| is_unknown(dataset) && ledger.contains(*uuid))
            .map(|(uuid, _)| uuid.clone())
            .collect()
    };
    for uuid in unknown {
        let is_gone = async || {
            let request = context.ask(Reader::Operator, Method::GET, &format!("/api/v1/datasets/{uuid}")).await;
            context.send_now(request).await.is_some_and(|reply| reply.status == 404)
        };
        context.wait("what the ledger says is erased is gone", is_gone).await?;
        if let Some(dataset) = context.model().datasets.get_mut(&uuid) {
            dataset.place.settle(Place::Erased);
        }
    }
    Ok(())
}

/// Datasets whose UUIDs came with no response.
async fn adopt(context: &Context, live: &[ListedDataset]) -> Result<(), Failure> {
    for row in live {
        if context.model().datasets.contains_key(&row.uuid) {
            continue;
        }
        let reply = context.send_now(context.ask(Reader::Operator, Method::GET, &format!("/api/v1/datasets/{}", row.uuid)).await).await;
        let found: DatasetJson = super::pages::json(&reply.ok_or_else(|| Failure::new("no response"))?.body)?;
        let mut model = context.model();
        let owner = model.devices.iter().position(|device| Some(&device.id) == found.device.as_ref());
        let issue = model.unissued.iter().find(|(_, device)| Some(**device) == owner).map(|(asked, device)| (*asked, *device));
        let Some((asked, device)) = issue else { return Err(Failure::of(&row.uuid, "no device asked for this dataset")) };
        model.unissued.remove(&asked);
        let issued = super::history::Span { from: asked, to: model.tick() };
        model.add_dataset(&row.uuid, device, issued);
    }
    context.model().unissued.clear();
    Ok(())
}

fn settle_places(model: &mut Model, live: &[ListedDataset], trash: &[ListedDataset]) -> Result<(), Failure> {
    let now = model.now();
    let uuids = |rows: &[ListedDataset]| rows.iter().map(|row| row.uuid.clone()).collect::<BTreeSet<_>>();
    let (live, trash) = (uuids(live), uuids(trash));
    for (uuid, dataset) in &mut model.datasets {
        let found = match (live.contains(uuid), trash.contains(uuid)) {
            (true, false) => Place::Live,
            (false, true) => Place::Trash,
            (false, false) => Place::Erased,
            (true, true) => return Err(Failure::of(uuid, "it is live and in the trash")),
        };
        if !dataset.may_be(found, now) {
            return Err(Failure::of(uuid, format!("it is {found:?}: {:?}", dataset.place)));
        }
        dataset.place.settle(found);
    }
    Ok(())
}

/// What is not in quarantine and may not be stored was discarded, erased, or never came.
fn settle_quarantine(model: &mut Model, found: &[QuarantinedFile]) -> Result<(), Failure> {
    let mut listed = BTreeMap::new();
    for line in found {
        let key = changes::key_of(model, line)?;
        let on_erasure = if line.reason == ERASED { OnErasure::Kept } else { OnErasure::Erased };
        listed.insert((line.dataset.clone(), key.sender, key.sent_name, key.sha256), on_erasure);
    }
    let now = model.now();
    for (uuid, dataset) in &mut model.datasets {
        let is_erased = dataset.is_always(Place::Erased, now);
        for file in &mut dataset.files {
            let key = (uuid.clone(), file.key.sender, file.key.sent_name.clone(), file.key.sha256.clone());
            match listed.get(&key) {
                Some(on_erasure) => file.state.settle(State::Quarantined(*on_erasure)),
                None if is_erased => file.state.settle(State::Absent),
                None => {}
            }
        }
    }
    Ok(())
}

fn settle_dataset(model: &mut Model, uuid: &str, found: &DatasetJson) -> Result<(), Failure> {
    let now = model.now();
    let dataset = model.datasets.get_mut(uuid).ok_or_else(|| Failure::of(uuid, "this UUID was never issued"))?;
    let listed: BTreeSet<_> = found.file_list.iter().map(|file| &file.name).collect();
    for file in &mut dataset.files {
        if file.stored_as.as_ref().is_some_and(|name| listed.contains(name)) {
            file.state.settle(State::Stored);
        } else if !file.state.is_always(now, |state| matches!(state, State::Quarantined(_))) {
            file.state.settle(State::Absent);
        }
    }
    dataset.title.settle(found.title.clone());
    dataset.description.settle(found.description.clone());
    dataset.quality.settle(changes::QUALITIES.into_iter().find(|quality| *quality == found.quality.as_deref()).flatten());
    for (tag, history) in TAGS.iter().zip(&mut dataset.tags) {
        history.settle(found.tags.iter().any(|found| found == tag));
    }
    Ok(())
}

/// What each device counts against its quota, and whether it has access.
fn settle_devices(model: &mut Model, found: &[ListedDevice]) -> Result<(), Failure> {
    let now = model.now();
    for index in 0..model.devices.len() {
        let device = &model.devices[index];
        let listed = found.iter().find(|listed| listed.id == device.id).ok_or_else(|| Failure::new(format!("no device {index}")))?;
        let has_access = listed.revoked_at.is_none();
        let (mut datasets, mut files, mut bytes) = (0, 0, 0);
        for dataset in model.datasets.values() {
            let is_erased = dataset.is_always(Place::Erased, now);
            datasets += u64::from(dataset.owner == index && !is_erased);
            let sent = dataset.files.iter().filter(|file| file.key.sender == index);
            for file in sent.filter(|file| (file.is_always_stored(now) && !is_erased) || dataset.is_quarantined(file, now).0) {
                files += 1;
                bytes += file.size;
            }
        }
        if !device.has_access.may_equal(now, &has_access) || (listed.datasets, listed.files, listed.bytes) != (datasets, files, bytes) {
            let expected = format!("{datasets} datasets, {files} files, {bytes} bytes, access {:?}", device.has_access);
            return Err(Failure::new(format!("device {index} is {listed:?}, expected {expected}")));
        }
        model.devices[index].has_access.settle(has_access);
    }
    Ok(())
}

/// The disk holds exactly what the model says, once the server has nothing to do any more.
async fn check_disk(context: &Context) -> Result<(), Failure> {
    let uploads = context.server().await.uploads();
    let expected = expected_files(&context.model());
    let erased: Vec<_> = erased(&context.model());
    let data_directory = uploads.join(".house");
    let idle = context.wait("the server is idle", async || {
        let is_empty = ["incoming", "rolling"].iter().all(|folder| list(&data_directory.join(folder)).is_empty());
        is_empty && !erased.iter().any(|uuid| traces(&uploads, uuid).iter().any(|path| path.exists()))
    });
    idle.await?;
    let mut found = BTreeMap::new();
    for folder in ["recordings", "tf_models"] {
        for dataset in list(&uploads.join(folder)) {
            for path in list(&dataset) {
                let digest = sha256(&std::fs::read(&path).expect("a file"));
                found.insert(path, digest);
            }
        }
    }
    for (path, digest) in &expected {
        let path = uploads.join(path);
        match found.remove(&path) {
            Some(there) if there == *digest => {}
            there => {
                return Err(Failure::of(&dataset_of(&path), format!("{} is {there:?} on the disk, expected {digest}", path.display())));
            }
        }
    }
    if let Some((path, _)) = found.first_key_value() {
        return Err(Failure::of(&dataset_of(path), format!("{} is on the disk, and was never acknowledged or was erased", path.display())));
    }
    check_quarantine(&context.model(), &data_directory.join("quarantine"))
}

fn check_quarantine(model: &Model, folder: &Path) -> Result<(), Failure> {
    let now = model.now();
    let mut expected: Vec<_> = model
        .datasets
        .values()
        .flat_map(|dataset| dataset.files.iter().filter(move |file| dataset.is_quarantined(file, now).0))
        .map(|file| file.key.sha256.clone())
        .collect();
    let mut found: Vec<_> = list(folder).iter().map(|path| sha256(&std::fs::read(path).expect("a file"))).collect();
    expected.sort();
    found.sort();
    if expected == found { Ok(()) } else { Err(Failure::new(format!("in quarantine on the disk is {found:?}, expected {expected:?}"))) }
}

/// Each stored file's path under `uploads/`, and its digest.
fn expected_files(model: &Model) -> BTreeMap<PathBuf, String> {
    let now = model.now();
    let path = |uuid: &String, name: &str| Path::new(names::folder(name)).join(uuid).join(name);
    let files = model.datasets.iter().flat_map(|(uuid, dataset)| dataset.files.iter().map(move |file| (uuid, dataset, file)));
    let stored = files.filter(|(_, dataset, file)| !dataset.is_always(Place::Erased, now) && file.is_always_stored(now));
    stored.map(|(uuid, _, file)| (path(uuid, &file.name()), file.key.sha256.clone())).collect()
}

fn erased(model: &Model) -> Vec<String> {
    let is_erased = |dataset: &Dataset| dataset.is_always(Place::Erased, model.now());
    model.datasets.iter().filter(|(_, dataset)| is_erased(dataset)).map(|(uuid, _)| uuid.clone()).collect()
}

/// What may be left of an erased dataset.
fn traces(uploads: &Path, uuid: &str) -> [PathBuf; 3] {
    [uploads.join("recordings").join(uuid), uploads.join("tf_models").join(uuid), uploads.join("zips").join(format!("{uuid}.zip"))]
}

fn dataset_of(path: &Path) -> String {
    path.parent().and_then(|folder| folder.file_name()).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
