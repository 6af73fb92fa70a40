//! A power cut under load, on ext4 and on XFS: what was not synced is gone, and whatever was acknowledged is there, whole, once,
//! listed and in the zip. It takes root and loop devices: where a machine has none, these tests say so and leave it at that,
//! unless WEARHOUSE_TEST_POWER_CUT=1 wants them.

mod crowd;
mod disk;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::{Connection, Executor, SqliteConnection};
use wearhouse::storage::Layout;

use self::{
    crowd::{CONNECTIONS, Ledger, acknowledged, send_again, uploading},
    disk::LoopDisk,
};
use crate::support::{Program, Researcher, Watch, config_text, list, sha256, until};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_in_a_power_cut_on_ext4() {
    power_cuts("ext4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_in_a_power_cut_on_xfs() {
    power_cuts("xfs").await;
}

/// When the power goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Behind so many acknowledged uploads, among others that are under way.
    InMidLoad(usize),
    /// Behind the last answer, when everything is marked as placed and no other upload's sync takes a name along.
    AtRest,
}

async fn power_cuts(system: &str) {
    let disk = match LoopDisk::make(system) {
        Ok(disk) => disk,
        Err(why) if std::env::var_os("WEARHOUSE_TEST_POWER_CUT").is_none() => return eprintln!("left out: {why}"),
        Err(why) => panic!("{why}"),
    };
    let seed = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut program = start(&disk, Moment::AtRest);
    let watches = let_in(&program.researcher()).await;
    let early = Moment::InMidLoad(dice.random_range(1..50));
    let late = [0; 2].map(|_| Moment::InMidLoad(dice.random_range(50..300)));
    for moment in [Moment::AtRest, early, late[0], late[1], Moment::AtRest] {
        program.kill();
        program = round(&disk, &watches, moment, &mut dice).await;
    }
}

async fn let_in(researcher: &Researcher) -> Vec<Watch> {
    let mut watches = Vec::new();
    for n in 0..4 {
        watches.push(researcher.let_in(&format!("watch {n}[{n:016x}]")).await);
    }
    watches
}

/// The program, with its uploads on the disk. A roll syncs, too: in a round that ends at rest nothing is rolled unasked.
fn start(disk: &LoopDisk, moment: Moment) -> Program {
    let rolls = if moment == Moment::AtRest { "zip:\n  small_mib: 0\n" } else { "" };
    std::fs::write(disk.beside().join("config.yml"), config_text(&disk.root().join("uploads")) + rolls).expect("a config");
    Program::in_folder(disk.beside()).start()
}

/// Uploads until the power is cut, and everything that must be true when it is back. Returns the program that runs then.
async fn round(disk: &LoopDisk, watches: &[Watch], moment: Moment, dice: &mut StdRng) -> Program {
    let mut program = start(disk, moment);
    let layout = Layout::new(disk.root().join("uploads"));
    age_the_log(&layout).await;
    let (ledger, enough) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
    let watches: Vec<_> = watches.iter().map(|watch| watch.at(program.researcher().base())).collect();
    let work = uploading(&watches, &ledger, &enough, dice).await;
    let wanted = if let Moment::InMidLoad(wanted) = moment { wanted } else { 100 };
    until("enough is acknowledged", async || acknowledged(&ledger) >= wanted).await;
    let mut ends = futures_util::future::join_all(work);
    if moment == Moment::AtRest {
        enough.store(true, Ordering::SeqCst);
        (&mut ends).await.into_iter().for_each(|end| end.expect("no panic"));
        // What is listed is marked as placed.
        program.researcher().json("/api/v1/quarantine").await;
    }
    let (uploads, commits) = program.uploads_and_commits().await;
    disk.cut().expect("cut");
    if moment != Moment::AtRest {
        // They go on: a server whose disk is gone acknowledges nothing.
        let refused = tokio::time::timeout(Duration::from_secs(5), &mut ends).await;
        refused.expect("all are refused, or not answered").into_iter().for_each(|end| end.expect("no panic"));
    }
    program.kill();
    disk.come_back().expect("the power is back");
    let kept = acknowledged(&ledger);
    println!("{uploads} uploads in {commits} commits, {kept} files acknowledged, {} sent", ledger.lock().expect("ledger").len());
    assert!(wanted < CONNECTIONS || commits < uploads, "no groups formed: {uploads} uploads in {commits} commits");
    let program = start(disk, Moment::InMidLoad(0));
    check(&program.researcher(), &layout, &ledger).await;
    program
}

/// The catalog's log as it is after a day: long, and written from its start again. While it grows, the file system has its length to
/// write down with each commit, and takes every new name along.
async fn age_the_log(layout: &Layout) {
    let mut catalog = SqliteConnection::connect(&format!("sqlite://{}", layout.catalog().display())).await.expect("the catalog");
    for statement in [
        "CREATE TABLE filler (bytes BLOB)",
        "INSERT INTO filler VALUES (zeroblob(25000000))",
        "DROP TABLE filler",
        "PRAGMA wal_checkpoint(RESTART)",
    ] {
        catalog.execute(statement).await.expect("done");
    }
    catalog.close().await.expect("closed");
}

async fn check(researcher: &Researcher, layout: &Layout, ledger: &Ledger) {
    let datasets: BTreeSet<String> = ledger.lock().expect("ledger").keys().map(|(uuid, ..)| uuid.clone()).collect();
    for uuid in &datasets {
        let listed = whole(researcher, layout, uuid).await;
        let ledger = ledger.lock().expect("ledger");
        let sent = ledger.iter().filter(|((dataset, ..), _)| dataset == uuid);
        for ((_, name, digest), sent) in sent {
            let Some(stored) = &sent.stored_as else { continue };
            assert_eq!(listed.get(stored), Some(digest), "{name} of {uuid} is lost");
        }
        let known: BTreeSet<_> = ledger.keys().filter(|(dataset, ..)| dataset == uuid).map(|(_, _, digest)| digest).collect();
        assert!(listed.values().all(|digest| known.contains(digest)), "{uuid} holds what nobody sent");
    }
    assert_eq!(researcher.json("/api/v1/quarantine").await["total"], 0);
    assert!(list(&layout.incoming_folder()).is_empty());
    send_again(ledger, researcher.base()).await;
    for uuid in &datasets {
        let sent = ledger.lock().expect("ledger").keys().filter(|(dataset, ..)| dataset == uuid).count();
        assert_eq!(whole(researcher, layout, uuid).await.len(), sent, "each file of {uuid} is there once");
    }
}

/// A dataset's files with their digests: the same in the list, on the disk and in the zip.
async fn whole(researcher: &Researcher, layout: &Layout, uuid: &str) -> BTreeMap<String, String> {
    let listed: BTreeMap<_, _> = researcher.files(uuid).await.into_iter().collect();
    let folder = |kind: &str| list(&layout.root().join(kind).join(uuid));
    let digest = |path: &Path| sha256(&std::fs::read(path).expect("the file"));
    let name = |path: &Path| path.file_name().expect("a name").to_str().expect("text").to_owned();
    let on_disk: BTreeMap<_, _> =
        [folder("recordings"), folder("tf_models")].concat().iter().map(|path| (name(path), digest(path))).collect();
    assert_eq!(on_disk, listed, "{uuid}: the disk, and the list");
    if !listed.is_empty() {
        let zipped = researcher.zip_contents(uuid).await.into_iter();
        let zipped: BTreeMap<_, _> = zipped.map(|(name, digest)| (name.replace("tf_models/", ""), digest)).collect();
        assert_eq!(zipped, listed, "{uuid}: the zip, and the list");
    }
    listed
}
