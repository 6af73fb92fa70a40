//! One device that was let in and means harm: the others notice nothing, and it gets no more than its quota.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinSet;
use wearhouse::ids::DatasetId;

use super::{
    crowd::{Crowd, Trickle},
    is_large,
};
use crate::support::{Watch, list};

/// More than a run has, since it is the others' quota, too.
const FILES: usize = 50;
const DATASETS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_device_keeps_nobody_away_and_gets_no_more_than_its_quota() {
    let limits = format!("limits:\n  device_files: {FILES}\n  device_datasets: {DATASETS}");
    let crowd = Crowd::start(&[], &limits, 60).await;
    let (hostile, stop) = (&crowd.watches[59], Arc::new(AtomicBool::new(false)));
    let (uuid, mut held) = (hostile.new_dataset().await, Vec::new());
    for _ in 0..40 {
        held.push(Trickle::begin(crowd.program.address, hostile, 1 << 20).await.expect("begun"));
    }
    let mut harm = JoinSet::new();
    for n in 0..60 {
        harm.spawn(do_harm(hostile.clone(), n, Arc::clone(&stop)));
    }
    let mut others = JoinSet::new();
    for watch in &crowd.watches[..59] {
        others.spawn(bring_a_run(watch.clone()));
    }
    while let Some(run) = others.join_next().await {
        run.expect("a run that is whole");
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(statuses) = harm.join_next().await {
        let statuses = statuses.expect("no panic");
        assert!(statuses.iter().all(|status| [200, 429, 503, 507].contains(status)), "{statuses:?}");
    }
    drop(held);
    // With its open uploads gone, it brings as much as it may.
    let mut last = 0;
    for n in 0..=2 * FILES {
        last = hostile.try_upload(&uuid, &format!("{n}.csv"), "").await.expect("an answer").status().as_u16();
    }
    assert_eq!(last, 507);
    let devices = crowd.program.researcher().json("/api/v1/devices").await;
    let of_hostile = devices.as_array().expect("devices").iter().find(|device| device["alias"] == "watch 59").expect("the device");
    let count = |what: &str| of_hostile[what].as_u64().expect("a number");
    assert!(count("files") == FILES as u64 && count("datasets") <= DATASETS as u64, "{of_hostile}");
    let folders = list(&crowd.folder.path().join("uploads/recordings"));
    let files: usize = folders.iter().map(|folder| list(folder).len()).sum();
    assert!(folders.len() <= 59 + DATASETS && files == 59 * files_of_a_run() + FILES, "{} folders, {files} files", folders.len());
}

fn files_of_a_run() -> usize {
    if is_large() { 40 } else { 10 }
}

/// A run of a well-meaning watch: each of its files is told to be safe.
async fn bring_a_run(watch: Watch) {
    let uuid = watch.new_dataset().await;
    for n in 0..files_of_a_run() {
        watch.upload(&uuid, &format!("{n}.csv"), vec![b'1'; 10_000]).await;
    }
}

/// Asks for datasets, and brings empty files under uuids of its own, as fast as it gets answers.
async fn do_harm(watch: Watch, n: u32, stop: Arc<AtomicBool>) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let answer = if n.is_multiple_of(2) {
            watch.request("GET", "/recording/new/").send().await
        } else {
            watch.try_upload(&DatasetId::random().to_string(), "empty.csv", "").await
        };
        statuses.push(answer.expect("an answer").status().as_u16());
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}
