//! Reads everything back, and holds it against what was sent: what the server says that it holds, and what its zips hold.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, Write},
    sync::Arc,
};

use futures_util::StreamExt;
use http_body_util::BodyDataStream;
use hyper::{Response, body::Incoming};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use zip::ZipArchive;

use super::{
    FleetError, Shared,
    client::Road,
    desk::{Dataset, Desk},
    tally::Run,
};
use crate::outside::PATIENCE;

/// How many look at once.
const READERS: usize = 4;

/// What is wrong with a file that the server has called safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not there.
    Lost,
    /// Its bytes are others.
    Damaged,
    /// It is there more than once.
    Doubled,
    /// The server did not let it be read.
    Unread,
}

/// A file that the server has called safe, and that is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: Kind,
    /// The dataset.
    pub uuid: String,
    /// The file as the watch named it.
    pub name: String,
    /// Where it shows.
    pub seen_in: &'static str,
}

/// Digests by name.
type Digests = BTreeMap<String, String>;

pub(super) async fn read_back(shared: &Arc<Shared>, road: &Road) -> Result<Vec<Fault>, FleetError> {
    let runs = shared.tally().runs.clone();
    let login = shared.fleet.login.as_ref().ok_or(FleetError::NoLogin)?;
    shared.bar.set_message("reading everything back");
    shared.bar.set_position(0);
    shared.bar.set_length(runs.len() as u64);
    let share = runs.len().div_ceil(READERS).max(1);
    let mut reading: JoinSet<_> =
        runs.chunks(share).map(|runs| read_runs(Desk::new(road, login), runs.to_vec(), Arc::clone(shared))).collect();
    let mut faults = Vec::new();
    while let Some(found) = reading.join_next().await {
        faults.extend(found.map_err(io::Error::other)??);
    }
    faults.sort();
    Ok(faults)
}

async fn read_runs(mut desk: Desk, runs: Vec<Run>, shared: Arc<Shared>) -> Result<Vec<Fault>, FleetError> {
    let mut faults = Vec::new();
    for run in runs {
        let (maker, sent) = (Arc::clone(&shared), run.clone());
        let digests = move || sent_digests(&maker, &sent);
        let sent = spawn_blocking(digests).await.map_err(io::Error::other)?;
        match read_run(&mut desk, &run, &sent).await {
            Ok(found) => faults.extend(found),
            Err(FleetError::Refused(why)) => {
                shared.bar.println(format!("{}: {why}", run.uuid));
                faults.extend(sent.into_keys().map(|name| fault(Kind::Unread, &run, name, "dataset")));
            }
            Err(error) => return Err(error),
        }
        shared.bar.inc(1);
    }
    Ok(faults)
}

/// What the run's safe files were. They are made anew: the same seed makes the same bytes.
fn sent_digests(shared: &Shared, run: &Run) -> Digests {
    let files = (0..run.safe).map(|index| shared.maker.file(&run.watch, run.number, index));
    files.map(|file| (file.name.clone(), file.sha256())).collect()
}

async fn read_run(desk: &mut Desk, run: &Run, sent: &Digests) -> Result<Vec<Fault>, FleetError> {
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let dataset = desk.dataset(&run.uuid).await?;
    let mut faults = compare(run, sent, &dataset);
    let zipped = match desk.zip(&run.uuid).await? {
        Some(zip) => zipped_digests(zip).await?,
        None => Digests::new(),
    };
    // A file that is lost already is not missed in the zip, too.
    let held = dataset.file_list.iter().filter(|held| sent.contains_key(&held.sent_name));
    for held in held.filter(|held| zipped.get(&held.name) != sent.get(&held.sent_name)) {
        let kind = if zipped.contains_key(&held.name) { Kind::Damaged } else { Kind::Lost };
        faults.push(fault(kind, run, held.sent_name.clone(), "zip"));
    }
    Ok(faults)
}

/// Holds what the server says that it holds against what was sent.
fn compare(run: &Run, sent: &Digests, dataset: &Dataset) -> Vec<Fault> {
    let judge = |(name, digest): (&String, &String)| {
        let held: Vec<_> = dataset.file_list.iter().filter(|held| held.sent_name == *name).collect();
        let kind = match held[..] {
            [] => Kind::Lost,
            [one] if one.sha256 == *digest => return None,
            [_] => Kind::Damaged,
            [..] => Kind::Doubled,
        };
        Some(fault(kind, run, name.clone(), "dataset"))
    };
    sent.iter().filter_map(judge).collect()
}

fn fault(kind: Kind, run: &Run, name: String, seen_in: &'static str) -> Fault {
    Fault { kind, uuid: run.uuid.clone(), name, seen_in }
}

/// Names and digests of what a zip holds. One that is not whole holds nothing.
async fn zipped_digests(zip: Response<Incoming>) -> Result<Digests, FleetError> {
    let mut file = nameless()?;
    let mut body = BodyDataStream::new(zip.into_body());
    while let Some(bytes) = timeout(PATIENCE, body.next()).await.map_err(|_| FleetError::Refused("the zip stands still".to_owned()))? {
        let bytes = bytes.map_err(|error| FleetError::Refused(format!("the zip broke off: {error}")))?;
        file.write_all(&bytes)?;
    }
    let digests = spawn_blocking(move || digests(file)).await.map_err(io::Error::other)?;
    digests.map_err(|error| FleetError::Refused(format!("the zip is not whole: {error}")))
}

fn digests(mut file: File) -> io::Result<Digests> {
    file.rewind()?;
    let mut zip = ZipArchive::new(BufReader::new(file))?;
    let mut digests = Digests::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index)?;
        let name = entry.name()?.into_owned();
        digests.insert(name, digest(&mut entry)?);
    }
    Ok(digests)
}

fn digest(reader: &mut impl Read) -> io::Result<String> {
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(super::recording::hex(&digest.finalize())),
            read => digest.update(&piece[..read]),
        }
    }
}

/// A file that is gone when it is closed.
fn nameless() -> io::Result<File> {
    let path = env::temp_dir().join(format!("wearhouse-simulate-{:032x}", rand::random::<u128>()));
    let file = File::options().create_new(true).read(true).write(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}
