//! `kill -9` at random moments: whatever was acknowledged is there, whole, owned, listed and in the next zip; every other file
//! is absent or whole. Behind it, each state that a kill can leave is made by hand, since chance may pass over it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sqlx::{Connection, Executor, Row, SqliteConnection};
use wearhouse::{ids::FileId, storage::Layout};

use crate::support::{Call, House, Program, Researcher, Watch, WatchedDisk, list, sha256, until};

const ROUNDS: u64 = 16;
const WATCHES: usize = 8;
/// Of each watch: groups form where many upload at once.
const CONNECTIONS: usize = 2;

/// Mostly small: what was kept is read again after each kill.
const SIZES: [usize; 16] = [0, 0, 100, 100, 100, 100, 100, 100, 5_000, 5_000, 5_000, 5_000, 50_000, 50_000, 300_000, 2_000_000];

/// What was sent and what was acknowledged: dataset → digest → stored name, if it was acknowledged.
type Sent = Arc<Mutex<HashMap<String, HashMap<String, Option<String>>>>>;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let folder = tempfile::TempDir::new().expect("a folder");
    let sent: Sent = Arc::default();
    let mut program = Program::in_folder(folder.path()).start();
    let watches = let_in(&program.researcher()).await;
    let shared = watches[0].new_dataset().await;
    let (mut acknowledged, mut uploads, mut commits) = (0, 0, 0);
    for round in 0..ROUNDS {
        let over = Arc::new(AtomicBool::new(false));
        let mut work = Vec::new();
        for watch in &watches {
            let watch = watch.at(program.researcher().base());
            let datasets = [watch.new_dataset().await, shared.clone()];
            for _ in 0..CONNECTIONS {
                let (watch, datasets, sent, over) = (watch.clone(), datasets.clone(), Arc::clone(&sent), Arc::clone(&over));
                work.push(tokio::spawn(record(watch, datasets, sent, over, dice.random())));
            }
        }
        // A third of the rounds aim at the roller: somebody asks for zips all the time.
        if round % 3 == 0 {
            work.push(tokio::spawn(ask_for_zips(program.researcher(), Arc::clone(&sent), Arc::clone(&over))));
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(20..250))).await;
        let so_far = program.uploads_and_commits().await;
        (uploads, commits) = (uploads + so_far.0, commits + so_far.1);
        program.kill();
        over.store(true, Ordering::SeqCst);
        for task in work {
            task.await.expect("no panic");
        }
        program = Program::in_folder(folder.path()).start();
        acknowledged = check(&program.researcher(), &sent, folder.path()).await;
    }
    println!("{acknowledged} acknowledged files survived {ROUNDS} kills; {uploads} uploads in {commits} commits");
    assert!(commits < uploads, "no groups formed: {uploads} uploads in {commits} commits");
    assert!(acknowledged > ROUNDS, "hardly anything was uploaded");
}

async fn let_in(researcher: &Researcher) -> Vec<Watch> {
    let mut watches = Vec::new();
    for n in 0..WATCHES {
        watches.push(researcher.let_in(&format!("watch {n}[{n:016x}]")).await);
    }
    watches
}

/// Records runs and uploads them until the server is gone: half of the files into a dataset of the watch's own, the others into
/// one that all watches fill at once.
async fn record(watch: Watch, datasets: [String; 2], sent: Sent, over: Arc<AtomicBool>, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    while !over.load(Ordering::SeqCst) {
        let uuid = &datasets[dice.random_range(0..2)];
        let size = *SIZES.choose(&mut dice).expect("a size");
        let mut bytes = vec![0; size];
        dice.fill(&mut bytes[..]);
        bytes.extend_from_slice(&dice.random::<u64>().to_be_bytes());
        let (name, digest) =
            (format!("run_{}.{}", dice.random_range(0..30), ["csv", "zip", "tflite"][dice.random_range(0..3)]), sha256(&bytes));
        sent.lock().expect("sent").entry(uuid.clone()).or_default().insert(digest.clone(), None);
        let Ok(answer) = watch.try_upload(uuid, &name, bytes).await else { return };
        let status = answer.status();
        let Ok(answer) = answer.text().await else { return };
        assert_eq!(status, 200, "{answer}");
        let receipt: serde_json::Value = serde_json::from_str(&answer).expect("json");
        // Another watch's file for the shared dataset is acknowledged too, and quarantined.
        let stored = receipt["stored_as"].as_str().unwrap_or("(quarantine)").to_owned();
        sent.lock().expect("sent").entry(uuid.clone()).or_default().insert(digest, Some(stored));
    }
}

async fn ask_for_zips(researcher: Researcher, sent: Sent, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        let datasets: Vec<_> = sent.lock().expect("sent").keys().cloned().collect();
        for uuid in datasets {
            if researcher.request("GET", &format!("/uploads/zips/{uuid}.zip")).send().await.is_err() {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// The digests of what is in quarantine, in the catalog and with its bytes on the disk: all of it, where the list ends at 200.
async fn held(researcher: &Researcher, folder: &std::path::Path) -> HashSet<String> {
    // What was acknowledged is marked as placed before anything is listed.
    let listed = researcher.json("/api/v1/quarantine").await;
    let uploads = Layout::new(folder.join("uploads"));
    let mut catalog = SqliteConnection::connect(&format!("sqlite://{}", uploads.catalog().display())).await.expect("the catalog");
    let rows = catalog.fetch_all("SELECT sha256 FROM files WHERE held IS NOT NULL AND state = 'placed'").await.expect("rows");
    let rows: HashSet<String> = rows.iter().map(|row| row.get("sha256")).collect();
    for file in listed["files"].as_array().expect("files") {
        assert!(rows.contains(file["sha256"].as_str().expect("a digest")));
    }
    let on_disk = list(&uploads.house().join("quarantine"));
    let on_disk: HashSet<String> = on_disk.iter().map(|path| sha256(&std::fs::read(path).expect("the file"))).collect();
    rows.intersection(&on_disk).cloned().collect()
}

/// Holds the house against what was sent. Returns how many acknowledged files there are.
async fn check(researcher: &Researcher, sent: &Sent, folder: &std::path::Path) -> u64 {
    let sent = sent.lock().expect("sent").clone();
    let held = held(researcher, folder).await;
    let mut acknowledged = 0;
    for (uuid, files) in &sent {
        if files.values().all(Option::is_none) {
            continue;
        }
        let listed: HashMap<_, _> = researcher.files(uuid).await.into_iter().collect();
        let mut zipped = Vec::new();
        if !listed.is_empty() {
            zipped = researcher.zip_contents(uuid).await;
        }
        for (digest, stored) in files {
            let Some(stored) = stored else { continue };
            acknowledged += 1;
            if stored == "(quarantine)" {
                assert!(held.contains(digest), "a file in quarantine is lost, of {}", held.len());
                continue;
            }
            assert_eq!(listed.get(stored), Some(digest), "{stored} of {uuid} is not listed");
            let kind = if stored.ends_with("tflite") { "tf_models" } else { "recordings" };
            let bytes = std::fs::read(folder.join("uploads").join(kind).join(uuid).join(stored)).expect("the file");
            assert_eq!(sha256(&bytes), *digest, "{stored} of {uuid} is torn");
        }
        // What is listed is what is zipped, and nothing of it was never sent.
        assert_eq!(zipped.len(), listed.len());
        assert!(zipped.iter().all(|(_, digest)| files.contains_key(digest)), "a file that nobody sent");
        assert!(listed.values().all(|digest| zipped.iter().any(|(_, zipped)| zipped == digest)));
    }
    acknowledged
}

/// A house with one file, stopped, and that file's dataset and id.
async fn stopped_with(name: &str) -> (House, Watch, String, FileId) {
    let mut house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, name, "1").await;
    house.stop().await;
    let row = sqlx::query("SELECT id FROM files").fetch_one(&mut house.catalog().await).await.expect("a row");
    let id = row.get::<String, _>("id").parse().expect("an id");
    (house, watch, uuid, id)
}

/// As the catalog is between the recording of a file and the mark that it lies in its place.
const PLACING: [&str; 2] = ["UPDATE files SET state = 'placing'", "UPDATE datasets SET files = 0, bytes = 0, changes = 0, zipped = 0"];

async fn used(house: &House) -> (u64, u64) {
    let device = &house.researcher().json("/api/v1/devices").await[0];
    (device["files"].as_u64().expect("a number"), device["bytes"].as_u64().expect("a number"))
}

#[tokio::test]
async fn a_file_that_was_recorded_and_lies_in_incoming_or_in_its_place_is_finished() {
    for is_placed in [true, false] {
        let (house, watch, uuid, id) = stopped_with("a.csv").await;
        for statement in PLACING {
            house.change_catalog(statement).await;
        }
        let placed = house.config.storage.uploads.join("recordings").join(&uuid).join("a.csv");
        if !is_placed {
            std::fs::rename(&placed, house.layout().incoming(id)).expect("there");
        }
        let house = house.start_again().await;
        let researcher = house.researcher();
        assert_eq!(researcher.zip_contents(&uuid).await, [("a.csv".to_owned(), sha256(b"1"))]);
        assert_eq!(std::fs::read(&placed).expect("in its place"), b"1");
        let dataset = researcher.dataset(&uuid).await;
        assert_eq!((&dataset["files"], &dataset["bytes"], used(&house).await), (&1.into(), &1.into(), (1, 1)));
        assert_eq!(watch.at(researcher.base()).upload(&uuid, "a.csv", "1").await["new"], false);
        assert!(house.incoming().is_empty());
    }
}

#[tokio::test]
async fn a_file_that_was_recorded_and_lies_nowhere_or_is_torn_is_dropped_and_may_come_again() {
    for is_torn in [true, false] {
        let (house, watch, uuid, _) = stopped_with("a.csv").await;
        for statement in PLACING {
            house.change_catalog(statement).await;
        }
        let placed = house.config.storage.uploads.join("recordings").join(&uuid).join("a.csv");
        if is_torn {
            std::fs::write(&placed, "torn").expect("written");
        } else {
            std::fs::remove_file(&placed).expect("there");
        }
        let house = house.start_again().await;
        let researcher = house.researcher();
        assert!(researcher.files(&uuid).await.is_empty());
        assert_eq!(used(&house).await, (0, 0));
        let receipt = watch.at(researcher.base()).upload(&uuid, "a.csv", "1").await;
        assert_eq!(receipt["new"], true);
        let stored = receipt["stored_as"].as_str().expect("a name").to_owned();
        assert_eq!(researcher.zip_contents(&uuid).await, [(stored, sha256(b"1"))]);
        assert_eq!(used(&house).await, (1, 1));
    }
}

/// It may have been acknowledged: better nobody is served than somebody is told that it is gone.
#[tokio::test]
async fn a_start_that_cannot_finish_a_file_serves_nobody() {
    let disk = WatchedDisk::new();
    let mut house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    house.stop().await;
    house.change_catalog(PLACING[0]).await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    disk.before(move |call| if *call == Call::SyncFolder(folder.clone()) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) });
    let refusal = house.start_again().await.refusal().await.to_string();
    assert!(refusal.contains("cannot clear up after the last process"), "{refusal}");
    disk.before(|_| Ok(()));
    assert_eq!(house.start_again().await.researcher().files(&uuid).await.len(), 1);
}

#[tokio::test]
async fn what_nobody_recorded_and_half_a_zip_are_cleared_away() {
    let (house, _, uuid, _) = stopped_with("a.csv").await;
    let rolling = house.layout().rolling(uuid.parse().expect("a uuid"));
    std::fs::write(house.layout().incoming(FileId::generate()), "nobody's").expect("written");
    std::fs::write(&rolling, "half").expect("written");
    let house = house.start_again().await;
    house.researcher().wait_until_up().await;
    assert!(house.incoming().is_empty());
    assert_ne!(std::fs::read(&rolling).ok(), Some(b"half".to_vec()));
}

#[tokio::test]
async fn a_discard_that_was_cut_is_finished() {
    for is_removed in [true, false] {
        let (house, watch, uuid, id) = stopped_with("a.exe").await;
        house.change_catalog("UPDATE files SET state = 'discarding'").await;
        if is_removed {
            std::fs::remove_file(house.layout().quarantine(id)).expect("there");
        }
        let house = house.start_again().await;
        assert_eq!(house.researcher().json("/api/v1/quarantine").await["total"], 0);
        assert!(list(&house.layout().house().join("quarantine")).is_empty());
        assert_eq!(used(&house).await, (0, 0));
        assert_eq!(watch.at(house.researcher().base()).upload(&uuid, "a.exe", "1").await["new"], true);
    }
}

#[tokio::test]
async fn a_release_that_was_cut_is_finished() {
    let (house, _, uuid, id) = stopped_with("a.exe").await;
    house.change_catalog("UPDATE files SET state = 'placing', held = NULL, stored_name = 'a.exe', folded_name = 'a.exe'").await;
    let house = house.start_again().await;
    assert_eq!(house.researcher().zip_contents(&uuid).await, [("a.exe".to_owned(), sha256(b"1"))]);
    assert!(!house.layout().quarantine(id).exists());
    assert_eq!(house.researcher().json("/api/v1/quarantine").await["total"], 0);
}

/// Nobody asks for this zip: it is rolled because the last server did not come to it.
#[tokio::test]
async fn a_zip_that_was_behind_is_rolled_after_the_start_unasked() {
    let (house, _, uuid, _) = stopped_with("a.csv").await;
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    let _ = std::fs::remove_file(&zip);
    house.change_catalog("UPDATE datasets SET zipped = 0").await;
    let house = house.start_again().await;
    until("the zip is there", async || zip.exists()).await;
    assert_eq!(house.researcher().zip_contents(&uuid).await.len(), 1);
}
