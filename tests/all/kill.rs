//! `kill -9` at random moments: whatever was acknowledged is there, whole, owned, listed and in the next zip; every other file
//! is absent or whole.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{Program, Researcher, Watch, sha256};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const ROUNDS: u64 = 24;
const WATCHES: usize = 8;

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
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let over = Arc::new(AtomicBool::new(false));
        let mut work: Vec<_> = watches
            .iter()
            .map(|watch| {
                let watch = watch.at(program.researcher().base());
                tokio::spawn(record(watch, shared.clone(), Arc::clone(&sent), Arc::clone(&over), dice.random()))
            })
            .collect();
        // A third of the rounds aim at the roller: somebody asks for zips all the time.
        if round % 3 == 0 {
            work.push(tokio::spawn(ask_for_zips(program.researcher(), Arc::clone(&sent), Arc::clone(&over))));
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(20..400))).await;
        program.kill();
        over.store(true, Ordering::SeqCst);
        for task in work {
            task.await.expect("no panic");
        }
        program = Program::in_folder(folder.path()).start();
        acknowledged = check(&program.researcher(), &sent, folder.path()).await;
    }
    println!("{acknowledged} acknowledged files survived {ROUNDS} kills");
    assert!(acknowledged > ROUNDS, "hardly anything was uploaded");
}

async fn let_in(researcher: &Researcher) -> Vec<Watch> {
    let mut watches = Vec::new();
    for n in 0..WATCHES {
        watches.push(researcher.let_in(&format!("watch {n}[{n:016x}]")).await);
    }
    watches
}

/// Records runs and uploads them until the server is gone. Every other watch's files go into a dataset of its own, the others'
/// into one that several requests fill at once.
async fn record(watch: Watch, shared: String, sent: Sent, over: Arc<AtomicBool>, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let Ok(answer) = watch.request("GET", "/recording/new/").send().await else { return };
    let Ok(answer) = answer.json::<serde_json::Value>().await else { return };
    let own = answer["uuid"].as_str().expect("a uuid").to_owned();
    while !over.load(Ordering::SeqCst) {
        let uuid = if dice.random_bool(0.5) { &own } else { &shared };
        let size = [0, 100, 100, 5_000, 300_000, 2_000_000][dice.random_range(0..6)];
        let mut bytes = vec![0; size];
        dice.fill(&mut bytes[..]);
        bytes.extend_from_slice(&dice.random::<u64>().to_be_bytes());
        let (name, digest) =
            (format!("run_{}.{}", dice.random_range(0..6), ["csv", "zip", "tflite"][dice.random_range(0..3)]), sha256(&bytes));
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

/// Holds the house against what was sent. Returns how many acknowledged files there are.
async fn check(researcher: &Researcher, sent: &Sent, folder: &std::path::Path) -> u64 {
    let sent = sent.lock().expect("sent").clone();
    let held = researcher.json("/api/v1/quarantine").await;
    let held: Vec<_> = held["files"].as_array().expect("files").iter().map(|file| file["sha256"].as_str().expect("a digest")).collect();
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
                assert!(held.contains(&digest.as_str()), "a file in quarantine is lost");
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
