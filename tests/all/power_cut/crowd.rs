//! Sixteen connections that upload until they are refused, and the ledger of what they sent and what was acknowledged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinHandle;

use crate::support::{Watch, sha256};

pub const CONNECTIONS: usize = 16;
/// So many connections are one watch's.
const OF_ONE_WATCH: usize = 4;

/// A file that was sent, under its dataset, its name and its digest: it is there once, however often it was sent.
pub type Key = (String, String, String);

#[derive(Clone)]
pub struct Sent {
    watch: Watch,
    bytes: Vec<u8>,
    /// The name that the receipt said, once there was one.
    pub stored_as: Option<String>,
}

pub type Ledger = Arc<Mutex<BTreeMap<Key, Sent>>>;

pub fn acknowledged(ledger: &Ledger) -> usize {
    ledger.lock().expect("ledger").values().filter(|sent| sent.stored_as.is_some()).count()
}

/// Lets everybody upload, into two new datasets of each watch, until `enough` or until they are refused.
pub async fn uploading(watches: &[Watch], ledger: &Ledger, enough: &Arc<AtomicBool>, dice: &mut StdRng) -> Vec<JoinHandle<()>> {
    let mut work = Vec::new();
    for watch in watches {
        let datasets = [watch.new_dataset().await, watch.new_dataset().await];
        for _ in 0..OF_ONE_WATCH {
            let (watch, ledger, enough) = (watch.clone(), Arc::clone(ledger), Arc::clone(enough));
            work.push(tokio::spawn(upload(watch, datasets.clone(), ledger, enough, dice.random())));
        }
    }
    assert_eq!(work.len(), CONNECTIONS);
    work
}

async fn upload(watch: Watch, datasets: [String; 2], ledger: Ledger, enough: Arc<AtomicBool>, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    while !enough.load(Ordering::SeqCst) {
        let uuid = &datasets[dice.random_range(0..2)];
        let (name, bytes) = file(&mut dice);
        let key = (uuid.clone(), name.clone(), sha256(&bytes));
        let sent = Sent { watch: watch.clone(), bytes: bytes.clone(), stored_as: None };
        ledger.lock().expect("ledger").entry(key.clone()).or_insert(sent);
        // A server whose disk is gone may not answer at all.
        let answer = tokio::time::timeout(Duration::from_secs(3), watch.try_upload(uuid, &name, bytes)).await;
        let Ok(Ok(answer)) = answer else { return };
        if answer.status() != 200 {
            return;
        }
        // The watch deletes its file on the status alone.
        let receipt: serde_json::Value = answer.json().await.expect("a receipt");
        let stored = receipt["stored_as"].as_str().expect("not in quarantine").to_owned();
        ledger.lock().expect("ledger").get_mut(&key).expect("sent").stored_as = Some(stored);
    }
}

/// Mostly one of its own; some that others send, too, and some of one name with other bytes.
fn file(dice: &mut StdRng) -> (String, Vec<u8>) {
    let mut bytes = vec![0; [0, 200, 200, 200, 5_000, 200_000][dice.random_range(0..6)]];
    dice.fill(&mut bytes[..]);
    match dice.random_range(0..8) {
        0 => ("same.csv".to_owned(), bytes),
        1 => (format!("again_{}.csv", dice.random_range(0..4)), b"the same of everybody".to_vec()),
        2 => (format!("model_{:x}.tflite", dice.random::<u64>()), bytes),
        _ => (format!("run_{:x}.csv", dice.random::<u64>()), bytes),
    }
}

/// Sends everything again, over as many connections: what was acknowledged is known, under the name that the receipt said.
pub async fn send_again(ledger: &Ledger, base: &str) {
    let sent = ledger.lock().expect("ledger").clone();
    let again = sent.into_iter().map(async |((uuid, name, digest), sent)| {
        let receipt = sent.watch.at(base).upload(&uuid, &name, sent.bytes).await;
        if let Some(stored) = sent.stored_as {
            assert_eq!((&receipt["new"], receipt["stored_as"].as_str()), (&false.into(), Some(&*stored)), "{name} of {uuid}");
        }
        assert_eq!(receipt["sha256"], digest.as_str());
    });
    futures_util::stream::iter(again).buffer_unordered(CONNECTIONS).collect::<()>().await;
}
